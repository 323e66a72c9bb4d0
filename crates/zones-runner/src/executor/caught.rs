//! A fault in the runner itself is a fault of one cell, not the end of the run.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does something; when it panics, says so. What is shared behind a lock is used again: every lock
/// of the executor guards values that are whole between two statements.
///
/// # Errors
/// The words of the panic. A program that was built to abort on a panic does not get here; its run
/// is resumed.
pub(super) fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|thrown| {
        let words = words(&*thrown);
        format!("the runner panicked: {words}; this is a bug in zones, not in the product")
    })
}

fn words(thrown: &(dyn Any + Send)) -> &str {
    let text = thrown.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| thrown.downcast_ref::<&str>().copied());
    text.unwrap_or("no word why")
}
