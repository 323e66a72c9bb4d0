//! Device rules as a BPF program for a v2 group.
//!
//! The kernel passes three words: `access << 16 | kind`, major, minor; the program answers 1 to
//! allow. Source: kernel `cgroup-v2` guide, "Device controller"; `linux/bpf.h`, `struct
//! bpf_cgroup_dev_ctx`.

use crate::device::{DeviceKind, DeviceRule};

const LOAD_WORD: u8 = 0x61;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const COPY: u8 = 0xbf;
const SET: u8 = 0xb7;
const IF_NOT_EQUAL: u8 = 0x55;
const IF_NOT_EQUAL_REG: u8 = 0x5d;
const EXIT: u8 = 0x95;

const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const ACCESS: u8 = 2;
const KIND: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

const MAY_MKNOD: i32 = 1;
const MAY_READ: i32 = 2;
const MAY_WRITE: i32 = 4;

/// One instruction as the kernel's `struct bpf_insn`, in the byte order of the host.
fn instruction(code: u8, to: u8, from: u8, offset: i16, value: i32) -> [u8; 8] {
    let registers = if cfg!(target_endian = "little") {
        from << 4 | to
    } else {
        to << 4 | from
    };
    let (offset, value) = (offset.to_ne_bytes(), value.to_ne_bytes());
    [
        code, registers, offset[0], offset[1], value[0], value[1], value[2], value[3],
    ]
}

/// The program that allows what one of the rules allows.
pub(crate) fn device_program(rules: &[DeviceRule]) -> Vec<[u8; 8]> {
    let mut code = vec![
        instruction(LOAD_WORD, ACCESS, CONTEXT, 0, 0),
        instruction(COPY, KIND, ACCESS, 0, 0),
        instruction(AND, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules {
        emit(&mut code, rule);
    }
    code.push(instruction(SET, RESULT, 0, 0, 0));
    code.push(instruction(EXIT, 0, 0, 0, 0));
    code
}

fn emit(code: &mut Vec<[u8; 8]>, rule: &DeviceRule) {
    let kind = match rule.kind {
        DeviceKind::Block => 1,
        DeviceKind::Char => 2,
    };
    let access = [
        (rule.access.mknod, MAY_MKNOD),
        (rule.access.read, MAY_READ),
        (rule.access.write, MAY_WRITE),
    ];
    let allowed = access
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, bit)| bit)
        .sum();
    let numbers: Vec<(u8, u32)> = [(MAJOR, rule.major), (MINOR, rule.minor)]
        .into_iter()
        .filter_map(|(register, number)| Some((register, number?)))
        .collect();
    // Each test that fails jumps over the rest of this rule: so many tests, and then two
    // instructions.
    let mut rest = i16::try_from(numbers.len()).expect("at most two numbers") + 2;
    code.push(instruction(IF_NOT_EQUAL, KIND, 0, rest + 3, kind));
    code.push(instruction(COPY, SCRATCH, ACCESS, 0, 0));
    code.push(instruction(AND, SCRATCH, 0, 0, allowed));
    code.push(instruction(IF_NOT_EQUAL_REG, SCRATCH, ACCESS, rest, 0));
    for (register, number) in numbers {
        rest -= 1;
        code.push(instruction(
            IF_NOT_EQUAL,
            register,
            0,
            rest,
            number.cast_signed(),
        ));
    }
    code.push(instruction(SET, RESULT, 0, 0, 1));
    code.push(instruction(EXIT, 0, 0, 0, 0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DEFAULT_DEVICES;

    fn run(program: &[[u8; 8]], access: u64, kind: u64, major: u64, minor: u64) -> u64 {
        let context = [access << 16 | kind, major, minor];
        let mut registers = [0_u64; 11];
        let mut pc = 0;
        loop {
            let [code, regs, o0, o1, v @ ..] = program[pc];
            let (to, from) = ((regs & 15) as usize, (regs >> 4) as usize);
            let offset = i16::from_ne_bytes([o0, o1]);
            let value = i64::from(i32::from_ne_bytes(v)).cast_unsigned();
            pc += 1;
            let skip = |yes: bool| if yes { offset as usize } else { 0 };
            match code {
                LOAD_WORD => registers[to] = context[offset as usize / 4],
                AND => registers[to] &= value,
                SHIFT_RIGHT => registers[to] >>= value,
                COPY => registers[to] = registers[from],
                SET => registers[to] = value,
                IF_NOT_EQUAL => pc += skip(registers[to] != value),
                IF_NOT_EQUAL_REG => pc += skip(registers[to] != registers[from]),
                EXIT => return registers[0],
                _ => panic!("instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn the_program_says_what_the_rules_say() {
        let program = device_program(&DEFAULT_DEVICES);
        let (block, char, read_write, mknod) = (1, 2, 6, 1);
        for (access, kind, major, minor, allowed) in [
            (read_write, char, 1, 3, 1),
            (read_write, char, 1, 1, 0),
            (read_write, block, 1, 3, 0),
            (read_write, char, 136, 77, 1),
            (read_write | mknod, char, 5, 2, 1),
            (read_write | mknod, char, 10, 200, 0),
            (mknod, block, 8, 0, 1),
            (2, block, 8, 0, 0),
        ] {
            let got = run(&program, access, kind, major, minor);
            assert_eq!(got, allowed, "{access} {kind} {major}:{minor}");
        }
        assert_eq!(run(&device_program(&[]), read_write, char, 1, 3), 0);
    }
}
