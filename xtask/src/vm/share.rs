//! The files that a guest gets: the product as it is installed, a BusyBox root, the scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache;
use crate::demo::busybox;
use crate::shell::{Outcome, capture, cargo, has, host_tuple, run, target, top, write};

/// Fills `folder` for a script of `tests/vm`; `variables` are set for it.
pub(super) fn fill(folder: &Path, script: &str, variables: &[(&str, String)]) -> Outcome {
    cache::fresh(folder)?;
    let kept = kept();
    for name in ["usr", "zone.tar"] {
        run(Command::new("cp")
            .args(["--archive", "--link"])
            .arg(kept.join(name))
            .arg(folder))?;
    }
    for name in ["lib.sh".to_owned(), format!("{script}.sh")] {
        copy(&kept.join("scripts").join(&name), &folder.join(&name))?;
    }
    let mut start = String::new();
    for (name, value) in variables {
        start += &format!("{name}='{value}'\n");
    }
    start += &format!(". ./lib.sh\n. ./{script}.sh\n");
    write(&folder.join("start"), &start)
}

/// Makes what all tests share: installs the product into a folder, without what only a debugger
/// reads, packs a root of BusyBox, and takes the scripts as they are now.
pub(super) fn prepare(binary: &Path) -> Outcome {
    let kept = kept();
    cache::fresh(&kept)?;
    let small = kept.join("zones");
    copy(binary, &small)?;
    if has("strip") {
        run(Command::new("strip").arg("--strip-debug").arg(&small))?;
    }
    crate::install::into(&small, Path::new("/usr/local"), &kept)?;
    run(Command::new("cp")
        .arg("--recursive")
        .arg(top().join("tests/vm"))
        .arg(kept.join("scripts")))?;
    busybox::archive(&kept, &kept.join("zone.tar"))
}

fn kept() -> PathBuf {
    target().join("vm/share")
}

/// The folder that test programs were built to work in.
pub(super) fn test_folder() -> Outcome<String> {
    let folder = target().join(host_tuple()?).join("tmp");
    Ok(folder.display().to_string())
}

/// For cases that need nothing more.
pub(super) fn nothing(_folder: &Path) -> Outcome {
    Ok(())
}

/// The test programs of the storage crate, linked like the product, so that they run anywhere.
pub(super) fn storage_tests(folder: &Path) -> Outcome {
    const PROGRAMS: [&str; 2] = ["contract", "limits"];
    let mut command = cargo();
    command.args(["test", "--locked", "--no-run", "--package", "zones-storage"]);
    for program in PROGRAMS {
        command.args(["--test", program]);
    }
    command.env("CARGO_TERM_COLOR", "never");
    let out = capture(&mut command).map_err(|error| format!("cannot run cargo: {error}"))?;
    let text = String::from_utf8_lossy(&out.stderr);
    for program in PROGRAMS {
        // "  Executable tests/contract.rs (target/.../contract-0123)"
        let start = format!("Executable tests/{program}.rs (");
        let mut lines = text.lines();
        let path = lines.find_map(|line| line.trim().strip_prefix(&start)?.strip_suffix(')'));
        let Some(path) = path else {
            let text = text.trim();
            return Err(format!("cargo built no storage test `{program}`: {text}"));
        };
        let test = folder.join(program);
        copy(&top().join(path), &test)?;
        if has("strip") {
            run(Command::new("strip").arg("--strip-debug").arg(&test))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::copy(from, to)
        .map(drop)
        .map_err(|error| format!("cannot copy `{}`: {error}", from.display()))
}
