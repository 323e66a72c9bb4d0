//! What a manifest says of ELF files: machine, width, and a digest of what matters in them.

use zones_ips::hash::Hasher;
use zones_ips::{Algorithm, Digest};

use crate::payload::Opened;

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
const SECTIONS_MAX: u64 = 65_535;
/// Bytes that the names of sections may have.
const NAMES_LEN_MAX: u64 = 16 << 20;
/// Bytes that are read at once.
const CHUNK: usize = 128 << 10;

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
    /// The unsigned number of `width` bytes, 8 at most, at `at`.
    fn number(self, from: &Opened, at: u64, width: usize) -> Option<u64> {
        let mut field = [0; 8];
        let field = field.get_mut(..width)?;
        exact(from, at, field)?;
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
        from: &Opened,
        base: u64,
        wide: (u64, usize),
        narrow: (u64, usize),
    ) -> Option<u64> {
        let (at, width) = if self.is_wide { wide } else { narrow };
        self.number(from, base.checked_add(at)?, width)
    }

    fn section(self, from: &Opened, base: u64) -> Option<Section> {
        Some(Section {
            name: usize::try_from(self.number(from, base, 4)?).ok()?,
            kind: self.number(from, base.checked_add(4)?, 4)?,
            start: self.pick(from, base, (24, 8), (16, 4))?,
            size: self.pick(from, base, (32, 8), (20, 4))?,
        })
    }
}

/// Fills `to` from a place; None when there is less.
fn exact(from: &Opened, at: u64, to: &mut [u8]) -> Option<()> {
    let mut filled = 0;
    while filled < to.len() {
        let read = from.read_at(&mut to[filled..], at.checked_add(filled as u64)?);
        match read.ok()? {
            0 => return None,
            read => filled += read,
        }
    }
    Some(())
}

/// Reads the facts of content of so many bytes; None when it is no ELF file.
pub(crate) fn read(from: &Opened, size: u64) -> Option<Elf> {
    let mut head = [0; 6];
    exact(from, 0, &mut head)?;
    let [magic @ .., class, order] = head;
    if magic != *b"\x7fELF" {
        return None;
    }
    let layout = Layout {
        is_wide: match class {
            1 => false,
            2 => true,
            _ => return None,
        },
        is_little: match order {
            1 => true,
            2 => false,
            _ => return None,
        },
    };
    let machine = layout.number(from, 18, 2)?;
    let known = MACHINES
        .iter()
        .find(|(number, _)| u64::from(*number) == machine);
    Some(Elf {
        arch: known.map_or("other", |(_, name)| name),
        bits: if layout.is_wide { 64 } else { 32 },
        digests: digests(from, size, layout),
    })
}

/// SHA-1 and SHA-512/256 over the sections that matter, in their order. A section without content
/// counts by its size. Source: pkg(7), "elfhash".
fn digests(from: &Opened, size: u64, layout: Layout) -> Option<(Digest, Digest)> {
    let table = layout.pick(from, 0, (40, 8), (32, 4))?;
    let width = layout.pick(from, 0, (58, 2), (46, 2))?;
    let count = layout.pick(from, 0, (60, 2), (48, 2))?;
    let names = layout.pick(from, 0, (62, 2), (50, 2))?;
    if count == 0 || count > SECTIONS_MAX || width < 40 {
        return None;
    }
    let header = |index: u64| layout.section(from, table.checked_add(index * width)?);
    let names = texts(from, &header(names)?)?;
    let mut old = Hasher::new(Algorithm::Sha1);
    let mut new = Hasher::new(Algorithm::Sha512t256);
    // Sections may overlap, so a small file could ask for much work.
    let mut left = size.saturating_mul(2);
    for index in 1..count {
        let section = header(index)?;
        if VOLATILE.contains(&name(&names, section.name)?) {
            continue;
        }
        let mut update = |part: &[u8]| {
            old.update(part);
            new.update(part);
        };
        if section.kind == NOBITS {
            update(&section.size.to_be_bytes());
        } else {
            left = left.checked_sub(section.size)?;
            parts(from, &section, &mut update)?;
        }
    }
    Some((old.finish(), new.finish()))
}

/// Hands on the content of a section; None when the file ends before it does.
fn parts(from: &Opened, section: &Section, each: &mut dyn FnMut(&[u8])) -> Option<()> {
    let mut buffer = vec![0; usize::try_from(section.size).unwrap_or(CHUNK).min(CHUNK)];
    let (mut at, mut left) = (section.start, section.size);
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        exact(from, at, &mut buffer[..step])?;
        each(&buffer[..step]);
        at = at.checked_add(step as u64)?;
        left -= step as u64;
    }
    Some(())
}

/// The section with the names of all others.
fn texts(from: &Opened, section: &Section) -> Option<Vec<u8>> {
    if section.size > NAMES_LEN_MAX {
        return None;
    }
    let mut all = vec![0; usize::try_from(section.size).ok()?];
    exact(from, section.start, &mut all)?;
    Some(all)
}

fn name(names: &[u8], at: usize) -> Option<&str> {
    let rest = names.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    // A name that is no text is none of those that are left out.
    Some(std::str::from_utf8(&rest[..end]).unwrap_or("?"))
}
