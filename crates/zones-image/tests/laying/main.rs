//! Plans made, carried out and checked on real roots. What needs root says SKIP without it.
#![expect(clippy::print_stderr, reason = "a skip and figures are told")]

mod accounts;
mod conflicts;
mod editable;
mod hostile;
mod kill;
mod links;
mod moves;
mod repair;
mod speed;
mod support;
