//! Makes an image: what a person would type, each line with its answer in one log.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{PidfdFlags, Signal};
use zones_matrix::{Key, Platform};
use zones_types::{ZoneName, ZoneState};

use super::recipe::{Recipe, SCRIPT_FOLDER, recipe};
use super::{ImageError, Images, Manifest, Place, SCHEMA, Say, contents};
use crate::script::{ADD_PACKAGES, SETTLE};
use crate::{digest, network};

/// How long one step may take. Configuring packages under an emulator takes minutes.
const STEP: Duration = Duration::from_secs(3600);
/// How long services may take to come up, and to go down.
const SERVICES: Duration = Duration::from_secs(180);

/// Makes the image of a platform. The caller has the exclusive lock on its key.
pub(super) fn build(
    images: &Images,
    platform: &Platform,
    files: &Path,
    say: Say<'_>,
) -> Result<(), ImageError> {
    let key = platform.image.key;
    let zone = Place::zone(key)?;
    clear(images, &zone)?;
    let folder = images.place.image(key);
    fs::create_dir_all(&folder).map_err(ImageError::file("create", &folder))?;
    let path = images.place.log(key);
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let job = Job {
        images,
        platform,
        zone,
        log: log.map_err(ImageError::file("create", &path))?,
        begun: Instant::now(),
        say,
    };
    match job.run(files) {
        Ok(manifest) => {
            manifest.write(&images.place.manifest(key))?;
            let seconds = Duration::from_millis(manifest.millis).as_secs_f64();
            say(&platform.id, &format!("made in {seconds:.1} s"));
            Ok(())
        }
        Err(why) => {
            job.note(&format!("failed: {why}"));
            // The error that is told is the first one; what stays is cleared by the next build.
            let _ = clear(images, &job.zone);
            Err(ImageError::Build {
                platform: platform.id.clone(),
                why,
                log: path,
            })
        }
    }
}

/// Removes what is there of a zone, in whatever state somebody left it.
pub(super) fn clear(images: &Images, zone: &ZoneName) -> Result<(), ImageError> {
    let Some(entry) = images.place.store().get(zone)? else {
        return Ok(());
    };
    let verb = |applet, args: &[&str]| {
        let args = [&["-z", zone.as_str()], args].concat();
        images.verbs.run(applet, &args)
    };
    if entry.state != ZoneState::Configured {
        // A verb of a killed builder may go on: the lock of the zone is waited for, and a boot
        // that came in between is undone.
        let uninstall = || {
            // It is halted most often already, which halt calls an error.
            let _ = verb("zoneadm", &["halt"]);
            verb("zoneadm", &["uninstall", "-F"])
        };
        uninstall().or_else(|_| uninstall())?;
    }
    verb("zonecfg", &["delete", "-F"])?;
    Ok(())
}

struct Job<'a> {
    images: &'a Images,
    platform: &'a Platform,
    zone: ZoneName,
    log: File,
    begun: Instant,
    say: Say<'a>,
}

impl Job<'_> {
    fn run(&self, files: &Path) -> Result<Manifest, String> {
        let recipe = recipe(self.platform, files)?;
        self.note(&format!("image {}", self.platform.image.key));
        if let Some((path, hash)) = &recipe.archive {
            self.say("looking at the archive");
            is_of(path, *hash)?;
        }
        self.configure(&recipe)?;
        self.say("installing");
        let words: Vec<&str> = recipe.install.iter().map(String::as_str).collect();
        self.step("zoneadm", &[&["install"], &words[..]].concat(), STEP)?;
        if recipe.script.is_some() || !recipe.late.is_empty() {
            self.change(&recipe)?;
        }
        self.manifest()
    }

    fn configure(&self, recipe: &Recipe) -> Result<(), String> {
        let path = self.images.place.zones().join(self.zone.as_str());
        let key = self.platform.image.key;
        let commands = format!(
            "create -b; set brand={}; set zonepath={}; \
             add attr; set name=matrix-image; set type=string; set value={key}; end",
            recipe.brand,
            path.display()
        );
        self.step("zonecfg", &[&commands], STEP)
    }

    /// Boots the zone, has the script make its changes, and halts it for good.
    fn change(&self, recipe: &Recipe) -> Result<(), String> {
        let network = self.platform.image.network;
        let mut more = network::words(network, self.platform.image.key.number());
        let name = match &recipe.script {
            None => None,
            Some(script) => {
                let name = script.path.file_name().unwrap_or_default();
                let folder = self.images.place.image(self.platform.image.key);
                let folder = folder.join("script");
                lay_script(&script.path, script.hash, &folder)?;
                more += &format!(
                    "add fs; set dir={SCRIPT_FOLDER}; set special={}; set type=lofs; \
                     add options [ro,nodev,nosuid]; end; ",
                    folder.display()
                );
                Some(format!("{SCRIPT_FOLDER}/{}", name.to_string_lossy()))
            }
        };
        self.step("zonecfg", &[&more], STEP)?;
        self.say("booting");
        self.step("zoneadm", &["boot"], STEP)?;
        self.inside(&["/bin/sh", "-c", SETTLE], SERVICES)?;
        if !recipe.late.is_empty() {
            self.say("adding packages");
            let words: Vec<&str> = recipe.late.iter().map(String::as_str).collect();
            let script = ["/bin/sh", "-c", ADD_PACKAGES, "packages"];
            self.inside(&[&script[..], &words[..]].concat(), STEP)?;
        }
        if let Some(name) = name {
            self.say("running the script");
            self.inside(&[&name], STEP)?;
        }
        self.say("halting");
        let gently = self.step("zoneadm", &["shutdown", "-t", "60"], SERVICES);
        if let Err(why) = gently {
            self.note(&format!("{why}; it is halted at once"));
            self.step("zoneadm", &["halt"], SERVICES)?;
        }
        self.step("zonecfg", &["remove -F fs; remove -F net"], STEP)
    }

    fn manifest(&self) -> Result<Manifest, String> {
        let image = &self.platform.image;
        let root = self
            .images
            .place
            .zones()
            .join(self.zone.as_str())
            .join("root");
        let look = zones_storage::look(&root).map_err(|error| error.to_string())?;
        let size = contents::size(&look);
        let size = size.map_err(|error| format!("cannot read what was made: {error}"))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = now.map_or(0, |now| now.as_secs());
        Ok(Manifest {
            schema: SCHEMA,
            key: image.key,
            weak: image.weak,
            zone: self.zone.clone(),
            platform: self.platform.id.clone(),
            brand: self.platform.brand.clone(),
            inputs: image.inputs.clone(),
            packages: contents::packages(&look),
            bytes: size.bytes,
            files: size.files,
            created: i64::try_from(seconds).unwrap_or(i64::MAX),
            millis: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            noise: None,
        })
    }

    fn say(&self, text: &str) {
        (self.say)(&self.platform.id, text);
    }

    fn note(&self, text: &str) {
        // A log that cannot be written must not end what works.
        let _ = writeln!(
            &self.log,
            "[{:9.3}] {text}",
            self.begun.elapsed().as_secs_f64()
        );
    }

    /// `APPLET -z ZONE args...`; what it says goes to the log.
    fn step(&self, applet: &str, args: &[&str], limit: Duration) -> Result<(), String> {
        let args = [&["-z", self.zone.as_str()], args].concat();
        self.command(applet, &args, limit)
    }

    /// A command in the zone.
    fn inside(&self, argv: &[&str], limit: Duration) -> Result<(), String> {
        let args = [&[self.zone.as_str()], argv].concat();
        self.command("zlogin", &args, limit)
    }

    fn command(&self, applet: &str, args: &[&str], limit: Duration) -> Result<(), String> {
        let line = format!("{applet} {}", args.join(" "));
        let line = line.lines().next().unwrap_or_default().to_owned();
        self.note(&format!("+ {line}"));
        let from = self.log.metadata().map_or(0, |meta| meta.len());
        let stream = || self.log.try_clone().map_err(|error| error.to_string());
        let mut command = self.images.verbs.command(applet, args);
        command.stdout(stream()?).stderr(stream()?);
        let failed = |why: String| format!("`{line}`: {why}");
        let child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let status = wait(child, limit).map_err(&failed)?;
        if status.success() {
            return Ok(());
        }
        let path = self.images.place.log(self.platform.image.key);
        let said = fs::read(path).unwrap_or_default();
        let said = said
            .get(usize::try_from(from).unwrap_or(0)..)
            .unwrap_or_default();
        let said = String::from_utf8_lossy(said);
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        Err(failed(format!(
            "{} ({status})",
            last.unwrap_or("no word why")
        )))
    }
}

/// Waits for a child, and kills it when its time is up.
fn wait(
    mut child: std::process::Child,
    limit: Duration,
) -> Result<std::process::ExitStatus, String> {
    let pid = rustix::process::Pid::from_child(&child);
    let ended = rustix::process::pidfd_open(pid, PidfdFlags::empty()).and_then(|pidfd| {
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        loop {
            match rustix::event::poll(&mut fds, Some(&limit)) {
                Err(rustix::io::Errno::INTR) => {}
                ready => return ready,
            }
        }
    });
    if matches!(ended, Ok(0)) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
        let _ = child.wait();
        return Err(format!("not done after {} s", limit.as_secs()));
    }
    child.wait().map_err(|error| error.to_string())
}

/// Whether a file has the bytes that the plan saw.
fn is_of(path: &Path, hash: Key) -> Result<(), String> {
    match digest::file(path) {
        Err(error) => Err(format!("cannot read `{}`: {error}", path.display())),
        Ok(found) if found == hash => Ok(()),
        Ok(found) => Err(format!(
            "`{}` has the BLAKE3 hash {found}, {hash} was expected",
            path.display()
        )),
    }
}

/// A copy of the script that nobody else writes to, in a folder of its own.
fn lay_script(path: &Path, hash: Key, folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |error: std::io::Error| format!("cannot copy `{}`: {error}", path.display());
    let bytes = fs::read(path).map_err(failed)?;
    let to = folder.join(path.file_name().unwrap_or_default());
    let _ = fs::remove_dir_all(folder);
    fs::create_dir(folder).map_err(failed)?;
    fs::write(&to, &bytes).map_err(failed)?;
    fs::set_permissions(&to, fs::Permissions::from_mode(0o555)).map_err(failed)?;
    let found = Key::of_bytes(&bytes);
    if found == hash {
        return Ok(());
    }
    Err(format!(
        "`{}` was changed after the plan was made; make the plan again",
        path.display()
    ))
}
