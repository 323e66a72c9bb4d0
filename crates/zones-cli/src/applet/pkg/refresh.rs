//! `pkg refresh` and `pkg rebuild-index`.

use zones_ips::Publisher;

use super::change::tracker;
use super::{Call, Outcome, failed};
use crate::report::OK;

pub(super) fn run(call: &Call<'_>) -> Outcome {
    let (image, _lock) = call.locked()?;
    let names = call
        .words
        .operands
        .iter()
        .map(|name| name.parse().map_err(failed));
    let names: Vec<Publisher> = names.collect::<Result<_, _>>()?;
    let tracker = tracker(&call.words)?;
    let done = image.refresh(&names, call.words.has("full"), &|event| tracker.tell(event));
    tracker.end();
    done?;
    Ok(OK)
}

/// Search reads the manifests themselves: there is no index that could be out of date.
pub(super) fn rebuild_index(call: &Call<'_>) -> Outcome {
    call.image()?.packages(&|_| {})?;
    Ok(OK)
}
