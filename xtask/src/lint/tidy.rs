//! House rules that no compiler knows, line by line.

use super::verdict;
use crate::shell::{Outcome, files, read, top};

/// Columns of a line of Rust; a string that cannot be broken may be longer.
const COLUMNS: usize = 100;

/// The one crate that may say `unsafe`.
const SYSTEM_CALLS: &str = "crates/zones-sys/";

/// Work that was left open. Written in halves, so that this file does not find itself.
const OPEN: [(&str, &str); 5] = [
    ("todo", "!("),
    ("unimplemented", "!("),
    ("FIX", "ME"),
    ("XXX", ":"),
    ("#[ig", "nore"),
];

/// Hosts of registries and mirrors: the host's own sources or example names stand for them.
const HOSTS: [(&str, &str); 8] = [
    ("deb.", "debian.org"),
    ("security.", "debian.org"),
    ("snapshot.", "debian.org"),
    ("archive.", "debian.org"),
    ("crates.", "io"),
    ("static.", "rust-lang"),
    ("pypi.", "org"),
    ("registry.", "npmjs"),
];

pub(super) fn run() -> Outcome {
    let mut findings = Vec::new();
    for name in files()? {
        let Ok(text) = read(&top().join(&name)) else {
            continue; // not text
        };
        for (at, line) in text.lines().enumerate() {
            let found = |what: &str| format!("{name}:{}: {what}", at + 1);
            findings.extend(problems(&name, line).iter().map(|what| found(what)));
        }
        if !text.is_empty() && !text.ends_with('\n') && name.ends_with(".rs") {
            findings.push(format!("{name}: no newline at the end"));
        }
    }
    verdict(&findings)
}

/// What is wrong with one line of the file `name`.
fn problems(name: &str, line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let is_rust = name.ends_with(".rs");
    // What a program prints may end in blanks, and tests hold it as it is.
    let is_data = !is_rust && (name.contains("/tests/") || name.starts_with("LICENSE"));
    if !is_data && line.ends_with([' ', '\t']) {
        found.push("blanks at the end".to_owned());
    }
    if is_rust {
        let is_text = line.contains('"') || line.ends_with('\\');
        if line.chars().count() > COLUMNS && !is_text {
            found.push(format!("more than {COLUMNS} columns"));
        }
        for (head, tail) in OPEN {
            let word = format!("{head}{tail}");
            if line.contains(&word) {
                found.push(format!("`{word}` is left open"));
            }
        }
        if !name.starts_with(SYSTEM_CALLS) && is_unsafe(line) {
            found.push("unsafe outside the crate for system calls".to_owned());
        }
    }
    if name != "Cargo.lock" {
        for (head, tail) in HOSTS {
            if line.contains(&format!("{head}{tail}")) {
                found.push("names the host of a registry or mirror".to_owned());
            }
        }
    }
    found
}

fn is_unsafe(line: &str) -> bool {
    let code = line.trim_start();
    let forms = ["{", "fn", "impl", "extern", "trait"];
    let starts = |form: &&str| code.contains(&format!("{} {form}", "unsafe"));
    !code.starts_with("//") && !code.contains('"') && forms.iter().any(starts)
}

#[cfg(test)]
mod tests {
    use super::problems;

    #[test]
    fn each_rule_finds_its_line() {
        let word = |head: &str, tail: &str| format!("{head}{tail}");
        let rows = [
            ("a.rs", "let a = 1; ".to_owned(), 1),
            ("a.rs", "x".repeat(101), 1),
            ("a.rs", format!("\"{}\"", "x".repeat(101)), 0),
            ("a.rs", word("todo", "!()"), 1),
            ("a.rs", word("    #[ig", "nore]"), 1),
            ("a.rs", word("let p = unsafe", " { f() };"), 1),
            (
                "crates/zones-sys/src/a.rs",
                word("let p = unsafe", " { f() };"),
                0,
            ),
            ("README.md", word("fetch from deb.", "debian.org"), 1),
            ("README.md", "fetch from mirror.example.org".to_owned(), 0),
            ("Cargo.lock", word("crates.", "io"), 0),
        ];
        for (name, line, count) in rows {
            assert_eq!(problems(name, &line).len(), count, "{name}: {line}");
        }
    }
}
