//! The ZFS module for the guest's kernel: compiled in a zone, once for each kernel, then a tar file
//! in the cache.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::archive::{Archive, unpack, version};
use super::builder::Builder;
use super::cache::{self, Cache};
use crate::shell::{Outcome, run};

/// What compiles it. The headers' package is that of the kernel that the guest boots.
const COMPILERS: [&str; 3] = ["dkms", "build-essential", "libelf-dev"];

/// The module's tar file; compiles it if the cache has none for this kernel and this ZFS.
pub(super) fn module(
    cache: &Cache,
    builder: &Builder,
    archive: &Archive,
    kernel: &str,
) -> Outcome<PathBuf> {
    let source = archive.download(&["zfs-dkms"])?.remove(0);
    let zfs = version(&source);
    let kept = cache.path(&format!("zfs-{zfs}-for-{kernel}.tar"));
    if kept.is_file() {
        return Ok(kept);
    }
    println!("Compiling ZFS {zfs} for Linux {kernel}: ten minutes, once for each kernel");
    let start = Instant::now();
    let headers = format!("linux-headers-{kernel}");
    let packages: Vec<&str> = COMPILERS.into_iter().chain([&*headers]).collect();
    let root = builder.install("compiler", &packages)?;
    unpack(&source, &root)?;
    let upstream = zfs.split('-').next().unwrap_or(&zfs);
    let script = format!(
        "export PATH=/usr/sbin:/usr/bin:/sbin:/bin
         dkms add zfs/{upstream}
         dkms build -j $(nproc) zfs/{upstream} -k {kernel}"
    );
    let log = cache.path("zfs.log");
    builder.script("compiler", &script, &log)?;
    let built = root.join(format!("var/lib/dkms/zfs/{upstream}/{kernel}"));
    pack(&built, &kept)?;
    println!("Compiled in {} s", start.elapsed().as_secs());
    Ok(kept)
}

/// Packs the folder `module` that dkms fills below one for the machine.
fn pack(built: &Path, kept: &Path) -> Outcome {
    let machine = std::env::consts::ARCH;
    let fresh = kept.with_extension("new");
    run(Command::new("tar")
        .arg("--create")
        .arg("--file")
        .arg(&fresh)
        .arg("--directory")
        .arg(built.join(machine).join("module"))
        .arg("."))?;
    cache::rename(&fresh, kept)
}
