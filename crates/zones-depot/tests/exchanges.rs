//! Conformance: each file of `tests/exchanges` is a series of requests and what has to come back.
//!
//! A file begins with `depot OPTIONS`: `two` or `empty` for another repository, `readonly`,
//! `mirror`, `add-content`, `token`, `proxy`, `content`, `disable=OP[/VERSION]`. Then, for each
//! exchange:
//!
//! ```text
//! ### what it shows
//! > a line of the request           (ends with CR LF)
//! >| a piece of its body            (no line end)
//! < 200
//! < Name: value                     (this header, exactly)
//! < Name: ~part of the value
//! < Name: @word                     (kept, and put in place of {word} from here on)
//! < !Name                           (no such header)
//! = a line of the body              (all of them are the body)
//! ~ part of the body
//! ! what the body must not have
//! ```

#![allow(clippy::unwrap_used, reason = "helpers of tests are not in a test")]

mod support;

use std::collections::BTreeMap;

use support::client::{self, Reply};
use support::{Running, fixture};

#[derive(Default)]
struct Exchange {
    title: String,
    request: Vec<u8>,
    expected: Vec<String>,
}

fn parse(text: &str) -> (String, Vec<Exchange>) {
    let mut options = String::new();
    let mut all: Vec<Exchange> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("depot") {
            options = rest.to_owned();
        } else if let Some(title) = line.strip_prefix("### ") {
            all.push(Exchange {
                title: title.to_owned(),
                ..Exchange::default()
            });
        } else if let Some(piece) = line.strip_prefix(">| ") {
            all.last_mut()
                .unwrap()
                .request
                .extend_from_slice(piece.as_bytes());
        } else if let Some(line) = line.strip_prefix('>') {
            let line = line.strip_prefix(' ').unwrap_or(line);
            let request = &mut all.last_mut().unwrap().request;
            request.extend_from_slice(line.as_bytes());
            request.extend_from_slice(b"\r\n");
        } else if !line.is_empty() && !line.starts_with('#') {
            all.last_mut().unwrap().expected.push(line.to_owned());
        }
    }
    (options, all)
}

fn start(options: &str) -> Running {
    let make = match options {
        _ if options.contains("two") => fixture::publishers_two,
        _ if options.contains("empty") => fixture::empty,
        _ => fixture::publishers_one,
    };
    Running::with(make, |config, folder| {
        for word in options.split_whitespace() {
            match word.split_once('=').unwrap_or((word, "")) {
                ("readonly", _) => config.read_only = true,
                ("add-content", _) => config.add_content = true,
                ("mirror", _) => config.mirror = true,
                ("disable", what) => config.disabled.push(what.to_owned()),
                ("proxy", _) => config.proxy_base = Some("https://example.org/depot".to_owned()),
                ("token", _) => {
                    let path = folder.join("tokens");
                    std::fs::write(&path, "build:0123456789abcdef\n").unwrap();
                    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                    std::fs::set_permissions(&path, mode).unwrap();
                    config.tokens = Some(path);
                }
                ("content", _) => {
                    let path = folder.join("content");
                    std::fs::create_dir(&path).unwrap();
                    std::fs::write(path.join("style.css"), "body{}").unwrap();
                    std::fs::write(path.join(".hidden"), "secret").unwrap();
                    config.content_root = Some(path);
                }
                ("two" | "empty" | "small", _) => {}
                other => panic!("unknown option {other:?}"),
            }
        }
    })
}

fn fill(text: &str, words: &BTreeMap<String, String>) -> String {
    words.iter().fold(text.to_owned(), |text, (word, value)| {
        text.replace(&format!("{{{word}}}"), value)
    })
}

fn check(
    reply: &Reply,
    expected: &[String],
    words: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    let body = reply.text();
    let mut exact: Option<String> = None;
    for line in expected {
        let line = fill(line, words);
        let (mark, rest) = line.split_at(1);
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match mark {
            "=" => exact = Some(exact.unwrap_or_default() + rest + "\n"),
            "~" if !body.contains(rest) => return Err(format!("body lacks `{rest}`")),
            "!" if body.contains(rest) => return Err(format!("body has `{rest}`")),
            "~" | "!" => {}
            "<" => header(reply, rest, words)?,
            _ => panic!("unknown line {line}"),
        }
    }
    match exact {
        Some(exact) if exact.trim_end() != body.trim_end() => {
            Err(format!("body should be:\n{exact}"))
        }
        _ => Ok(()),
    }
}

fn header(reply: &Reply, line: &str, words: &mut BTreeMap<String, String>) -> Result<(), String> {
    if let Ok(status) = line.parse::<u16>() {
        return match reply.status == status {
            true => Ok(()),
            false => Err(format!("status {} should be {status}", reply.status)),
        };
    }
    if let Some(name) = line.strip_prefix('!') {
        return match reply.header(name) {
            None => Ok(()),
            Some(value) => Err(format!("header {name}: {value}")),
        };
    }
    let (name, wanted) = line.split_once(": ").unwrap();
    let value = reply
        .header(name)
        .ok_or_else(|| format!("no header {name}"))?;
    let fits = match (wanted.strip_prefix('~'), wanted.strip_prefix('@')) {
        (Some(part), _) => value.contains(part),
        (_, Some(word)) => {
            words.insert(word.to_owned(), value.to_owned());
            true
        }
        _ => value == wanted,
    };
    match fits {
        true => Ok(()),
        false => Err(format!("header {name}: {value} should be {wanted}")),
    }
}

fn run(name: &str, text: &str) {
    let (options, exchanges) = parse(text);
    assert!(!exchanges.is_empty(), "{name} is empty");
    let depot = start(&options);
    let mut words = BTreeMap::from([
        ("hash".to_owned(), fixture::FOO_CONF_HASH.to_owned()),
        ("port".to_owned(), depot.port.to_string()),
    ]);
    let mut failures = Vec::new();
    for exchange in &exchanges {
        let request = match std::str::from_utf8(&exchange.request) {
            Ok(text) => fill(text, &words).into_bytes(),
            Err(_) => exchange.request.clone(),
        };
        let reply = client::say(depot.port, &request);
        if let Err(why) = check(&reply, &exchange.expected, &mut words) {
            let request = String::from_utf8_lossy(&request);
            let (status, body) = (reply.status, reply.text());
            failures.push(format!(
                "{name}: {}: {why}\n{request}\n-> {status} {:#?}\n{body:.2000}",
                exchange.title, reply.headers
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

macro_rules! files {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            run(stringify!($name), include_str!(concat!("exchanges/", stringify!($name), ".http")));
        }
    )*};
}

files! {
    hostile mirror pages proxy publication read_only reads refusals search search_missing tokens
    two_publishers
}
