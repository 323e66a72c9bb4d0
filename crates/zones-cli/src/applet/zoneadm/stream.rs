//! `zoneadm export`, `zoneadm import`: a zone as one stream, to a file or through a pipe.

mod import;
mod meter;

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use zones_engine::chain;
use zones_store::{Lock, write_document};
use zones_stream::{Described, Selection, Token, export as write_stream};
use zones_types::ZoneState;

use super::Target;
use super::base::same;
use crate::report::{OK, USAGE, fail_zone};
use meter::Meter;

pub(super) use import::import;

/// What the command line of export asks for.
#[derive(Default)]
struct Wish {
    selection: Selection,
    resume: Option<Token>,
    file: Option<PathBuf>,
}

fn parse(args: &[String]) -> Result<Wish, String> {
    let mut wish = Wish::default();
    let mut words = args.iter();
    let mut has_file = false;
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or_else(String::new);
        match word.as_str() {
            "-s" => wish.selection.snapshot = Some(value()?),
            "-i" => wish.selection.base = Some(value()?),
            "--resume" => {
                let token = value()?.parse().map_err(|error| chain(&error))?;
                wish.resume = Some(token);
            }
            "-" if !has_file => has_file = true,
            flag if flag.starts_with('-') => return Err(String::new()),
            file if !has_file => {
                wish.file = Some(PathBuf::from(file));
                has_file = true;
            }
            _ => return Err(String::new()),
        }
    }
    Ok(wish)
}

pub(super) fn export(target: &Target<'_>, args: &[String]) -> u8 {
    let wish = match parse(args) {
        Ok(wish) => wish,
        Err(text) if text.is_empty() => {
            eprintln!(
                "usage:\texport [-s snapshot] [-i base-snapshot] [--resume token] [file | -]"
            );
            return USAGE;
        }
        Err(text) => return fail_zone(&target.zone, text),
    };
    match really(target, &wish) {
        Ok(()) => OK,
        Err(text) => fail_zone(&target.zone, text),
    }
}

fn really(target: &Target<'_>, wish: &Wish) -> Result<(), String> {
    // A snapshot stays as it is, whatever the zone does.
    let _lock = match wish.selection.snapshot {
        None if !crate::env::lock_is_held() => {
            let lock = Lock::zone(target.layout, &target.zone);
            Some(lock.map_err(|error| chain(&error))?)
        }
        _ => None,
    };
    let state = super::state_of(target.layout, &target.store, &target.zone)?;
    match state {
        Some(ZoneState::Installed) => {}
        Some(ZoneState::Ready | ZoneState::Running | ZoneState::Mounted)
            if wish.selection.snapshot.is_some() => {}
        Some(ZoneState::Configured | ZoneState::Incomplete) | None => {
            return Err("the zone is not installed: there is nothing to export".to_owned());
        }
        Some(_) => {
            return Err("the zone is in use; halt it, or export a snapshot: -s".to_owned());
        }
    }
    let config = zones_engine::load(target.layout, &target.zone).map_err(|error| error.chain())?;
    let zonepath = config.zonepath.clone().ok_or("zonepath not specified")?;
    let text = write_document(&config);
    let meter = Meter::new("Export");
    let source = Described {
        zone: target.zone.as_str(),
        configuration: &text,
        shared: same::of(target.layout, &config)?,
    };
    let write = |out: File| {
        let mut out = BufWriter::with_capacity(256 << 10, out);
        let path = zonepath.as_path();
        let done = write_stream(
            path,
            &source,
            &wish.selection,
            wish.resume,
            &mut out,
            &meter,
        );
        let done = done.map_err(|error| chain(&error))?;
        let flushed = out.into_inner().map_err(|error| error.to_string());
        Ok((
            done,
            flushed.map_err(|text| format!("cannot write the stream: {text}"))?,
        ))
    };
    let Some(file) = &wish.file else {
        let out = std::io::stdout();
        if out.is_terminal() {
            return Err("a stream is nothing for a terminal; name a file, or a pipe".to_owned());
        }
        let out = std::os::fd::AsFd::as_fd(&out).try_clone_to_owned();
        let out = out.map_err(|error| format!("cannot use standard output: {error}"))?;
        write(File::from(out))?;
        return Ok(());
    };
    let done = to_file(file, write)?;
    let (roots, bytes) = (done.roots, done.bytes);
    let _ = writeln!(
        std::io::stdout(),
        "{}: {roots} roots, {bytes} bytes",
        file.display()
    );
    Ok(())
}

/// Writes a file that is there whole or not at all, for its owner alone. Until then it has no name,
/// so that nothing is left of one whose writer is killed.
fn to_file<T>(
    path: &Path,
    write: impl FnOnce(File) -> Result<(T, File), String>,
) -> Result<T, String> {
    let failed = |what: &'static str| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("cannot {what} `{path}`: {error}")
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mode = Mode::from_raw_mode(0o600);
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    // Its name is no less to be kept than what is in it.
    let sync = || File::open(folder).and_then(|it| it.sync_all());
    let out = match rustix::fs::open(folder, flags, mode) {
        // A file system that has none without a name.
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => {
            let done = to_named(path, write, &failed)?;
            sync().map_err(failed("name"))?;
            return Ok(done);
        }
        other => other.map_err(|errno| failed("create")(errno.into()))?,
    };
    let (done, file) = write(File::from(out))?;
    file.sync_all().map_err(failed("write"))?;
    let via = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |to: &Path| {
        rustix::fs::linkat(CWD, via.as_str(), CWD, to, AtFlags::SYMLINK_FOLLOW)
            .map_err(std::io::Error::from)
    };
    match link(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let temp = temp_of(path);
            let replaced = link(&temp).and_then(|()| std::fs::rename(&temp, path));
            replaced.map_err(failed("replace"))?;
        }
        other => other.map_err(failed("name"))?,
    }
    sync().map_err(failed("name"))?;
    Ok(done)
}

fn temp_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".tmp-{}", std::process::id()));
    PathBuf::from(name)
}

/// The same with a temporary name.
fn to_named<T, E: FnOnce(std::io::Error) -> String>(
    path: &Path,
    write: impl FnOnce(File) -> Result<(T, File), String>,
    failed: &dyn Fn(&'static str) -> E,
) -> Result<T, String> {
    let temp = temp_of(path);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let out = options.open(&temp).map_err(failed("create"))?;
    let done = write(out).and_then(|(done, file)| {
        file.sync_all().map_err(failed("write"))?;
        std::fs::rename(&temp, path).map_err(failed("write"))?;
        Ok(done)
    });
    if done.is_err() {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&temp);
    }
    done
}
