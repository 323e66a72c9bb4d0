//! `zoneadm diff`: what is different between a zone and a snapshot of it, or between two.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use serde::Serialize;
use zones_archive::{Candidates, Change, ChangeKind, DiffOptions, differ};
use zones_engine::chain;
use zones_storage::Snapshots;
use zones_types::ZoneState;

use super::{Target, run as verbs};
use crate::getopt::{Given, Known, flag, value};
use crate::progress::Waiting;
use crate::report::{FAILURE, OK, fail_zone};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    Parseable,
    Json,
}

/// One difference as it is shown.
#[derive(Serialize)]
struct Row {
    /// `added`, `removed` or `changed`.
    change: &'static str,
    /// Of what came or went.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// In what it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aspects: Vec<&'static str>,
    path: String,
}

pub(super) fn run(target: &Target<'_>, args: &[String]) -> u8 {
    const KNOWN: [Known; 4] = [
        flag('p', ""),
        flag('t', ""),
        value('o', ""),
        flag('\0', "verify-diff"),
    ];
    let given = match Given::parse(args, &KNOWN) {
        Ok(given) if given.words.len() < 3 => given,
        _ => return verbs::bad_usage("diff"),
    };
    let form = match (given.get("o"), given.has("p")) {
        (None, false) => Form::Lines,
        (None, true) => Form::Parseable,
        (Some("json"), false) => Form::Json,
        _ => return verbs::bad_usage("diff"),
    };
    if target.state < ZoneState::Installed {
        return fail_zone(&target.zone, "must be installed before diff.");
    }
    let how = How {
        times: given.has("t"),
        is_verified: given.has("verify-diff"),
    };
    let found = compare(target, &given.words, how);
    let text = found.and_then(|changes| text(&changes, form));
    match text {
        Ok(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => OK,
            Err(_) => FAILURE,
        },
        Err(text) => fail_zone(&target.zone, text),
    }
}

#[derive(Clone, Copy)]
struct How {
    times: bool,
    /// Whether all files are compared, too.
    is_verified: bool,
}

fn compare(target: &Target<'_>, names: &[String], how: How) -> Result<Vec<Change>, String> {
    let zonepath = target.zonepath()?;
    let snapshots = Snapshots::open(zonepath.as_path()).map_err(|error| chain(&error))?;
    let path = |name: &str| {
        let found = snapshots.find(name).map_err(|error| chain(&error));
        found.map(|_| snapshots.path(name))
    };
    let newest = || {
        let newest = snapshots.all().last().map(|it| it.name.clone());
        newest.ok_or("has no snapshot to compare with; see zoneadm snapshot")
    };
    let (old, new) = match names {
        [] => (path(&newest()?)?, zonepath.root()),
        [old] => (path(old)?, zonepath.root()),
        [old, new, ..] => (path(old)?, path(new)?),
    };
    // What the driver cannot tell, a walk does.
    let driver = zones_storage::choose(zonepath.as_path()).map_err(|error| chain(&error))?;
    let named = driver.changes(&old, &new).unwrap_or_default();
    let open = |root: &Path| zones_storage::look(root).map_err(|error| chain(&error));
    let (old, new) = (open(&old)?, open(&new)?);
    let differ = |may_differ: Option<&Candidates>| {
        let options = DiffOptions {
            times: how.times,
            may_differ,
            ..DiffOptions::default()
        };
        let changes = differ(Some(&old), &new, options, &Waiting::new(None));
        changes.map_err(|error| chain(&error))
    };
    let changes = differ(named.as_ref())?;
    match (how.is_verified, &named) {
        (false, _) => Ok(changes),
        (true, None) => {
            let kind = driver.kind().as_str();
            eprintln!("storage driver {kind} knows nothing here: all files were compared");
            Ok(changes)
        }
        (true, Some(named)) => verified(changes, &differ(None)?, named),
    }
}

/// The changes, if a walk through all files finds the same.
fn verified(
    changes: Vec<Change>,
    all: &[Change],
    named: &Candidates,
) -> Result<Vec<Change>, String> {
    if changes == all {
        return Ok(changes);
    }
    let only = |one: &[Change], other: &[Change]| -> Vec<String> {
        let only = one.iter().filter(|it| !other.contains(it));
        only.map(|it| it.path.display().to_string()).collect()
    };
    Err(format!(
        "what its storage knows ({} names) and what all files say is not the same: only there {:?}, \
         only here {:?}",
        named.len(),
        only(&changes, all),
        only(all, &changes)
    ))
}

fn text(changes: &[Change], form: Form) -> Result<String, String> {
    let rows: Vec<Row> = changes.iter().map(row).collect();
    match form {
        Form::Json => serde_json::to_string_pretty(&rows)
            .map(|text| text + "\n")
            .map_err(|error| error.to_string()),
        Form::Lines => Ok(rows.iter().map(line).collect()),
        Form::Parseable => Ok(rows.iter().map(fields).collect()),
    }
}

fn row(change: &Change) -> Row {
    let (word, kind, aspects) = match &change.kind {
        ChangeKind::Added(kind) => ("added", Some(kind_name(*kind)), Vec::new()),
        ChangeKind::Removed(kind) => ("removed", Some(kind_name(*kind)), Vec::new()),
        ChangeKind::Changed(all) => ("changed", None, all.iter().map(|it| it.as_str()).collect()),
    };
    let path: PathBuf = Path::new("/").join(&change.path);
    Row {
        change: word,
        kind,
        aspects,
        path: printable(&path.to_string_lossy()),
    }
}

/// The names are strangers': what a terminal would obey is written otherwise.
fn printable(path: &str) -> String {
    let one = |it: char| match it.is_control() {
        true => it.escape_default().to_string(),
        false => it.to_string(),
    };
    path.chars().map(one).collect()
}

fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "file",
        FileType::Directory => "folder",
        FileType::Symlink => "link",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        FileType::Unknown => "unknown",
    }
}

const fn sign(row: &Row) -> char {
    match row.change.as_bytes() {
        b"added" => '+',
        b"removed" => '-',
        _ => 'M',
    }
}

fn line(row: &Row) -> String {
    let slash = if row.kind == Some("folder") { "/" } else { "" };
    match row.aspects.as_slice() {
        [] => format!("{} {}{slash}\n", sign(row), row.path),
        aspects => format!("{} {} ({})\n", sign(row), row.path, aspects.join(", ")),
    }
}

fn fields(row: &Row) -> String {
    let path = row.path.replace(':', "\\:");
    let (kind, aspects) = (row.kind.unwrap_or_default(), row.aspects.join(","));
    format!("{}:{kind}:{aspects}:{path}\n", sign(row))
}

#[cfg(test)]
mod tests {
    use zones_archive::Aspect;

    use super::*;

    #[test]
    fn changes_are_shown_to_people_and_programs() {
        let change = |path: &str, kind| Change {
            path: PathBuf::from(path),
            kind,
        };
        let changes = [
            change("a:b", ChangeKind::Added(FileType::Directory)),
            change(
                "etc/x",
                ChangeKind::Changed(vec![Aspect::Mode, Aspect::Size]),
            ),
            change("e\x1b[2J", ChangeKind::Removed(FileType::RegularFile)),
        ];
        let lines = "+ /a:b/\nM /etc/x (mode, size)\n- /e\\u{1b}[2J\n";
        assert_eq!(text(&changes, Form::Lines).unwrap(), lines);
        let fields = "+:folder::/a\\:b\nM::mode,size:/etc/x\n-:file::/e\\u{1b}[2J\n";
        assert_eq!(text(&changes, Form::Parseable).unwrap(), fields);
        let json: serde_json::Value =
            serde_json::from_str(&text(&changes, Form::Json).unwrap()).unwrap();
        assert_eq!(json[1]["aspects"][1], "size");
        assert_eq!(json[0]["change"], "added");
    }
}
