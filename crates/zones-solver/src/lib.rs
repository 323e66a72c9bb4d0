//! Which packages an operation of pkg(1) installs, changes and removes, or why it cannot.
//!
//! [`solve`] takes what the publishers offer, the state of an image and a request, and gives a
//! [`Plan`] or a [`Failure`] that says why there is none. It reads nothing and writes nothing, and
//! equal input gives equal output.
//!
//! Versions that can play no part are left out first, each with its reason (`trim`, `model`). What
//! is left becomes clauses, searched by learning from conflicts (`sat`, `search`). The order of
//! choices makes the answer the best one: named packages as new as possible, then installed ones
//! unchanged (or as new as possible where all move), then as little else as possible (`prune`).
//!
//! What is promised, and held by tests that try every choice: with nothing installed a plan exists
//! exactly when the rules allow one, unless the newest version of what is named is obsolete; and
//! an update of all never fails where the installed packages obey the rules. Named packages, one
//! after the other, get the newest version that fits, and so do installed ones in an update of all.
//! No single package that came along could be left out. Where an update of all removes nothing
//! that was installed, a second one leaves those packages where they are. What came along is
//! chosen dependency by dependency, not as the best whole, so the second update may still move or
//! replace it: where a newer release of it is obsolete, or where what kept it back was left out.
//!
//! A `group-any` takes a member that lives where one fits; where none does, one that is gone for
//! good meets it, so a member that came back but cannot be installed stops no update.
//!
//! Source: pkg(7), "Depend Actions"; pkg(1). ADR 0012 says why the search is our own.

mod depend;
mod explain;
mod failure;
mod hold;
mod image;
mod job;
mod leaves;
mod model;
mod parent;
mod plan;
mod prune;
mod read;
mod reason;
mod release;
mod request;
mod sat;
mod search;
mod trim;

pub use depend::{Depend, SELF, Target};
pub use failure::{Conflict, Exit, Failure, Problem, Rejection};
pub use image::{Freeze, Image, Offers, Parent, Source};
pub use plan::{Change, Plan};
pub use release::{Release, Status};
pub use request::{Operation, Request};

/// Finds out what an operation changes.
///
/// # Errors
///
/// A [`Failure`] with everything that stands against the operation.
pub fn solve(offers: &dyn Offers, image: &Image, request: &Request) -> Result<Plan, Failure> {
    let job = job::Job::new(offers, image, request)?;
    leaves::check(&job)?;
    let holds = hold::Holds::new(&job);
    let mut model = model::Model::new(&job, &holds);
    let roots = search::roots(&job, &mut model)?;
    let answer = search::search(&job, &model, &roots)?;
    let last = prune::prune(&model, &roots, &answer);
    Ok(Plan::new(&job, &model, &last, answer.work))
}
