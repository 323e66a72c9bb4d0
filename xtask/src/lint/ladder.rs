//! The ladder: a crate uses crates of lower levels only (ARCHITECTURE.md).

use super::verdict;
use crate::shell::{Outcome, read, top};

/// Crate and level, lowest first.
const LEVELS: [(&str, u8); 24] = [
    ("zones-types", 0),
    ("zones-config", 1),
    ("zones-sys", 1),
    ("zones-seccomp", 1),
    ("zones-ips", 1),
    ("zones-store", 2),
    ("zones-cgroup", 2),
    ("zones-net", 2),
    ("zones-archive", 2),
    ("zones-solver", 2),
    ("zones-storage", 3),
    ("zones-debian", 3),
    ("zones-repository", 3),
    ("zones-depot", 4),
    ("zones-image", 4),
    ("zones-import", 4),
    ("zones-stream", 4),
    ("zones-brand", 5),
    ("zones-matrix", 5),
    ("zones-engine", 6),
    ("zones-runner", 6),
    ("zones-cli", 7),
    ("zones", 8),
    ("xtask", 9),
];

/// The engine clones; a runtime of threads below the servers would make that unsound.
const THREADED: [&str; 3] = ["tokio", "async-std", "smol"];

pub(super) fn run() -> Outcome {
    let mut findings = Vec::new();
    let crates = top().join("crates");
    let entries = std::fs::read_dir(&crates)
        .map_err(|error| format!("cannot read `{}`: {error}", crates.display()))?;
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.push(top().join("xtask"));
    folders.sort();
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let manifest = folder.join("Cargo.toml");
        if manifest.is_file() {
            findings.extend(arrows(&name, &read(&manifest)?));
        }
    }
    verdict(&findings)
}

fn level(name: &str) -> Option<u8> {
    let row = LEVELS.iter().find(|(known, _)| *known == name);
    row.map(|(_, level)| *level)
}

/// What is wrong in the manifest of one crate.
fn arrows(name: &str, manifest: &str) -> Vec<String> {
    let Some(own) = level(name) else {
        return vec![format!("{name}: stands on no level; add it to the table")];
    };
    let mut found = Vec::new();
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            continue;
        }
        if !section.ends_with("dependencies") {
            continue;
        }
        let used = line.split(['.', ' ', '=']).next().unwrap_or_default();
        if THREADED.contains(&used) {
            found.push(format!("{name}: uses {used}, which only the servers may"));
        }
        if !line.trim().is_empty() && !line.starts_with('#') && !line.contains("workspace = true") {
            found.push(format!(
                "{name}: {used}: versions stand in the workspace only"
            ));
        }
        if level(used).is_some_and(|other| other >= own) {
            found.push(format!(
                "{name} (level {own}) uses {used}, which is not below it"
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::arrows;

    #[test]
    fn an_arrow_upward_a_runtime_and_a_version_are_found() {
        let manifest = "[dependencies]\nzones-engine.workspace = true\ntokio.workspace = true\n\
                        libc = \"0.2\"\nzones-types.workspace = true\n";
        let found = arrows("zones-store", manifest);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("not below"));
    }

    #[test]
    fn a_crate_without_a_level_is_found() {
        assert_eq!(arrows("zones-new", "").len(), 1);
    }
}
