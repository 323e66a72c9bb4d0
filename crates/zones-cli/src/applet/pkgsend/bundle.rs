//! Folders and archives as actions.

use std::os::unix::fs::MetadataExt as _;

use zones_ips::pattern::glob_matches;
use zones_ips::{ActionKind, Timestamp};
use zones_repository::Content;

use super::{Outcome, Parts, Trouble, misused};
use crate::getopt::Given;
use crate::report::OK;

pub(super) fn generate(given: &Given) -> Outcome {
    if given.words.is_empty() {
        return misused("No folder or archive was named.");
    }
    let timestamped: Vec<_> = given.all("T").map(str::to_owned).collect();
    let mut parts = Parts::default();
    for path in &given.words {
        parts.bundle(path, &timestamped)?;
    }
    for action in &parts.actions {
        println!("{action}");
    }
    Ok(OK)
}

/// Gives the files that match one of the patterns the time that they have on disk.
pub(super) fn date(parts: &mut Parts, timestamped: &[String]) -> Result<(), Trouble> {
    if timestamped.is_empty() {
        return Ok(());
    }
    let mut actions = std::mem::take(&mut parts.actions);
    for action in &mut actions {
        let path = action.get("path").unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_meant = |glob: &String| glob_matches(glob, path) || glob_matches(glob, name);
        let is_file = action.kind() == ActionKind::File && action.get("timestamp").is_none();
        if !is_file || !timestamped.iter().any(is_meant) {
            continue;
        }
        let Some(Content::Path(file)) = parts.content(action)? else {
            continue;
        };
        let meta = std::fs::metadata(&file);
        let meta = meta.map_err(|error| Trouble::Failed(format!("{}: {error}", file.display())))?;
        if let Some(time) = Timestamp::from_unix(meta.mtime()) {
            let set = action.set("timestamp", &time.to_string());
            set.map_err(|error| Trouble::Failed(error.to_string()))?;
        }
    }
    parts.actions = actions;
    Ok(())
}
