//! Packing on all processors.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use zones_ips::{Action, ActionKind, Digest, Manifest};

use crate::error::Result;
use crate::payload::PackedFacts;

/// Applies `work` to all items on all processors; results in the order of the items. The first
/// error ends it.
pub(crate) fn parallel<T: Send, U: Send>(
    items: Vec<T>,
    work: &(dyn Fn(T) -> Result<U> + Sync),
) -> Result<Vec<U>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(items.len());
    if threads < 2 {
        return items.into_iter().map(work).collect();
    }
    let items: Vec<_> = items
        .into_iter()
        .map(|item| Mutex::new(Some(item)))
        .collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let take = |at: usize| items.get(at)?.lock().ok()?.take();
    let worker = || {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = take(at) else {
                break;
            };
            let result = work(item);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((at, result));
        }
        done
    };
    let mut done = Vec::with_capacity(items.len());
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        for thread in started {
            match thread.join() {
                Ok(part) => done.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Puts the facts of the stored forms into the actions. What is signed is left as it is: any
/// change would void the signature.
pub(super) fn restamp(
    manifest: &mut Manifest,
    stored: &HashMap<Digest, PackedFacts>,
) -> Result<()> {
    let differs = |action: &Action| {
        let facts = stored.get(&action.payload_digest()?)?;
        let is_file = matches!(action.kind(), ActionKind::File | ActionKind::License);
        (is_file && !facts.is_said_by(action)).then_some(facts)
    };
    let is_signed = manifest.of_kind(ActionKind::Signature).next().is_some();
    let actions = manifest.actions();
    if is_signed || !actions.iter().any(|action| differs(action).is_some()) {
        return Ok(());
    }
    let mut actions = std::mem::take(manifest).into_actions();
    for action in &mut actions {
        if let Some(facts) = differs(action).cloned() {
            facts.stamp(action)?;
        }
    }
    *manifest = Manifest::new(actions);
    Ok(())
}
