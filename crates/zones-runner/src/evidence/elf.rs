//! What the headers of a program say that it needs. Source: elf(5), ld.so(8).

use object::elf::{
    DT_FLAGS_1, DT_NEEDED, DT_NULL, DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, DynamicTag, ET_DYN,
    ET_EXEC, FileHeader32, FileHeader64, PT_DYNAMIC, PT_INTERP, PT_LOAD,
};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, FileKind};
use zones_matrix::leftovers::{Elf, Path};

/// The program is position independent, and no library.
const PIE: u64 = 0x0800_0000;
/// No program needs as many.
const MOST: usize = 1_000;

/// `None` for what is damaged, and for objects that are neither run nor loaded.
pub(super) fn needs(data: &[u8]) -> Option<Elf> {
    match FileKind::parse(data).ok()? {
        FileKind::Elf32 => of::<FileHeader32<Endianness>>(data, false),
        FileKind::Elf64 => of::<FileHeader64<Endianness>>(data, true),
        _ => None,
    }
}

fn of<H: FileHeader<Endian = Endianness>>(data: &[u8], wide: bool) -> Option<Elf> {
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let kind = header.e_type(endian);
    if kind != ET_EXEC && kind != ET_DYN {
        return None;
    }
    let mut elf = Elf {
        machine: header.e_machine(endian).0,
        wide,
        ..Elf::default()
    };
    let segments = header.program_headers(endian, data).ok()?;
    for segment in segments.iter().filter(|it| it.p_type(endian) == PT_INTERP) {
        let text = segment.data(endian, data).ok()?;
        elf.interpreter = Some(word(text));
    }
    let dynamic = segments.iter().find(|it| it.p_type(endian) == PT_DYNAMIC);
    let entries = dynamic.and_then(|it| it.dynamic(endian, data).ok().flatten());
    let entries: Vec<(DynamicTag, u64)> = entries
        .unwrap_or_default()
        .iter()
        .map(|it| (it.d_tag(endian), it.d_val(endian).into()))
        .take_while(|(tag, _)| *tag != DT_NULL)
        .collect();
    let value = |wanted: DynamicTag| {
        let found = entries.iter().find(|(tag, _)| *tag == wanted);
        found.map(|(_, value)| *value)
    };
    let strings = value(DT_STRTAB).and_then(|address| {
        let size = value(DT_STRSZ)?;
        let loads = segments.iter().filter(|it| it.p_type(endian) == PT_LOAD);
        let mut found =
            loads.filter_map(|it| it.data_range(endian, data, address, size).ok().flatten());
        found.next()
    });
    let text = |at: u64| {
        strings
            .and_then(|all| all.get(usize::try_from(at).ok()?..))
            .map(word)
    };
    for (tag, value) in entries.iter().take(MOST) {
        let Some(text) = text(*value) else { continue };
        match *tag {
            DT_NEEDED => elf.needed.push(text),
            DT_RPATH => elf.rpath.extend(folders(&text)),
            DT_RUNPATH => elf.runpath.extend(folders(&text)),
            _ => {}
        }
    }
    let is_pie = value(DT_FLAGS_1).is_some_and(|flags| flags & PIE != 0);
    let is_program = kind == ET_EXEC || is_pie;
    elf.is_static = is_program && elf.interpreter.is_none() && elf.needed.is_empty();
    elf.is_go = is_go::<H>(header, endian, data);
    Some(elf)
}

fn is_go<H: FileHeader<Endian = Endianness>>(header: &H, endian: Endianness, data: &[u8]) -> bool {
    let Ok(sections) = header.sections(endian, data) else {
        return false;
    };
    let mut names = sections
        .iter()
        .map(|section| sections.section_name(endian, section));
    names.any(|name| {
        matches!(
            name,
            Ok(b".note.go.buildid" | b".go.buildinfo" | b".gopclntab")
        )
    })
}

fn word(text: &[u8]) -> Path {
    let end = text
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(text.len());
    text[..end].to_vec()
}

fn folders(text: &[u8]) -> impl Iterator<Item = Path> {
    let parts = text.split(|byte| *byte == b':');
    parts.filter(|part| !part.is_empty()).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_read_and_no_cut_of_it_is_a_crash() {
        let data = std::fs::read("/proc/self/exe").unwrap();
        let elf = needs(&data).unwrap();
        assert_eq!(elf.wide, cfg!(target_pointer_width = "64"));
        assert!(!elf.is_go);
        // A test program is dynamic or not as its target says; then it has a loader or is static.
        assert_ne!(elf.interpreter.is_some(), elf.is_static, "{elf:?}");
        for cut in (0..4096).step_by(7).chain([data.len() / 2]) {
            let _ = needs(&data[..cut]);
        }
        let mut bent = data[..65_536.min(data.len())].to_vec();
        for at in 0..512 {
            let kept = bent[at];
            bent[at] = 0xff;
            let _ = needs(&bent);
            bent[at] = kept;
        }
    }
}
