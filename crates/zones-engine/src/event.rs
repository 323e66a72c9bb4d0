//! What happened to a zone that somebody may ask for later: `/var/log/zones/ZONE/events`, one JSON
//! object a line with `time` (seconds since 1970), `event` and what belongs to it.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use serde_json::{Map, Value};
use zones_store::Layout;
use zones_types::ZoneName;

/// Appends a line. A full disk keeps nobody from doing what the line tells of.
pub fn note_event(layout: &Layout, zone: &ZoneName, event: &str, fields: &[(&str, &str)]) {
    let folder = layout.log_zone(zone);
    let _ = crate::folder::private(&folder);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut line = Map::new();
    line.insert("time".to_owned(), now.map_or(0, |it| it.as_secs()).into());
    line.insert("event".to_owned(), event.into());
    for (name, value) in fields {
        line.insert((*name).to_owned(), (*value).into());
    }
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(folder.join("events"));
    if let Ok(mut file) = file {
        // One call, so that lines of two writers do not mix.
        let _ = file.write_all(format!("{}\n", Value::Object(line)).as_bytes());
    }
}
