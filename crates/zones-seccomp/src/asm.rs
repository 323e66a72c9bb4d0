//! A small assembler for the classic BPF that seccomp accepts.
//!
//! Conditional jumps reach 255 instructions only, forward; [`Assembler::finish`] fills in the
//! offsets and refuses what does not fit. Source: kernel `networking/filter` guide; seccomp(2).

/// The longest program the kernel takes (`BPF_MAXINSNS`).
pub const PROGRAM_MAX: usize = 4096;

/// One instruction, laid out as the kernel's `struct sock_filter`, in the byte order of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct SockFilter {
    /// What to do: class, size and mode.
    pub code: u16,
    /// How many instructions to skip when the test holds.
    pub jt: u8,
    /// How many instructions to skip when it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

pub(crate) const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub(crate) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
pub(crate) const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub(crate) const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
pub(crate) const IF_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
pub(crate) const RETURN: u16 = 0x06; // BPF_RET | BPF_K

pub(crate) const RET_ALLOW: u32 = 0x7fff_0000;
pub(crate) const RET_ERRNO: u32 = 0x0005_0000;

/// Why the rules make no program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// A test and its target are too far apart.
    #[error("system call filter: the jump at instruction {at} is longer than 255 instructions")]
    TooFar {
        /// The instruction that jumps.
        at: usize,
    },
    /// More instructions than the kernel takes.
    #[error("system call filter: {0} instructions, and the kernel takes 4096")]
    TooLong(usize),
}

/// A place in the program that jumps aim at; set once, after the jumps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label(usize);

enum Aim {
    IfTrue(Label),
    IfFalse(Label),
    Always(Label),
}

/// A program that grows at its end.
#[derive(Default)]
pub(crate) struct Assembler {
    code: Vec<SockFilter>,
    labels: Vec<usize>,
    aims: Vec<(usize, Aim)>,
}

impl Assembler {
    pub(crate) fn label(&mut self) -> Label {
        self.labels.push(usize::MAX);
        Label(self.labels.len() - 1)
    }

    /// The label is here.
    pub(crate) fn set(&mut self, label: Label) {
        self.labels[label.0] = self.code.len();
    }

    fn push(&mut self, code: u16, k: u32) -> usize {
        self.code.push(SockFilter {
            code,
            jt: 0,
            jf: 0,
            k,
        });
        self.code.len() - 1
    }

    pub(crate) fn load(&mut self, offset: u32) {
        self.push(LOAD, offset);
    }

    pub(crate) fn answer(&mut self, verdict: u32) {
        self.push(RETURN, verdict);
    }

    pub(crate) fn jump(&mut self, to: Label) {
        let at = self.push(JUMP, 0);
        self.aims.push((at, Aim::Always(to)));
    }

    /// Goes on when the test holds, else jumps.
    pub(crate) fn unless(&mut self, test: u16, k: u32, to: Label) {
        let at = self.push(test, k);
        self.aims.push((at, Aim::IfFalse(to)));
    }

    /// Jumps when the test holds, else goes on.
    pub(crate) fn when(&mut self, test: u16, k: u32, to: Label) {
        let at = self.push(test, k);
        self.aims.push((at, Aim::IfTrue(to)));
    }

    pub(crate) fn finish(mut self) -> Result<Vec<SockFilter>, ProgramError> {
        if self.code.len() > PROGRAM_MAX {
            return Err(ProgramError::TooLong(self.code.len()));
        }
        for (at, aim) in self.aims {
            let (Aim::IfTrue(label) | Aim::IfFalse(label) | Aim::Always(label)) = aim;
            let target = self.labels[label.0];
            assert!(
                target > at && target < self.code.len(),
                "every label is set, after its jumps and before the end"
            );
            let distance = target - at - 1;
            let short = u8::try_from(distance).map_err(|_| ProgramError::TooFar { at });
            match aim {
                Aim::IfTrue(_) => self.code[at].jt = short?,
                Aim::IfFalse(_) => self.code[at].jf = short?,
                Aim::Always(_) => {
                    self.code[at].k =
                        u32::try_from(distance).map_err(|_| ProgramError::TooFar { at })?;
                }
            }
        }
        Ok(self.code)
    }
}
