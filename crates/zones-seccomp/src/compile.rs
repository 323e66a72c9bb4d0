//! From rules to a program: one block for each interface, a search tree over the refused calls in
//! it.

use crate::abi::{Abi, Machine};
use crate::asm::{
    Assembler, IF_ANY_BIT, IF_AT_LEAST, IF_EQUAL, ProgramError, RET_ALLOW, RET_ERRNO, SockFilter,
};
use crate::numbers::{NEWEST_KNOWN, number};
use crate::rules::{Answer, Condition, RULES, Rule, Unless};

const NR_OFFSET: u32 = 0;
const ARCH_OFFSET: u32 = 4;

/// Set in the numbers of the x32 interface, which x86_64 kernels may run under the same `arch`.
/// They are refused for being above the newest known number.
const X32_BIT: u32 = 0x4000_0000;
const _: () = assert!(NEWEST_KNOWN < X32_BIT);

/// A tracer skips a call by setting its number to -1; an error from here would replace its result.
const SKIPPED: u32 = u32::MAX;

/// 32-bit Arm has calls of its own far above the table: cache flush, thread pointer.
const ARM_PRIVATE: u32 = 0x000f_0000;
const ARM_PRIVATE_END: u32 = 0x000f_0800;

/// Leaves of the search tree hold this many rules; below that, testing in a row is as fast.
const LEAF: usize = 4;

/// What this zone was granted beyond the defaults, or denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterOptions {
    /// Setting the clock of the host is allowed (`sys_time`). Default: no.
    pub allow_time: bool,
    /// `bpf` and `perf_event_open` are allowed (`dtrace_*`). Default: no.
    pub allow_tracing: bool,
    /// User namespaces may be made inside the zone: sandboxes, rootless containers. Default: yes.
    pub allow_nested_users: bool,
    /// The mount table may be changed. Default: yes.
    pub allow_mounts: bool,
}

impl Default for FilterOptions {
    fn default() -> Self {
        Self {
            allow_time: false,
            allow_tracing: false,
            allow_nested_users: true,
            allow_mounts: true,
        }
    }
}

impl FilterOptions {
    /// Whether the rule holds with these options.
    #[must_use]
    pub const fn keeps(&self, rule: &Rule) -> bool {
        !match rule.unless {
            Unless::Never => false,
            Unless::TimeGranted => self.allow_time,
            Unless::TracingGranted => self.allow_tracing,
            Unless::NestedUsersGranted => self.allow_nested_users,
            Unless::MountsGranted => self.allow_mounts,
        }
    }
}

/// Writes the filter for a kernel of this machine.
///
/// An interface that is not in the table gets `ENOSYS` for every call: it can do nothing, and
/// killing would take a whole service down for one odd helper program.
///
/// Errors: only when the rule table has grown beyond what BPF jumps can span.
pub fn compile(machine: Machine, options: &FilterOptions) -> Result<Vec<SockFilter>, ProgramError> {
    let mut asm = Assembler::default();
    asm.load(ARCH_OFFSET);
    let mut blocks = Vec::new();
    for abi in machine.abis() {
        let (next, block) = (asm.label(), asm.label());
        asm.unless(IF_EQUAL, abi.audit_arch(), next);
        asm.jump(block);
        asm.set(next);
        blocks.push((*abi, block));
    }
    asm.answer(verdict(Answer::NotImplemented));
    for (abi, block) in blocks {
        asm.set(block);
        emit_block(&mut asm, abi, options);
    }
    asm.finish()
}

const fn verdict(answer: Answer) -> u32 {
    RET_ERRNO | answer.errno() as u32
}

fn emit_block(asm: &mut Assembler, abi: Abi, options: &FilterOptions) {
    asm.load(NR_OFFSET);
    let known = asm.label();
    asm.unless(IF_AT_LEAST, NEWEST_KNOWN + 1, known);
    let skipped = asm.label();
    asm.when(IF_EQUAL, SKIPPED, skipped);
    if abi == Abi::Arm {
        let foreign = asm.label();
        asm.unless(IF_AT_LEAST, ARM_PRIVATE, foreign);
        asm.unless(IF_AT_LEAST, ARM_PRIVATE_END, skipped);
        asm.set(foreign);
    }
    asm.answer(verdict(Answer::NotImplemented));
    asm.set(skipped);
    asm.answer(RET_ALLOW);
    asm.set(known);

    let mut refused: Vec<(u32, &Rule)> = RULES
        .iter()
        .filter(|rule| options.keeps(rule))
        .flat_map(|rule| rule.calls.iter().map(move |call| (call, rule)))
        .filter_map(|(call, rule)| Some((number(abi, call)?, rule)))
        .collect();
    refused.sort_by_key(|(nr, _)| *nr);
    emit_tree(asm, abi, &refused);
}

fn emit_tree(asm: &mut Assembler, abi: Abi, refused: &[(u32, &Rule)]) {
    if refused.len() <= LEAF {
        for (nr, rule) in refused {
            emit_rule(asm, abi, *nr, rule);
        }
        asm.answer(RET_ALLOW);
        return;
    }
    let (low, high) = refused.split_at(refused.len() / 2);
    let upper = asm.label();
    asm.when(IF_AT_LEAST, high[0].0, upper);
    emit_tree(asm, abi, low);
    asm.set(upper);
    emit_tree(asm, abi, high);
}

fn emit_rule(asm: &mut Assembler, abi: Abi, nr: u32, rule: &Rule) {
    let other_call = asm.label();
    asm.unless(IF_EQUAL, nr, other_call);
    let refusal = verdict(rule.answer);
    let refuse_when = |asm: &mut Assembler, arg: u32, test: u16, operands: &[u32]| {
        let refuse = asm.label();
        asm.load(abi.low_half_of_arg(arg));
        for operand in operands {
            asm.when(test, *operand, refuse);
        }
        asm.answer(RET_ALLOW);
        asm.set(refuse);
    };
    match rule.when {
        Condition::Always => {}
        Condition::ArgIsOneOf { arg, values } => refuse_when(asm, arg, IF_EQUAL, values),
        Condition::ArgHasBit { arg, mask } => refuse_when(asm, arg, IF_ANY_BIT, &[mask]),
        Condition::CloneFlagsHave(mask) => {
            refuse_when(asm, abi.clone_flags_arg(), IF_ANY_BIT, &[mask]);
        }
    }
    asm.answer(refusal);
    asm.set(other_call);
}
