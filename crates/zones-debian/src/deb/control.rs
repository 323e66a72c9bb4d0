//! The control part of a package: its description and scripts.

use std::io::Read;

use tar::{Archive, EntryType};
use zones_archive::member_path;

use crate::deb822::{Paragraph, paragraphs};

/// One file of the control part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControlFile {
    pub(crate) name: String,
    pub(crate) executable: bool,
    pub(crate) bytes: Vec<u8>,
}

/// The files of the control part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Control {
    /// The description, one paragraph.
    pub(crate) text: String,
    /// All files but `control` itself.
    pub(crate) files: Vec<ControlFile>,
}

impl Control {
    pub(crate) fn read(from: impl Read) -> Result<Self, String> {
        let wrong = |e: std::io::Error| format!("control part: {e}");
        let mut control = Self::default();
        for entry in Archive::new(from).entries().map_err(wrong)? {
            let mut entry = entry.map_err(wrong)?;
            let kind = entry.header().entry_type();
            let path = member_path(&entry.path_bytes());
            let name = path.as_deref().and_then(|p| p.to_str()).map(str::to_owned);
            let Some(name) = name else {
                return Err(String::from("control part: a name leads out of it"));
            };
            match kind {
                EntryType::Directory if name.is_empty() => continue,
                EntryType::Regular => {}
                _ => return Err(format!("control part: `{name}` is no regular file")),
            }
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
            if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
                return Err(format!("control part: unusual name `{name}`"));
            }
            let executable = entry.header().mode().map_err(wrong)? & 0o111 != 0;
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(wrong)?;
            if name == "control" {
                let text = String::from_utf8(bytes).map_err(|_| "its description is no text")?;
                let mut all = paragraphs(&text);
                let (first, more) = (all.next(), all.next());
                let Some(first) = first.filter(|_| more.is_none()) else {
                    return Err(String::from("its description is not one paragraph"));
                };
                control.text = format!("{}\n", first.0.trim_end());
            } else {
                control.files.push(ControlFile {
                    name,
                    executable,
                    bytes,
                });
            }
        }
        if control.text.is_empty() {
            return Err(String::from("it has no description"));
        }
        Ok(control)
    }

    /// A field of the description, empty if absent.
    pub(crate) fn field(&self, name: &str) -> &str {
        Paragraph(&self.text).field(name).unwrap_or_default()
    }

    /// A file as text, empty if absent.
    pub(crate) fn file(&self, name: &str) -> Option<&str> {
        let file = self.files.iter().find(|f| f.name == name)?;
        std::str::from_utf8(&file.bytes).ok()
    }

    /// The configuration files, as absolute paths. Lines with flags are for dpkg alone.
    pub(crate) fn conffiles(&self) -> impl Iterator<Item = &str> {
        let lines = self.file("conffiles").unwrap_or_default().lines();
        lines.map(str::trim).filter(|l| l.starts_with('/'))
    }
}
