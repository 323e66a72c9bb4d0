//! What Linux has and manifests have not: capabilities, extended attributes and device nodes, in
//! attributes that other clients ignore.
//!
//! `linux.cap=HEX` is the extended attribute `security.capability`, `linux.xattr.NAME=HEX` any
//! other, `linux.device=char:MAJOR:MINOR` (`block`, `fifo`) makes a node of what is a file else.

use rustix::fs::FileType;
use zones_ips::Action;

/// The extended attributes that an action asks for: name and value. What is no hexadecimal is
/// left out.
pub(crate) fn extras(action: &Action) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for (key, value) in action.attributes().beginning("linux.") {
        let name = match key {
            "linux.cap" => "security.capability",
            key => key.strip_prefix("linux.xattr.").unwrap_or_default(),
        };
        if let Some(bytes) = bytes(value).filter(|_| !name.is_empty()) {
            found.push((name.to_owned(), bytes));
        }
    }
    found
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok())
        .collect()
}

/// A device node or pipe: its kind and number.
pub(crate) fn node(action: &Action) -> Option<(FileType, u64)> {
    let mut parts = action.get("linux.device")?.split(':');
    let kind = match parts.next()? {
        "char" => FileType::CharacterDevice,
        "block" => FileType::BlockDevice,
        "fifo" => return Some((FileType::Fifo, 0)),
        _ => return None,
    };
    let mut number = || parts.next()?.parse::<u32>().ok();
    let (major, minor) = (number()?, number()?);
    Some((kind, rustix::fs::makedev(major, minor)))
}
