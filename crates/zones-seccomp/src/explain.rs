//! The rules as text, for people.

use std::fmt::Write as _;

use crate::abi::Machine;
use crate::compile::FilterOptions;
use crate::numbers::{NEWEST_KNOWN, number};
use crate::rules::{Condition, RULES, Rule};

/// What the filter does on this machine, a line for each refused call: name, answer, condition,
/// reason.
#[must_use]
pub fn explain(machine: Machine, options: &FilterOptions) -> String {
    let mut text = String::new();
    let abis: Vec<_> = machine.abis().iter().map(|abi| abi.name()).collect();
    line(&mut text, format_args!("interfaces: {}", abis.join(" ")));
    line(
        &mut text,
        format_args!("any other interface, x32, numbers above {NEWEST_KNOWN}: ENOSYS"),
    );
    for rule in RULES.iter().filter(|rule| options.keeps(rule)) {
        for call in rule.calls {
            let here = machine
                .abis()
                .iter()
                .any(|abi| number(*abi, call).is_some());
            if here {
                let condition = condition(rule);
                let (answer, reason) = (rule.answer.name(), rule.reason);
                line(
                    &mut text,
                    format_args!("{call:<20} {answer:<6} {condition}{reason}"),
                );
            }
        }
    }
    text
}

fn condition(rule: &Rule) -> String {
    match rule.when {
        Condition::Always => String::new(),
        Condition::ArgIsOneOf { arg, values } => {
            format!("when argument {arg} is in {values:#x?}: ")
                .replace(['\n', ' '], " ")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                + " "
        }
        Condition::ArgHasBit { arg, mask } => format!("when argument {arg} has {mask:#x}: "),
        Condition::CloneFlagsHave(mask) => format!("when the flags have {mask:#x}: "),
    }
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    writeln!(text, "{what}").expect("writing to a String cannot fail");
}
