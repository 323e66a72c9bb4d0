//! What a manifest says of ELF files: machine, width, and a digest of what matters in them.

use zones_ips::hash::Hasher;
use zones_ips::{Algorithm, Digest};

/// Facts of an ELF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elf {
    /// `elfarch`.
    pub(crate) arch: &'static str,
    /// `elfbits`.
    pub(crate) bits: u8,
    /// `elfhash`, and `gelf` of `pkg.content-hash`: absent when the sections make no sense.
    pub(crate) digests: Option<(Digest, Digest)>,
}

/// Number of the machine and its name. Source: the ELF header of the System V ABI, pkg(7).
const MACHINES: [(u16, &str); 12] = [
    (2, "sparc"),
    (3, "i386"),
    (8, "mips"),
    (18, "sparc"),
    (20, "ppc"),
    (21, "ppc"),
    (22, "s390"),
    (40, "arm"),
    (43, "sparc"),
    (62, "i386"),
    (183, "aarch64"),
    (243, "riscv"),
];

/// Sections that differ between builds of the same source, and so say nothing.
const VOLATILE: [&str; 10] = [
    ".SUNW_signature",
    ".comment",
    ".SUNW_dof",
    ".debug",
    ".plt",
    ".rela.bss",
    ".rela.plt",
    ".line",
    ".note",
    ".compcom",
];

/// A section that takes no room in the file.
const NOBITS: u64 = 8;
/// Sections that are looked at; files with more have no digest.
const SECTIONS_MAX: usize = 65_535;

/// How the numbers of one file are laid out.
#[derive(Clone, Copy)]
struct Layout {
    is_wide: bool,
    is_little: bool,
}

struct Section {
    name: usize,
    kind: u64,
    start: u64,
    size: u64,
}

impl Layout {
    /// The unsigned number of `width` bytes at `at`.
    fn number(self, bytes: &[u8], at: usize, width: usize) -> Option<u64> {
        let field = bytes.get(at..at.checked_add(width)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.is_little {
            field.iter().rev().fold(0, add)
        } else {
            field.iter().fold(0, add)
        })
    }

    /// The number at one of two places, by width of the file.
    fn pick(
        self,
        bytes: &[u8],
        base: usize,
        wide: (usize, usize),
        narrow: (usize, usize),
    ) -> Option<u64> {
        let (at, width) = if self.is_wide { wide } else { narrow };
        self.number(bytes, base.checked_add(at)?, width)
    }

    fn section(self, bytes: &[u8], base: usize) -> Option<Section> {
        Some(Section {
            name: self.number(bytes, base, 4)? as usize,
            kind: self.number(bytes, base.checked_add(4)?, 4)?,
            start: self.pick(bytes, base, (24, 8), (16, 4))?,
            size: self.pick(bytes, base, (32, 8), (20, 4))?,
        })
    }
}

/// Reads the facts; None when the bytes are no ELF file.
pub(crate) fn read(bytes: &[u8]) -> Option<Elf> {
    if !bytes.starts_with(b"\x7fELF") {
        return None;
    }
    let layout = Layout {
        is_wide: match bytes.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        },
        is_little: match bytes.get(5)? {
            1 => true,
            2 => false,
            _ => return None,
        },
    };
    let machine = layout.number(bytes, 18, 2)?;
    let known = MACHINES
        .iter()
        .find(|(number, _)| u64::from(*number) == machine);
    Some(Elf {
        arch: known.map_or("other", |(_, name)| name),
        bits: if layout.is_wide { 64 } else { 32 },
        digests: digests(bytes, layout),
    })
}

/// SHA-1 and SHA-512/256 over the sections that matter, in their order. A section without content
/// counts by its size. Source: pkg(7), "elfhash".
fn digests(bytes: &[u8], layout: Layout) -> Option<(Digest, Digest)> {
    let table = usize::try_from(layout.pick(bytes, 0, (40, 8), (32, 4))?).ok()?;
    let width = layout.pick(bytes, 0, (58, 2), (46, 2))? as usize;
    let count = layout.pick(bytes, 0, (60, 2), (48, 2))? as usize;
    let names = layout.pick(bytes, 0, (62, 2), (50, 2))? as usize;
    if count == 0 || count > SECTIONS_MAX || width < 40 {
        return None;
    }
    let header = |index: usize| layout.section(bytes, table.checked_add(index * width)?);
    let names = cut(bytes, &header(names)?)?;
    let mut old = Hasher::new(Algorithm::Sha1);
    let mut new = Hasher::new(Algorithm::Sha512t256);
    // Sections may overlap, so a small file could ask for much work.
    let mut left = bytes.len() as u64 * 2;
    for index in 1..count {
        let section = header(index)?;
        if VOLATILE.contains(&name(names, section.name)?) {
            continue;
        }
        let size = section.size.to_be_bytes();
        let part = if section.kind == NOBITS {
            &size[..]
        } else {
            left = left.checked_sub(section.size)?;
            cut(bytes, &section)?
        };
        old.update(part);
        new.update(part);
    }
    Some((old.finish(), new.finish()))
}

fn cut<'a>(bytes: &'a [u8], section: &Section) -> Option<&'a [u8]> {
    let start = usize::try_from(section.start).ok()?;
    let end = start.checked_add(usize::try_from(section.size).ok()?)?;
    bytes.get(start..end)
}

fn name(names: &[u8], at: usize) -> Option<&str> {
    let rest = names.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    // A name that is no text is none of those that are left out.
    Some(std::str::from_utf8(&rest[..end]).unwrap_or("?"))
}
