//! `zones matrix deb`: any Debian package, without a matrix file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zones_runner::Site;
use zones_runner::package::{PackageMatrix, SCRIPT, SUITES};
use zones_store::Layout;

use super::{NAME, bad, desk};
use crate::getopt::{Given, Known, flag, value};
use crate::report::fail;

const KNOWN: [Known; 6] = [
    value('\0', "suite"),
    value('\0', "arch"),
    flag('\0', "plan"),
    value('j', "jobs"),
    value('\0', "keep"),
    value('\0', "message-format"),
];
/// Options that go on to `zones matrix run`.
const HANDED: [&str; 3] = ["jobs", "keep", "message-format"];
/// Where nobody names releases: the last two.
const NEWEST: usize = 2;

pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let done = desk::parse(args, &KNOWN)
        .map_err(bad)
        .and_then(|given| try_run(layout, &given));
    done.unwrap_or_else(|status| status)
}

fn try_run(layout: &Layout, given: &Given) -> Result<u8, u8> {
    if given.words.is_empty() {
        return Err(bad("deb needs the name of a package, or files of packages"));
    }
    let files: Vec<&Path> = given.words.iter().map(Path::new).collect();
    let has_file = files
        .iter()
        .any(|path| path.extension().is_some_and(|end| end == "deb"));
    let package = match (has_file, files.as_slice()) {
        (true, [first, ..]) => name(first)?,
        (false, [_]) => given.words[0].clone(),
        (false, _) => return Err(bad("one package at a time")),
        (true, []) => return Err(bad("no file")),
    };
    let suites = words(given, "suite", &SUITES[SUITES.len() - NEWEST..]);
    let native = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let architectures = words(given, "arch", &[native]);
    let matrix = PackageMatrix {
        package: &package,
        has_file,
        suites: &suites,
        architectures: &architectures,
    };
    let text = matrix.text().map_err(bad)?;
    let folder = Site::of(layout).folder().join("packages").join(&package);
    let files = if has_file { files } else { Vec::new() };
    lay(&folder, &text, &files).map_err(|error| fail(NAME, error))?;
    let file = folder.join("matrix.toml").display().to_string();
    let mut line = vec!["-f".to_owned(), file];
    if given.has("plan") {
        return Ok(super::plan::run(layout, &line));
    }
    for name in HANDED {
        line.extend(given.get(name).map(|value| format!("--{name}={value}")));
    }
    Ok(super::run::run(layout, &line))
}

/// `a,b`, or what is usual.
fn words<'a>(given: &'a Given, name: &str, usual: &[&'a str]) -> Vec<&'a str> {
    match given.get(name) {
        Some(text) => text.split(',').collect(),
        None => usual.to_vec(),
    }
}

/// The name of the package in a file.
fn name(path: &Path) -> Result<String, u8> {
    let contents = zones_debian::contents(path);
    let contents = contents.map_err(|why| bad(format!("`{}`: {why}", path.display())))?;
    Ok(contents.package)
}

/// Writes the folder of the matrix: the file, the script of its steps, the new packages.
fn lay(folder: &Path, text: &str, files: &[&Path]) -> Result<(), String> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("{path}: {error}")
    };
    let new = folder.join("new");
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed(&new)(error));
        }
        _ => {}
    }
    let made: PathBuf = if files.is_empty() {
        folder.to_owned()
    } else {
        new.clone()
    };
    fs::create_dir_all(&made).map_err(failed(&made))?;
    for file in files {
        let name = file.file_name().unwrap_or_default();
        fs::copy(file, new.join(name)).map_err(failed(file))?;
    }
    let script = folder.join("step.sh");
    fs::write(&script, SCRIPT).map_err(failed(&script))?;
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&script, mode).map_err(failed(&script))?;
    let path = folder.join("matrix.toml");
    fs::write(&path, text).map_err(failed(&path))
}
