//! Manual pages and completions against the program: what it can do must stand there.

use std::path::Path;
use std::process::Command;

use super::verdict;
use crate::shell::{Outcome, build, capture, read, top};

/// Section of the manual of each command.
pub(crate) const PAGES: [(&str, &str); 18] = [
    ("zonecfg", "8"),
    ("zoneadm", "8"),
    ("zoneadmd", "8"),
    ("zlogin", "1"),
    ("zonename", "1"),
    ("beadm", "8"),
    ("pkg", "1"),
    ("pkg.depotd", "8"),
    ("pkgrepo", "1"),
    ("pkgsend", "1"),
    ("pkgrecv", "1"),
    ("pkgsign", "1"),
    ("autopkgtest-virt-zones", "1"),
    ("zonematrix", "1"),
    ("brands", "7"),
    ("zones", "7"),
    ("zones-checks", "7"),
    ("zones", "8"),
];

const COMPLETIONS: [&str; 3] = [
    "packaging/completions/zones.bash",
    "packaging/completions/_zones",
    "packaging/completions/zones.fish",
];

pub(super) fn run() -> Outcome {
    let zones = build(false)?;
    let applets = said(&zones, &["applets"]);
    if applets.is_empty() {
        return Err("`zones applets` prints nothing".to_owned());
    }
    let mut findings = Vec::new();
    for applet in &applets {
        if !PAGES.iter().any(|(page, _)| page == applet) {
            findings.push(format!("{applet}: has no manual page"));
        }
    }
    let subcommands = after("Subcommands:", &said(&zones, &["zoneadm", "help"]));
    let words = zonecfg_words(&zones);
    if subcommands.is_empty() || words.is_empty() {
        return Err("the help of zoneadm or zonecfg is not understood".to_owned());
    }
    for command in ["pkg", "pkgrepo", "pkgsend"] {
        let own = after("Subcommands:", &said(&zones, &[command, "help"]));
        if own.is_empty() {
            return Err(format!("the help of {command} is not understood"));
        }
        missing(&format!("docs/man/{command}.1"), &own, &mut findings)?;
    }
    let own = after("Subcommands:", &said(&zones, &["zonematrix", "help"]));
    missing("docs/man/zonematrix.1", &own, &mut findings)?;
    missing("docs/man/zoneadm.8", &subcommands, &mut findings)?;
    missing("docs/man/zonecfg.8", &words, &mut findings)?;
    for completion in COMPLETIONS {
        missing(completion, &applets, &mut findings)?;
    }
    for (page, section) in PAGES {
        let path = format!("docs/man/{page}.{section}");
        match read(&top().join(&path)) {
            Ok(text) if text.lines().take(2).any(|line| line.starts_with(".TH ")) => {}
            Ok(_) => findings.push(format!("{path}: does not begin with a title")),
            Err(error) => findings.push(error),
        }
    }
    verdict(&findings)
}

/// Words that the file does not have.
fn missing(file: &str, words: &[String], findings: &mut Vec<String>) -> Outcome {
    let text = read(&top().join(file))?.replace("\\-", "-");
    let has = |word: &str| {
        text.split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)))
            .any(|known| known.trim_matches('.') == word)
    };
    let absent = words.iter().filter(|word| !has(word));
    findings.extend(absent.map(|word| format!("{file}: says nothing of `{word}`")));
    Ok(())
}

/// Lines of standard output and standard error.
fn said(zones: &Path, args: &[&str]) -> Vec<String> {
    let Ok(out) = capture(Command::new(zones).args(args)) else {
        return Vec::new();
    };
    let text = [out.stdout, out.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::to_owned).collect()
}

/// First words of the lines after the line `head`.
fn after(head: &str, lines: &[String]) -> Vec<String> {
    let rest = lines.iter().skip_while(|line| !line.starts_with(head));
    // Options that go on from the line before are no words of their own.
    let words = rest
        .skip(1)
        .filter(|line| !line.trim_start().starts_with('['))
        .filter_map(|line| line.split_whitespace().next());
    words.map(str::to_owned).collect()
}

/// Subcommands, resources and properties, as zonecfg's own help names them.
fn zonecfg_words(zones: &Path) -> Vec<String> {
    let mut lines = after("Commands:", &said(zones, &["zonecfg", "help"]));
    let syntax = said(zones, &["zonecfg", "help", "syntax"]);
    let facts = syntax.iter().map(|line| line.replace("* ", ""));
    let facts: Vec<String> = facts.collect();
    lines.extend(after("Properties of the zone:", &facts));
    let is_word = |word: &String| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    lines.retain(is_word);
    // The last lines of the help speak about help; the headline of the resources is not a name.
    lines.sort();
    lines.dedup();
    lines
}
