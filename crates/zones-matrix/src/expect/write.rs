//! What a run found, as a list to begin with.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Finder;
use super::found::found;
use crate::run::Run;

/// A document that expects what the run found, the cells of each finding named one by one. What no
/// document can say - a cell that says nothing, or that failed as a whole - is left out.
#[must_use]
pub fn of_run(run: &Run) -> String {
    let mut all: BTreeMap<(Finder, String), Vec<&str>> = BTreeMap::new();
    for cell in &run.cells {
        for one in found(cell).ok().flatten().unwrap_or_default() {
            let cells = all.entry((one.from, one.short)).or_default();
            cells.push(&cell.info.id);
        }
    }
    let mut text = "schema = 1\n".to_owned();
    for ((from, finds), cells) in all {
        let (key, name) = match from {
            Finder::Check(name) => ("check", name),
            Finder::Step(name) => ("step", name),
            Finder::Cell => continue,
        };
        text += "\n[[finding]]\ncells = [\n";
        for cell in cells {
            let _ = writeln!(text, "    {},", quoted(cell));
        }
        let (name, finds) = (quoted(&name), quoted(&finds));
        let _ = writeln!(text, "]\n{key} = {name}\nfinds = {finds}");
    }
    text
}

/// A literal string, or one with escapes, which TOML and JSON write alike.
fn quoted(text: &str) -> String {
    let is_plain = !text.contains(|c: char| c == '\'' || c.is_control());
    match is_plain {
        true => format!("'{text}'"),
        false => serde_json::Value::from(text).to_string(),
    }
}
