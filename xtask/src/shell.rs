//! Where things are, and programs run from here.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What every verb ends with: nothing, or one sentence.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// The top of the repository.
pub(crate) fn top() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let xtask = manifest.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    xtask.parent().map_or_else(|| xtask.clone(), Path::to_owned)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(path) => top().join(path),
        None => top().join("target"),
    }
}

/// `cargo`, the one that started us.
pub(crate) fn cargo() -> Command {
    let name = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(name);
    // What cargo says to a program that it runs must not reach the next cargo.
    for key in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(key);
    }
    command.current_dir(top());
    command
}

/// The machine that rustc builds for, as `x86_64-unknown-linux-gnu`.
pub(crate) fn host_tuple() -> Outcome<String> {
    let text = output(Command::new("rustc").arg("-vV"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| "rustc -vV names no host".to_owned())
}

/// Names a binary to be used as it is.
const ZONES_BINARY: &str = "ZONES_BINARY";

/// Builds the product and says where it is.
pub(crate) fn build(release: bool) -> Outcome<PathBuf> {
    if let Some(path) = std::env::var_os(ZONES_BINARY) {
        return Ok(top().join(path));
    }
    let mut command = cargo();
    command.args(["build", "--locked", "--package", "zones"]);
    if release {
        command.arg("--release");
    }
    run(&mut command)?;
    let profile = if release { "release" } else { "debug" };
    Ok(target().join(host_tuple()?).join(profile).join("zones"))
}

/// Runs a program; an error names it and its status.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let name = shown(command);
    let status = command
        .status()
        .map_err(|error| format!("cannot run `{name}`: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{name}` ended with {status}"))
    }
}

/// Runs a program and returns what it prints; an error carries what it complains of.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let name = shown(command);
    let out = capture(command).map_err(|error| format!("cannot run `{name}`: {error}"))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    if out.status.success() {
        Ok(text)
    } else {
        let complaint = String::from_utf8_lossy(&out.stderr);
        Err(format!(
            "`{name}` ended with {}: {}",
            out.status,
            complaint.trim()
        ))
    }
}

/// Runs a program without input and keeps both outputs.
pub(crate) fn capture(command: &mut Command) -> std::io::Result<Output> {
    command.stdin(Stdio::null()).output()
}

/// Whether a program of this name is on the path.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .any(|folder| folder.join(program).is_file())
}

/// Whether we are root, without a system call of our own.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// Reads a file; an error names it.
pub(crate) fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

/// Writes a file and the folders above it; an error names it.
pub(crate) fn write(path: &Path, text: &str) -> Outcome {
    let parent = path.parent().unwrap_or_else(|| Path::new("/"));
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| format!("cannot write `{}`: {error}", path.display()))
}

/// The files that git knows or would add, relative to the top.
pub(crate) fn files() -> Outcome<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(top())
        .args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let mut names: Vec<String> = output(&mut git)?.lines().map(str::to_owned).collect();
    names.retain(|name| top().join(name).is_file());
    Ok(names)
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for arg in command.get_args().take(6) {
        text.push(' ');
        text += &arg.to_string_lossy();
    }
    text
}
