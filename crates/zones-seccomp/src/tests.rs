//! Every verdict of every program, by an interpreter of the same BPF that the kernel runs.

use crate::asm::{
    IF_ANY_BIT, IF_AT_LEAST, IF_EQUAL, JUMP, LOAD, PROGRAM_MAX, RET_ALLOW, RET_ERRNO, RETURN,
    SockFilter,
};
use crate::{
    Abi, Condition, FilterOptions, Machine, NEWEST_KNOWN, RULES, compile, explain, number,
};

const ENOSYS: u32 = RET_ERRNO | 38;
const EPERM: u32 = RET_ERRNO | 1;

struct Call {
    arch: u32,
    nr: u32,
    args: [u64; 6],
    high_half_first: bool,
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.nr,
            4 => self.arch,
            16..64 => {
                let arg = self.args[(offset as usize - 16) / 8];
                let second = (offset - 16) % 8 == 4;
                if second == self.high_half_first {
                    arg as u32
                } else {
                    (arg >> 32) as u32
                }
            }
            _ => panic!("load from {offset}"),
        }
    }
}

fn run(program: &[SockFilter], call: &Call) -> u32 {
    let (mut pc, mut acc) = (0, 0);
    loop {
        let SockFilter { code, jt, jf, k } = program[pc];
        pc += 1;
        let branch = |yes: bool| usize::from(if yes { jt } else { jf });
        match code {
            LOAD => acc = call.word(k),
            JUMP => pc += k as usize,
            IF_EQUAL => pc += branch(acc == k),
            IF_AT_LEAST => pc += branch(acc >= k),
            IF_ANY_BIT => pc += branch(acc & k != 0),
            RETURN => return k,
            _ => panic!("instruction {code:#x}"),
        }
    }
}

fn ask(program: &[SockFilter], abi: Abi, nr: u32, args: [u64; 6]) -> u32 {
    let high_half_first = abi == Abi::S390x;
    let arch = abi.audit_arch();
    run(
        program,
        &Call {
            arch,
            nr,
            args,
            high_half_first,
        },
    )
}

fn all_options() -> impl Iterator<Item = FilterOptions> {
    (0..16).map(|bits| FilterOptions {
        allow_time: bits & 1 != 0,
        allow_tracing: bits & 2 != 0,
        allow_nested_users: bits & 4 != 0,
        allow_mounts: bits & 8 != 0,
    })
}

/// The verdict by reading the rules, with the worst arguments.
fn expected(abi: Abi, nr: u32, options: &FilterOptions) -> u32 {
    RULES
        .iter()
        .filter(|rule| options.keeps(rule))
        .find(|rule| rule.calls.iter().any(|c| number(abi, c) == Some(nr)))
        .map_or(RET_ALLOW, |rule| RET_ERRNO | u32::from(rule.answer.errno()))
}

fn worst_args(abi: Abi, nr: u32) -> [u64; 6] {
    let mut args = [0xdead_beef_0000_0000; 6];
    for rule in RULES {
        if rule.calls.iter().any(|c| number(abi, c) == Some(nr)) {
            match rule.when {
                Condition::Always => {}
                Condition::ArgIsOneOf { arg, values } => {
                    args[arg as usize] |= u64::from(values[values.len() - 1]);
                }
                Condition::ArgHasBit { arg, mask } => args[arg as usize] |= u64::from(mask),
                Condition::CloneFlagsHave(mask) => {
                    args[usize::from(abi == Abi::S390x)] |= u64::from(mask);
                }
            }
        }
    }
    args
}

#[test]
fn every_number_gets_the_verdict_of_the_rules() {
    for machine in Machine::ALL {
        for options in all_options() {
            let program = compile(machine, &options).unwrap();
            assert!(program.len() < PROGRAM_MAX, "{machine:?}");
            for abi in machine.abis() {
                for nr in 0..=NEWEST_KNOWN {
                    let got = ask(&program, *abi, nr, worst_args(*abi, nr));
                    assert_eq!(
                        got,
                        expected(*abi, nr, &options),
                        "{abi:?} {nr} {options:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn calls_with_harmless_arguments_pass() {
    let strict = FilterOptions {
        allow_nested_users: false,
        ..FilterOptions::default()
    };
    for machine in Machine::ALL {
        let program = compile(machine, &strict).unwrap();
        for abi in machine.abis() {
            for call in ["ioctl", "clone", "unshare"] {
                let nr = number(*abi, call).unwrap();
                assert_eq!(ask(&program, *abi, nr, [0x5401; 6]), RET_ALLOW, "{call}");
                // Only the low half counts: the kernel takes 32 bits of the request.
                let high = [0x5412_u64 << 32; 6];
                assert_eq!(ask(&program, *abi, nr, high), RET_ALLOW, "{call}");
            }
            let ioctl = number(*abi, "ioctl").unwrap();
            let forged = [0xffff_ffff_0000_5412; 6];
            assert_eq!(ask(&program, *abi, ioctl, forged), EPERM);
            let clone3 = number(*abi, "clone3").unwrap();
            assert_eq!(ask(&program, *abi, clone3, [0; 6]), ENOSYS);
        }
    }
}

#[test]
fn unknown_numbers_and_interfaces_are_not_implemented() {
    let options = FilterOptions::default();
    for machine in Machine::ALL {
        let program = compile(machine, &options).unwrap();
        for abi in machine.abis() {
            for nr in [NEWEST_KNOWN + 1, 500, 0x4000_0000, 0x4000_003c, 0xffff_fffe] {
                assert_eq!(ask(&program, *abi, nr, [0; 6]), ENOSYS, "{abi:?} {nr:#x}");
            }
            assert_eq!(ask(&program, *abi, u32::MAX, [0; 6]), RET_ALLOW);
        }
        for abi in Abi::ALL.iter().filter(|abi| !machine.abis().contains(abi)) {
            assert_eq!(
                ask(&program, *abi, 1, [0; 6]),
                ENOSYS,
                "{machine:?} {abi:?}"
            );
        }
    }
    let arm = compile(Machine::Aarch64, &options).unwrap();
    assert_eq!(ask(&arm, Abi::Arm, 0x000f_0005, [0; 6]), RET_ALLOW);
    assert_eq!(ask(&arm, Abi::Arm, 0x000f_0800, [0; 6]), ENOSYS);
    assert_eq!(ask(&arm, Abi::Arm, 0x000e_ffff, [0; 6]), ENOSYS);
    assert_eq!(ask(&arm, Abi::Aarch64, 0x000f_0005, [0; 6]), ENOSYS);
}

#[test]
fn every_rule_has_numbers_and_a_reason() {
    for rule in RULES {
        assert!(!rule.reason.is_empty());
        for call in rule.calls {
            let known = Abi::ALL.iter().any(|abi| number(*abi, call).is_some());
            assert!(known, "{call} has no number");
        }
    }
}

#[test]
fn the_explanation_names_each_refused_call() {
    let text = explain(Machine::X86_64, &FilterOptions::default());
    for call in ["kexec_load", "bpf", "keyctl", "ioctl", "settimeofday"] {
        assert!(
            text.lines().any(|l| l.starts_with(call)),
            "{call} in {text}"
        );
    }
    assert!(!text.contains("clone3"), "{text}");
    assert!(
        text.contains("when argument 1 is in [ 0x5412, 0x541c, ]: typing"),
        "{text}"
    );
}
