//! Steps that are run once more.

use super::moments::{Absent, Extra, Moments, deliveries};
use super::upgrade::settled;
use crate::leftovers::{Class, Finding, Rules, Subject, find, finding};

/// The product installs again after it was removed, and is then what it was.
pub(super) fn reinstallable(
    moments: &Moments<'_>,
    rules: &Rules<'_>,
) -> Result<Vec<Finding>, Absent> {
    let names = moments.names();
    let Some(first) = deliveries(&names).first().copied() else {
        return Ok(Vec::new());
    };
    let done = moments.repeated(&Extra::Again(first))?;
    if let Some(failed) = failed(names[first], done.exit) {
        return Ok(vec![failed]);
    }
    let now = done
        .inventory
        .ok_or_else(|| Absent(format!("after step `{}` was run once more", names[first])))?;
    Ok(settled(
        find(moments.after(first)?, now, rules).findings,
        now,
    ))
}

/// Installing the same once more changes nothing.
pub(super) fn idempotent(moments: &Moments<'_>, rules: &Rules<'_>) -> Result<Vec<Finding>, Absent> {
    let names = moments.names();
    let Some(last) = deliveries(&names).last().copied() else {
        return Ok(Vec::new());
    };
    let done = moments.repeated(&Extra::Again(last))?;
    if let Some(failed) = failed(names[last], done.exit) {
        return Ok(vec![failed]);
    }
    let now = done
        .inventory
        .ok_or_else(|| Absent(format!("after step `{}` was run once more", names[last])))?;
    let found = find(moments.last()?, now, rules).findings;
    // What runs at the one moment and not at the other says nothing of the installation.
    let kept = found.into_iter().filter(|one| !is_live(one.subject));
    Ok(kept.collect())
}

pub(super) fn is_live(subject: Subject) -> bool {
    use Subject::{Ipc, Key, Mount, Process, Rule, Socket};
    matches!(subject, Ipc | Key | Mount | Process | Rule | Socket)
}

pub(super) fn failed(step: &str, exit: Option<i32>) -> Option<Finding> {
    let how = match exit {
        Some(0) => return None,
        Some(status) => format!("it ended with {status} when it was run once more"),
        None => "it was killed when it was run once more".to_owned(),
    };
    Some(finding(Subject::Step, Class::Failed, step.to_owned(), how))
}
