//! Small packages.

use std::io::Write;

use tar::{Builder, EntryType, Header};

/// How a part is compressed.
#[derive(Clone, Copy)]
pub(crate) enum Pack {
    None,
    Gz,
    Xz,
    Zst,
}

/// A member of the data part.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) kind: EntryType,
    pub(crate) path: String,
    pub(crate) mode: u32,
    /// Content, or the text of a link.
    pub(crate) text: Vec<u8>,
}

/// What a package is made from.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// More lines of the description.
    pub(crate) fields: &'static str,
    pub(crate) files: Vec<File>,
    pub(crate) scripts: Vec<(&'static str, String)>,
    pub(crate) pack: Pack,
}

pub(crate) fn dir(path: &str, mode: u32) -> File {
    File {
        kind: EntryType::Directory,
        path: path.into(),
        mode,
        text: Vec::new(),
    }
}

pub(crate) fn file(path: &str, mode: u32, text: &str) -> File {
    File {
        kind: EntryType::Regular,
        path: path.into(),
        mode,
        text: text.into(),
    }
}

pub(crate) fn link(path: &str, text: &str) -> File {
    File {
        kind: EntryType::Symlink,
        path: path.into(),
        mode: 0o777,
        text: text.into(),
    }
}

impl Spec {
    pub(crate) fn new(name: &'static str, version: &'static str, fields: &'static str) -> Self {
        let (files, scripts) = (Vec::new(), Vec::new());
        Self {
            name,
            version,
            fields,
            files,
            scripts,
            pack: Pack::Gz,
        }
    }

    pub(crate) fn with(mut self, files: &[File]) -> Self {
        self.files = files.to_vec();
        self
    }

    pub(crate) fn script(mut self, name: &'static str, text: &str) -> Self {
        self.scripts.push((name, text.into()));
        self
    }

    /// The description, with a newline at the end.
    pub(crate) fn control(&self) -> String {
        format!(
            "Package: {}\nVersion: {}\nArchitecture: amd64\nMaintainer: Nobody <n@example.org>\n\
             Installed-Size: 10\n{}Description: a test\n",
            self.name, self.version, self.fields
        )
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut control = vec![file("./control", 0o644, &self.control())];
        for (name, text) in &self.scripts {
            let mode = if name.ends_with("inst") || name.ends_with("rm") {
                0o755
            } else {
                0o644
            };
            control.push(file(&format!("./{name}"), mode, text));
        }
        let mut data = vec![dir("./", 0o755)];
        data.extend(self.files.iter().cloned());
        archive(&[
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar.gz", pack(&tar(&control), Pack::Gz)),
            ("data.tar.xx", pack(&tar(&data), self.pack)),
        ])
    }
}

pub(crate) fn tar(files: &[File]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for f in files {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..f.path.len()].copy_from_slice(f.path.as_bytes());
        header.set_entry_type(f.kind);
        header.set_mode(f.mode);
        header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
        header.set_gid(u64::from(rustix::process::getegid().as_raw()));
        header.set_mtime(1_000_000);
        let is_link = matches!(f.kind, EntryType::Symlink | EntryType::Link);
        let content: &[u8] = if is_link { b"" } else { &f.text };
        if is_link {
            header.as_gnu_mut().unwrap().linkname[..f.text.len()].copy_from_slice(&f.text);
        }
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append(&header, content).unwrap();
    }
    tar.into_inner().unwrap()
}

pub(crate) fn pack(bytes: &[u8], how: Pack) -> Vec<u8> {
    match how {
        Pack::None => bytes.to_vec(),
        Pack::Gz => {
            let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }
        Pack::Xz => {
            let mut to = liblzma::write::XzEncoder::new(Vec::new(), 0);
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }
        Pack::Zst => zstd::encode_all(bytes, 1).unwrap(),
    }
}

pub(crate) fn archive(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let head = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            100_644,
            bytes.len()
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(bytes);
        if bytes.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}
