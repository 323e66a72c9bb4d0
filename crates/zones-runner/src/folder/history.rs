//! How long cells took and how much memory they used, from run to run.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use zones_matrix::{History, Outcome, Run};

/// Reads it; what is not there or not understood is no history.
#[must_use]
pub fn read(path: &Path) -> History {
    let mut history = History::default();
    let Ok(bytes) = std::fs::read(path) else {
        return history;
    };
    let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let take = |key: &str| -> BTreeMap<String, u64> {
        let map = value[key].as_object().into_iter().flatten();
        map.filter_map(|(id, number)| Some((id.clone(), number.as_u64()?)))
            .collect()
    };
    history.micros = take("micros");
    history.peaks = take("peaks");
    history
}

/// Adds what a run tells of cells that came to an end of their own.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, run: &Run) -> io::Result<()> {
    let mut history = read(path);
    for cell in &run.cells {
        let ended = cell.attempts.iter().rev().find(|attempt| {
            matches!(
                attempt.outcome,
                Some(Outcome::Pass | Outcome::Fail | Outcome::Leftover)
            )
        });
        if let Some(attempt) = ended {
            let id = cell.info.id.clone();
            let micros = attempt.ended.saturating_sub(attempt.began);
            history.micros.insert(id.clone(), micros);
            if attempt.peak > 0 {
                history.peaks.insert(id, attempt.peak);
            }
        }
    }
    let text = json!({ "schema": 1, "micros": history.micros, "peaks": history.peaks });
    zones_store::atomic::write(path, text.to_string().as_bytes(), 0o644).map_err(io::Error::other)
}
