//! A set of packages of the shape that field guides quote: 49 packages, 7,634 files, 206.85 MB as
//! pkg(1) counts them (2^20 bytes). Sizes, folders and compressibility are those of a minimal
//! Debian system; everything follows from a seed, so that two machines measure the same bytes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Site;
use crate::shell::{Outcome, write};

pub(super) const PACKAGES: usize = 49;
pub(super) const FILES: usize = 7634;
/// 206.85 * 2^20.
pub(super) const BYTES: u64 = 216_898_000;
/// Packages that have a second version, and the files in them that differ: one of so many.
pub(super) const UPDATED: usize = 5;
const CHANGED_EACH: usize = 4;
/// Files in a folder, and files to a link.
const FOLDER: usize = 5;
const LINK_EACH: usize = 10;
/// A file is so long at most.
const LEN_MAX: u64 = 12 << 20;
/// The generator, by which a set of another one is made again.
const MARK: &str = "set-1";

/// Numbers that look random and are always the same. Source: splitmix64, Steele and others 2014.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Lengths of all files: most are a few kB, few have most of the bytes.
fn lengths() -> Vec<u64> {
    let mut numbers = Numbers(49);
    // Eighths of octaves; a sum of four numbers lies near a bell.
    let exponent = |numbers: &mut Numbers| (0..4).map(|_| numbers.below(46)).sum::<u64>();
    let raw = (0..FILES).map(|_| {
        let eighths = exponent(&mut numbers);
        let (octave, rest) = (eighths / 8, eighths % 8);
        ((1_u64 << octave) * (8 + rest) / 8).min(LEN_MAX)
    });
    let mut all: Vec<u64> = raw.collect();
    let sum: u64 = all.iter().sum();
    for length in &mut all {
        *length = (*length * BYTES / sum).min(LEN_MAX);
    }
    // What rounding and the limit took goes to those that have room.
    let mut left = BYTES - all.iter().sum::<u64>();
    for length in all.iter_mut().filter(|it| **it > 1 << 16) {
        let more = left.min(LEN_MAX - *length).min(1 << 20);
        *length += more;
        left -= more;
    }
    all
}

/// Text, with blocks of noise between: about half of it remains when it is packed.
fn content(seed: u64, length: u64) -> Vec<u8> {
    const WORDS: [&str; 32] = [
        "the ",
        "package",
        " is ",
        "installed",
        "\n",
        "return ",
        "if (",
        ") {\n",
        "    ",
        "value",
        "0x00",
        "name",
        "=",
        "/usr/",
        "lib",
        "share",
        ".so",
        "error",
        "_",
        "index",
        "size",
        ", ",
        "const ",
        "static ",
        "int ",
        "char *",
        "data",
        "\t",
        "file",
        "path",
        "-",
        "license ",
    ];
    let mut numbers = Numbers(seed);
    let length = usize::try_from(length).unwrap_or(0);
    let mut bytes = Vec::with_capacity(length + 64);
    while bytes.len() < length {
        if numbers.below(5) == 0 {
            for _ in 0..32 {
                bytes.extend_from_slice(&numbers.next().to_le_bytes());
            }
        } else {
            for _ in 0..96 {
                let number = numbers.next();
                bytes.extend_from_slice(WORDS[(number % 32) as usize].as_bytes());
                if number & 0x700 == 0 {
                    let _ = write!(Text(&mut bytes), "{:x}", number >> 44);
                }
            }
        }
    }
    bytes.truncate(length);
    bytes
}

struct Text<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// The folder of a file, by its number: neighbours share one, as in real packages.
fn folder(package: usize, file: usize) -> String {
    let number = file / FOLDER;
    let top = ["usr/lib", "usr/share", "usr/share/doc", "etc"][number % 4];
    format!("{top}/part{package}/{}", number / 4)
}

/// Writes the files of a package below `proto`; gives its manifest.
fn package(proto: &Path, package: usize, version: u64, all: &[u64]) -> Outcome<String> {
    let mut text = format!(
        "set name=pkg.fmri value=part/number{package}@1.{version}\n\
         set name=pkg.summary value=\"Part {package} of a set\"\n"
    );
    for path in ["usr", "usr/lib", "usr/share", "usr/share/doc", "etc"] {
        let _ = writeln!(text, "dir path={path} owner=root group=root mode=0755");
    }
    for top in ["usr/lib", "usr/share", "usr/share/doc", "etc"] {
        let _ = writeln!(
            text,
            "dir path={top}/part{package} owner=root group=root mode=0755"
        );
    }
    let mine = (package..FILES).step_by(PACKAGES);
    for (at, number) in mine.enumerate() {
        let folder = folder(package, at);
        if at % FOLDER == 0 {
            let made = std::fs::create_dir_all(proto.join(&folder));
            made.map_err(|error| format!("{folder}: {error}"))?;
            let _ = writeln!(text, "dir path={folder} owner=root group=root mode=0755");
        }
        let seed = if at % CHANGED_EACH == 0 { version } else { 0 };
        let path = format!("{folder}/file{at}");
        let bytes = content((number as u64) << 8 | seed, all[number]);
        std::fs::write(proto.join(&path), bytes).map_err(|error| format!("{path}: {error}"))?;
        let mode = ["0644", "0755"][at % 2];
        let _ = writeln!(
            text,
            "file {path} path={path} owner=root group=root mode={mode}"
        );
        if at % LINK_EACH == 0 {
            let _ = writeln!(text, "link path={path}.link target=file{at}");
        }
    }
    Ok(text)
}

/// The repositories `old`, with all packages, and `new`, with a second version of some; kept
/// between runs.
pub(super) fn make(site: &Site) -> Outcome<[PathBuf; 2]> {
    let top = site.shared.join("packages");
    let (old, new) = (top.join("old"), top.join("new"));
    if top.join(MARK).exists() {
        return Ok([old, new]);
    }
    println!("Making the set of packages...");
    let _ = std::fs::remove_dir_all(&top);
    std::fs::create_dir_all(&top).map_err(|error| format!("{}: {error}", top.display()))?;
    site.ok("pkgrepo", &["create", &super::text(&old)])?;
    let prefix = "publisher/prefix=bench";
    site.ok("pkgrepo", &["set", "-s", &super::text(&old), prefix])?;
    let all = lengths();
    (0..PACKAGES).try_for_each(|number| publish(site, &old, number, 0, &all))?;
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([&old, &new])
        .status();
    copied.map_err(|error| format!("cp: {error}"))?;
    (0..UPDATED).try_for_each(|number| publish(site, &new, number, 1, &all))?;
    write(&top.join(MARK), "")?;
    Ok([old, new])
}

fn publish(site: &Site, to: &Path, number: usize, version: u64, all: &[u64]) -> Outcome {
    let proto = site.work.join("proto");
    let manifest = site.work.join("manifest");
    write(&manifest, &package(&proto, number, version, all)?)?;
    let [to, shown, manifest] = [to, &proto, &manifest].map(super::text);
    site.ok("pkgsend", &["-s", &to, "publish", "-d", &shown, &manifest])?;
    std::fs::remove_dir_all(&proto).map_err(|error| format!("{shown}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{BYTES, FILES, content, lengths};

    #[test]
    fn the_set_has_its_shape() {
        let mut all = lengths();
        assert_eq!(all.len(), FILES);
        assert_eq!(all.iter().sum::<u64>(), BYTES);
        all.sort_unstable();
        let median = all[FILES / 2];
        assert!((1_000..8_000).contains(&median), "{median}");
        assert_eq!(content(7, 4096), content(7, 4096));
        assert_ne!(content(7, 4096), content(8, 4096));
    }
}
