//! Guests that were booted once and saved while they waited for a test: going on with one takes a
//! second, booting half a minute.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::cache::{self, Cache};
use super::guest::{Base, Disks, Guest, Init, fingerprint};
use super::image::Image;
use crate::shell::Outcome;

/// How long a cold guest may take until it waits for its test.
pub(super) const BOOT: Duration = Duration::from_secs(300);

/// How long saving may take.
const SAVE: Duration = Duration::from_secs(120);

/// What systemd does after the last unit was started.
const SETTLE: Duration = Duration::from_secs(2);

/// A saved guest.
#[derive(Debug)]
pub(super) struct Warm {
    folder: PathBuf,
}

impl Warm {
    /// The one that fits image and machine; saved now if there is none.
    pub(super) fn prepare(cache: &Cache, image: &Image, init: Init) -> Outcome<Self> {
        let machine = fingerprint(image.accelerator)?;
        let key = cache::key([&*image.key, &*machine]);
        let folder = cache.path(&format!("warm-{}", init.as_str()));
        let mark = folder.join("key");
        if fs::read_to_string(&mark).is_ok_and(|of| of == key) {
            return Ok(Self { folder });
        }
        cache::remove(&folder)?;
        let fresh = cache.path("warm.new");
        cache::fresh(&fresh)?;
        let start = Instant::now();
        save(image, init, &fresh)?;
        fs::write(fresh.join("key"), key).map_err(|error| format!("no saved guest: {error}"))?;
        cache::rename(&fresh, &folder)?;
        let seconds = start.elapsed().as_secs();
        println!("Saved a booted guest with {}: {seconds} s", init.as_str());
        Ok(Self { folder })
    }

    /// What the root disk starts from.
    pub(super) fn base(&self) -> Base {
        Base {
            path: self.folder.join("root.qcow2"),
            format: "qcow2",
        }
    }

    /// Makes qemu go on with it.
    pub(super) fn arguments(&self) -> Vec<String> {
        let state = self.folder.join("state");
        let state = state.display();
        vec!["-incoming".to_owned(), format!("exec:cat '{state}'")]
    }
}

/// Boots a guest and writes its state and root into a folder.
fn save(image: &Image, init: Init, folder: &std::path::Path) -> Outcome {
    let failed = |error| format!("cannot save a guest: {error}");
    let disks = Disks::create(folder, &image.base())?;
    let door = folder.join("qmp");
    let listener = UnixListener::bind(&door).map_err(failed)?;
    let more = ["-qmp".to_owned(), format!("unix:{}", door.display())];
    let guest = Guest::start(image, init, &disks, &more)?;
    if !guest.wait_for("vm ready", BOOT) {
        return Err(format!(
            "the guest with {} did not come up; see `{}`",
            init.as_str(),
            folder.join("console.log").display()
        ));
    }
    if init == Init::Systemd {
        std::thread::sleep(SETTLE);
    }
    // qemu has connected long ago.
    let (stream, _) = listener.accept().map_err(failed)?;
    stream.set_read_timeout(Some(SAVE)).map_err(failed)?;
    let state = folder.join("state");
    let mut monitor = Monitor(BufReader::new(stream));
    monitor.ask(r#"{"execute":"qmp_capabilities"}"#, r#""return""#)?;
    monitor.ask(
        r#"{"execute":"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"events","state":true}]}}"#,
        r#""return""#,
    )?;
    let migrate = format!(
        r#"{{"execute":"migrate","arguments":{{"uri":"exec:cat > '{}'"}}}}"#,
        state.display()
    );
    monitor.ask(&migrate, r#""completed""#)?;
    monitor.ask(r#"{"execute":"quit"}"#, r#""return""#)?;
    guest.wait_gone(SAVE);
    drop(guest);
    for entry in fs::read_dir(folder).map_err(failed)?.flatten() {
        let name = entry.file_name();
        if name != "state" && name != "root.qcow2" {
            cache::remove(&entry.path())?;
        }
    }
    Ok(())
}

/// qemu's own language, of which we need four words. Source: QEMU machine protocol.
struct Monitor(BufReader<UnixStream>);

impl Monitor {
    /// Says a line and reads until a line has `answer`.
    fn ask(&mut self, line: &str, answer: &str) -> Outcome {
        let failed = |error| format!("qemu's monitor: {error}");
        let stream = self.0.get_mut();
        stream
            .write_all(format!("{line}\n").as_bytes())
            .map_err(failed)?;
        let mut text = String::new();
        loop {
            text.clear();
            if self.0.read_line(&mut text).map_err(failed)? == 0 {
                return Err(format!("qemu ended instead of answering `{line}`"));
            }
            if text.contains(r#""error""#) || text.contains(r#""failed""#) {
                return Err(format!("qemu refuses `{line}`: {}", text.trim()));
            }
            if text.contains(answer) {
                return Ok(());
            }
        }
    }
}
