//! The support matrix of a product: platforms, ways to install it, and what is done with it.
//!
//! A [`Matrix`] is read from a file, strictly. [`plan()`] spells it out into cells, each with a
//! stable id, settings, steps, checks and content keys. Nothing here prints, reads the
//! environment, starts anything or needs a privilege: whoever runs a plan hands in what must be
//! known of the world.
//!
//! A [`Schedule`] says which cell starts next. What happens is written to a [`journal`], and all
//! that is known of a run afterwards is read from it: a [`Run`], its verdicts, its [`report`]s, and
//! what is left to do. [`leftovers`] says what a product did not take away with it.

mod amount;
mod check;
pub mod checks;
mod config;
mod expect;
mod glob;
pub mod journal;
mod key;
pub mod leftovers;
mod plan;
pub mod report;
mod run;
mod schedule;
mod state;
mod template;
mod verdict;

pub use check::Check;
pub use config::{
    Axis, Backoff, Boot, Budget, Clock, FlakyResult, Format, Jobs, Keep, MAX_CELLS, Matrix,
    MatrixError, Network, Order, Output, Policy, Problem, Report, Retries, RetryOn,
    Run as RunSettings, SCHEMA, Settings,
};
pub use expect::{Comparison, Departure, Expectations, known};
pub use key::{Difference, Hasher, Key, KeyError, canonical, explain};
pub use plan::{
    ARTIFACTS, Artifact, Cell, Circumstances, Expected, History, Image, Many, Node, PLAN_SCHEMA,
    Plan, Platform, Prefixes, SelectError, Shard, ShardError, Source, Step, World, plan,
};
pub use run::{Again, Attempt, CellRun, MergeError, Run, StepRun};
pub use schedule::{Decision, Limits, PRESSURE_MAX, Schedule, Task, TaskError, delay, tasks};
pub use state::State;
pub use verdict::{Counts, EXIT_CONFIG, Ending, Outcome, Verdict, exit_status, judge};
