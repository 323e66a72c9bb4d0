//! Options, of the command line and of a configuration file, from one table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use zones_depot::{Address, Config, TlsFiles};

use super::file;
use crate::env::DepotEnv;

/// What the command line says.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) config: Config,
    pub(super) log_access: Option<String>,
    pub(super) log_errors: Option<String>,
    pub(super) exit_ready: bool,
    address: Option<IpAddr>,
    port: Option<u16>,
    socket: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    authorities: Option<PathBuf>,
}

pub(super) enum Parsed {
    Options(Box<Options>),
    Help,
}

/// One option: its names, its name in a file, its value, what it is for, what it does.
pub(super) struct Row {
    names: &'static [&'static str],
    /// The property of section `pkg`; empty when a file cannot say it.
    pub(super) property: &'static str,
    /// Empty for a flag.
    value: &'static str,
    help: &'static str,
    pub(super) apply: Apply,
}

pub(super) type Apply = fn(&mut Options, &str) -> Result<(), String>;

macro_rules! rows {
    ($($names:expr, $property:literal, $value:literal, $help:literal, $apply:expr;)*) => {
        &[$(Row {
            names: &$names,
            property: $property,
            value: $value,
            help: $help,
            apply: $apply,
        }),*]
    };
}

/// All options. Source: pkg.depotd(8); those after `--cfg` are our own.
pub(super) const ROWS: &[Row] = rows! {
    ["-d"], "inst_root", "REPO", "the folder of the repository",
        |o, v| { o.config.repository = v.into(); Ok(()) };
    ["-p"], "port", "PORT", "the port: 80, or 443 with a certificate; 0 chooses one",
        |o, v| number(v).map(|port| o.port = Some(port));
    ["-a"], "address", "ADDRESS", "the address to listen on: all of this host",
        |o, v| address(v).map(|address| o.address = Some(address));
    ["-s"], "threads", "N", "connections served at once: 1024",
        |o, v| positive(v).map(|n| o.config.limits.connections = n);
    ["-t"], "socket_timeout", "SECONDS", "silence between requests: 60",
        |o, v| positive(v).map(|n| o.config.limits.idle = Duration::from_secs(n as u64));
    ["--readonly"], "readonly", "", "clients can change nothing",
        |o, v| flag(v).map(|on| o.config.read_only = on);
    ["--mirror"], "mirror", "", "serve the content of packages only",
        |o, v| flag(v).map(|on| o.config.mirror = on);
    ["--add-content"], "add_content", "", "list what was added to the repository meanwhile",
        |o, v| flag(v).map(|on| o.config.add_content = on);
    ["--rebuild"], "rebuild", "", "make catalogs and search index anew",
        |o, v| flag(v).map(|on| o.config.rebuild = on);
    ["--exit-ready"], "exit_ready", "", "end as soon as requests could be served",
        |o, v| flag(v).map(|on| o.exit_ready = on);
    ["--disable-ops"], "disable_ops", "OP[/VERSION],...", "operations that are not served",
        |o, v| { o.config.disabled.extend(file::words(v)); Ok(()) };
    ["--content-root"], "content_root", "DIR", "files for the pages",
        |o, v| { o.config.content_root = Some(v.into()); Ok(()) };
    ["--proxy-base"], "proxy_base", "URL", "where a proxy serves this depot",
        |o, v| base(v).map(|base| o.config.proxy_base = Some(base));
    ["--log-access"], "log_access", "WHERE", "stdout, stderr, none or a file",
        |o, v| { o.log_access = Some(v.to_owned()); Ok(()) };
    ["--log-errors"], "log_errors", "WHERE", "the same; stderr",
        |o, v| { o.log_errors = Some(v.to_owned()); Ok(()) };
    ["--ssl-cert-file"], "ssl_cert_file", "FILE", "certificates of the server (PEM)",
        |o, v| { o.certificate = Some(v.into()); Ok(()) };
    ["--ssl-key-file"], "ssl_key_file", "FILE", "the key of the first certificate (PEM)",
        |o, v| { o.key = Some(v.into()); Ok(()) };
    ["--cfg", "--cfg-file"], "", "FILE", "options from a file",
        |_, _| Ok(());
    ["--ssl-ca-file"], "ssl_ca_file", "FILE", "authorities of clients that may publish (PEM)",
        |o, v| { o.authorities = Some(v.into()); Ok(()) };
    ["--auth-token-file"], "auth_token_file", "FILE", "lines NAME:TOKEN of those who may publish",
        |o, v| { o.config.tokens = Some(v.into()); Ok(()) };
    ["--unix"], "unix", "PATH", "listen on this socket; on a port only with -p",
        |o, v| { o.socket = Some(v.into()); Ok(()) };
};

/// Reads the command line, and the file that it names before all else.
pub(super) fn parse(args: &[String], env: &DepotEnv) -> Result<Parsed, String> {
    let mut pairs = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if matches!(word.as_str(), "-h" | "-?" | "--help") {
            return Ok(Parsed::Help);
        }
        let (name, inline) = split(word);
        let found = ROWS.iter().find(|row| row.names.contains(&name));
        let row = found.ok_or_else(|| unknown(word))?;
        let value = match (row.value, inline) {
            ("", None) => "True".to_owned(),
            ("", Some(_)) => return Err(format!("option {name} takes no value")),
            (_, Some(value)) => value.to_owned(),
            (_, None) => match words.next() {
                Some(value) => value.clone(),
                None => return Err(format!("option {name} needs a value: {}", row.value)),
            },
        };
        pairs.push((row, name, value));
    }
    let mut options = Options::default();
    if let Some(repository) = &env.repository {
        options.config.repository = repository.into();
    }
    options.config.content_root = env.content.as_ref().map(Into::into);
    for (_, _, path) in pairs
        .iter()
        .filter(|(row, ..)| row.names.contains(&"--cfg"))
    {
        file::read(path.as_ref(), &mut options)?;
    }
    for (row, name, value) in pairs {
        (row.apply)(&mut options, &value).map_err(|why| format!("option {name}: {why}"))?;
    }
    options.finish()?;
    Ok(Parsed::Options(Box::new(options)))
}

/// An option and the value that is attached to it.
fn split(word: &str) -> (&str, Option<&str>) {
    if word.starts_with("--") {
        return match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
    }
    match word.char_indices().nth(2) {
        Some((at, _)) if word.starts_with('-') => (&word[..at], Some(&word[at..])),
        _ => (word, None),
    }
}

fn unknown(word: &str) -> String {
    match word.starts_with('-') {
        true => format!("unknown option {word}"),
        false => format!("unexpected argument `{word}`"),
    }
}

impl Options {
    /// What follows from several options together.
    fn finish(&mut self) -> Result<(), String> {
        if self.config.repository.as_os_str().is_empty() {
            return Err("a repository is needed: -d REPO".to_owned());
        }
        self.config.tls = match (
            self.certificate.take(),
            self.key.take(),
            self.authorities.take(),
        ) {
            (Some(certificates), Some(key), client_authorities) => Some(TlsFiles {
                certificates,
                key,
                client_authorities,
            }),
            (None, None, None) => None,
            (None, None, Some(_)) => {
                let why = "--ssl-ca-file needs --ssl-cert-file and --ssl-key-file";
                return Err(why.to_owned());
            }
            _ => return Err("--ssl-cert-file and --ssl-key-file need each other".to_owned()),
        };
        let addresses = &mut self.config.addresses;
        if let Some(path) = self.socket.take() {
            addresses.push(Address::Unix(path));
        }
        if addresses.is_empty() || self.port.is_some() {
            let usual = if self.config.tls.is_some() { 443 } else { 80 };
            let address = self.address.unwrap_or_else(everywhere);
            let port = self.port.unwrap_or(usual);
            addresses.push(Address::Tcp(SocketAddr::new(address, port)));
        }
        Ok(())
    }
}

/// All addresses of this host: those of IPv6 have those of IPv4 among them, where there is IPv6.
fn everywhere() -> IpAddr {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => Ipv6Addr::UNSPECIFIED.into(),
        Err(_) => Ipv4Addr::UNSPECIFIED.into(),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no number that fits"))
}

fn positive(text: &str) -> Result<usize, String> {
    match number(text)? {
        0 => Err("it cannot be 0".to_owned()),
        number => Ok(number),
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    text.parse().map_err(|_| format!("`{text}` is no address"))
}

fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{text}` is neither True nor False")),
    }
}

fn base(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains([' ', '?', '#']) => Ok(text.to_owned()),
        _ => Err(format!(
            "`{text}` is no URL; use http://HOST/PATH or https://HOST/PATH"
        )),
    }
}

/// The usage, from the table.
pub(super) fn help() -> String {
    let mut text = "usage: pkg.depotd -d REPO [options]\n\n".to_owned();
    for row in ROWS {
        let names = row.names.join(", ");
        text += &format!(
            "  {:34} {}\n",
            format!("{names} {}", row.value).trim_end(),
            row.help
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match parse(&args, &DepotEnv::default())? {
            Parsed::Options(options) => Ok(*options),
            Parsed::Help => Err("help".to_owned()),
        }
    }

    #[test]
    fn command_lines() {
        let options = parsed(
            "-d repo -p0 -a 127.0.0.1 -s 60 --readonly --disable-ops=search,admin/0 \
             --proxy-base https://example.org/depot --log-access none",
        );
        let options = options.expect("legal");
        let config = &options.config;
        assert_eq!(config.repository, PathBuf::from("repo"));
        assert_eq!(config.addresses, [Address::Tcp(([127, 0, 0, 1], 0).into())]);
        assert_eq!(config.limits.connections, 60);
        assert!(config.read_only && !config.mirror);
        assert_eq!(config.disabled, ["search", "admin/0"]);
        assert_eq!(options.log_access.as_deref(), Some("none"));
        let options = parsed("-d r --unix /run/depot.sock").expect("legal");
        assert_eq!(
            options.config.addresses,
            [Address::Unix("/run/depot.sock".into())]
        );
        let options = parsed("-d r --unix s -p 0 -a [::1]").expect("legal");
        assert_eq!(options.config.addresses.len(), 2);
        let options = parsed("-d r --ssl-cert-file c --ssl-key-file k -a ::1").expect("legal");
        let address = Address::Tcp("[::1]:443".parse().expect("legal"));
        assert_eq!(options.config.addresses, [address]);
    }

    #[test]
    fn command_lines_that_are_refused() {
        for (line, why) in [
            ("", "a repository is needed"),
            ("-d", "needs a value: REPO"),
            ("-d r x", "unexpected argument `x`"),
            ("-d r --frobnicate", "unknown option --frobnicate"),
            ("-d r -p 70000", "no number that fits"),
            ("-d r -s 0", "cannot be 0"),
            ("-d r -a example.org", "no address"),
            ("-d r --readonly=yes", "takes no value"),
            ("-d r --ssl-cert-file c", "need each other"),
            ("-d r --ssl-ca-file c", "needs --ssl-cert-file"),
            ("-d r --proxy-base example.org", "no URL"),
            ("-d r --cfg /nonexistent/file", "/nonexistent/file"),
        ] {
            let error = parsed(line).err().unwrap_or_default();
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
