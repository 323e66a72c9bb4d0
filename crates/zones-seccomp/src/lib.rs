//! The system call filter of a zone: rules as data, written as BPF for every architecture a kernel
//! runs.
//!
//! A zone is a system container in a user namespace of its own, so the filter is a second fence
//! and not the wall: all is allowed but what [`RULES`] names. [`compile`] writes the program for a
//! [`Machine`]; loading it is the business of `zones-sys`. Nothing here touches the kernel.

mod abi;
mod asm;
mod compile;
mod explain;
mod numbers;
mod rules;

pub use abi::{Abi, Machine};
pub use asm::{PROGRAM_MAX, ProgramError, SockFilter};
pub use compile::{FilterOptions, compile};
pub use explain::explain;
pub use numbers::{NEWEST_KNOWN, number};
pub use rules::{Answer, Condition, RULES, Rule, Unless};

#[cfg(test)]
mod tests;
