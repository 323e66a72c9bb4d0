//! An initial file system of a static busybox and the modules that the guest's disk needs; it is up
//! sooner than a general one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::cache;
use crate::shell::{Outcome, output, read, run, write};

/// Modules that are loaded before the root is mounted. What the kernel has built in is left out.
pub(super) const MODULES: [&str; 3] = ["virtio_pci", "virtio_blk", "ext4"];

/// Writes it to `to`, a cpio file. `root` is the guest's.
pub(super) fn pack(root: &Path, kernel: &str, init: &str, to: &Path) -> Outcome {
    let folder = to.with_extension("tree");
    cache::fresh(&folder)?;
    for name in ["bin", "modules", "proc", "sys", "dev", "root"] {
        let path = folder.join(name);
        fs::create_dir(&path)
            .map_err(|error| format!("cannot make `{}`: {error}", path.display()))?;
    }
    copy(&root.join("usr/bin/busybox"), &folder.join("bin/busybox"))?;
    let tree = root.join("usr/lib/modules").join(kernel);
    let mut order = String::new();
    for path in in_order(&read(&tree.join("modules.dep"))?) {
        let name = add(&tree.join(path), &folder.join("modules"))?;
        order += &format!("{name}\n");
    }
    write(&folder.join("modules/order"), &order)?;
    let start = folder.join("init");
    write(&start, init)?;
    fs::set_permissions(&start, fs::Permissions::from_mode(0o755))
        .map_err(|error| format!("cannot change `{}`: {error}", start.display()))?;
    archive(&folder, to)?;
    cache::remove(&folder)
}

/// Paths of the modules, each after those that it needs. Source: modules.dep(5).
fn in_order(dep: &str) -> Vec<&str> {
    let mut order: Vec<&str> = Vec::new();
    for name in MODULES {
        let row = dep.lines().filter_map(|line| line.split_once(':'));
        let Some((path, needs)) = row.into_iter().find(|(path, _)| stem(path) == name) else {
            continue;
        };
        // The file names what is needed first last.
        for module in needs.split_whitespace().rev().chain([path]) {
            if !order.contains(&module) {
                order.push(module);
            }
        }
    }
    order
}

/// `virtio_blk` of `kernel/drivers/block/virtio_blk.ko.xz`.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name)
}

/// Copies a module; busybox loads it uncompressed only.
fn add(module: &Path, to: &Path) -> Outcome<String> {
    let name = module.file_name().unwrap_or_default().to_string_lossy();
    let target = to.join(&*name);
    copy(module, &target)?;
    if name.ends_with(".xz") {
        run(Command::new("xz").arg("--decompress").arg(&target))?;
    }
    Ok(name.trim_end_matches(".xz").to_owned())
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::copy(from, to)
        .map(drop)
        .map_err(|error| format!("cannot copy `{}`: {error}", from.display()))
}

/// The form that the kernel unpacks: `newc`. Source: the kernel's initramfs buffer format.
fn archive(folder: &Path, to: &Path) -> Outcome {
    let list = folder.with_extension("list");
    let mut find = Command::new("find");
    write(&list, &output(find.current_dir(folder).arg("."))?)?;
    let open = |path: &Path| {
        fs::File::open(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
    };
    let image = fs::File::create(to)
        .map_err(|error| format!("cannot write `{}`: {error}", to.display()))?;
    let mut cpio = Command::new("cpio");
    cpio.current_dir(folder)
        .args(["--create", "--format=newc", "--quiet"]);
    cpio.stdin(open(&list)?)
        .stdout(image)
        .stderr(Stdio::inherit());
    run(&mut cpio)?;
    cache::remove(&list)
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn a_module_comes_after_those_it_needs() {
        let dep = "\
kernel/fs/ext4/ext4.ko.xz: kernel/lib/crc16.ko.xz kernel/fs/jbd2/jbd2.ko.xz kernel/fs/mbcache.ko.xz
kernel/drivers/block/virtio_blk.ko.xz:
kernel/fs/jbd2/jbd2.ko.xz:
";
        let want = [
            "kernel/drivers/block/virtio_blk.ko.xz",
            "kernel/fs/mbcache.ko.xz",
            "kernel/fs/jbd2/jbd2.ko.xz",
            "kernel/lib/crc16.ko.xz",
            "kernel/fs/ext4/ext4.ko.xz",
        ];
        assert_eq!(in_order(dep), want);
    }
}
