//! The package database, as dpkg keeps it. Source: dpkg's admin directory, deb-triggers(5).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

use zones_sys::{RootFd, Stamp};

use crate::error::DebianError;
use crate::lay::Laid;
use crate::plan::Plan;
use crate::skeleton::write;

/// The name of a package's files in the database: several architectures may be installed of
/// those that are marked `same`.
pub(crate) fn info_name(laid: &Laid) -> String {
    let name = laid.control.field("Package");
    match laid.control.field("Multi-Arch") {
        "same" => format!("{name}:{}", laid.control.field("Architecture")),
        _ => name.to_owned(),
    }
}

/// Writes one package's files below `info/`.
pub(crate) fn write_info(root: &RootFd, laid: &Laid) -> Result<(), DebianError> {
    let base = "/var/lib/dpkg/info";
    let refuse = |source| DebianError::Root {
        path: base.into(),
        source,
    };
    let dir = root.dir(base.as_ref()).map_err(refuse)?;
    let name = info_name(laid);
    let put = |ending: &str, bytes: &[u8], mode: u32| {
        let file = format!("{name}.{ending}");
        // Nobody reads these names yet, so no detour by a temporary one.
        let made = dir.create(file.as_ref()).and_then(|f| {
            write_through(&f, bytes)?;
            rustix::fs::fchmod(&f, rustix::fs::Mode::from_raw_mode(mode))
        });
        match made {
            Err(rustix::io::Errno::EXIST) => dir.write(file.as_ref(), bytes, Stamp::root(mode)),
            other => other,
        }
        .map_err(|source| DebianError::Root {
            path: format!("{base}/{file}").into(),
            source,
        })
    };
    for file in &laid.control.files {
        put(
            &file.name,
            &file.bytes,
            if file.executable { 0o755 } else { 0o644 },
        )?;
    }
    let mut list = Vec::new();
    for path in &laid.list {
        list.push(b'/');
        let bytes = path.as_os_str().as_bytes();
        list.extend_from_slice(if bytes.is_empty() { b"." } else { bytes });
        list.push(b'\n');
    }
    put("list", &list, 0o644)?;
    if laid.control.file("md5sums").is_none() {
        let conffiles: Vec<_> = laid.control.conffiles().collect();
        let mut lines = Vec::new();
        for path in &laid.list {
            let text = path.to_string_lossy();
            if let Some(md5) = laid.md5.get(path)
                && !conffiles.contains(&format!("/{text}").as_str())
            {
                lines.push(format!("{md5}  {text}\n"));
            }
        }
        put("md5sums", lines.concat().as_bytes(), 0o644)?;
    }
    Ok(())
}

fn write_through(mut file: &std::fs::File, bytes: &[u8]) -> rustix::io::Result<()> {
    use std::io::Write as _;
    file.write_all(bytes)
        .map_err(|e| rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO))
}

/// The paragraph of a package that is unpacked and not yet configured.
pub(crate) fn status_paragraph(laid: &Laid) -> String {
    let mut text = String::new();
    // The state comes second, as dpkg writes it.
    for (i, line) in laid.control.text.lines().enumerate() {
        text += line;
        text.push('\n');
        if i == 0 {
            text += "Status: install ok unpacked\n";
        }
    }
    let mut conffiles = String::new();
    for path in laid.control.conffiles() {
        let md5 = laid
            .md5
            .get(std::path::Path::new(path.trim_start_matches('/')));
        let _ = writeln!(
            conffiles,
            " {path} {}",
            md5.map_or("newconffile", String::as_str)
        );
    }
    if !conffiles.is_empty() {
        let _ = write!(text, "Conffiles:\n{conffiles}");
    }
    text.push('\n');
    text
}

/// Who is interested in which trigger: the name of the file below `triggers/` and its lines.
pub(crate) fn triggers(all: &[Laid]) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for laid in all {
        let package = info_name(laid);
        for line in laid.control.file("triggers").unwrap_or_default().lines() {
            let mut words = line.split_whitespace();
            let (Some(kind), Some(name)) = (words.next(), words.next()) else {
                continue;
            };
            let flag = match kind {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                _ => continue,
            };
            if name.starts_with('/') {
                let _ = writeln!(
                    files.entry(String::from("File")).or_default(),
                    "{name} {package}{flag}"
                );
            } else if name.bytes().all(|b| b.is_ascii_graphic() && b != b'/') {
                let _ = writeln!(files.entry(name.to_owned()).or_default(), "{package}{flag}");
            }
        }
    }
    files
}

/// Writes what concerns all packages. `all` is sorted by package.
pub(crate) fn write_common(root: &RootFd, plan: &Plan, all: &[Laid]) -> Result<(), DebianError> {
    let laid = || all.iter().filter(|l| !l.late);
    let status: String = laid().map(status_paragraph).collect();
    write(root, "/var/lib/dpkg/status", status.as_bytes(), 0o644)?;
    write(root, "/var/lib/dpkg/info/format", b"1\n", 0o644)?;
    write(
        root,
        "/var/lib/dpkg/arch",
        format!("{}\n", plan.arch).as_bytes(),
        0o644,
    )?;
    for empty in [
        "diversions",
        "statoverride",
        "available",
        "triggers/Unincorp",
    ] {
        write(root, &format!("/var/lib/dpkg/{empty}"), b"", 0o644)?;
    }
    let auto = plan.packages.iter().filter(|p| p.automatic);
    let auto: String = auto
        .map(|p| {
            // Packages for all architectures count as native here.
            let arch = if p.arch == "all" { &plan.arch } else { &p.arch };
            format!(
                "Package: {}\nArchitecture: {arch}\nAuto-Installed: 1\n\n",
                p.name
            )
        })
        .collect();
    write(root, "/var/lib/apt/extended_states", auto.as_bytes(), 0o644)?;
    for (name, lines) in triggers(all) {
        if name != "." && name != ".." {
            write(
                root,
                &format!("/var/lib/dpkg/triggers/{name}"),
                lines.as_bytes(),
                0o644,
            )?;
        }
    }
    Ok(())
}
