//! A testbed: a clone of a zone, booted; each opening has a new one.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};
use zones_matrix::Network;
use zones_runner::{Verbs, network};
use zones_store::{Layout, Store};
use zones_types::{ZoneName, ZoneState};

use super::protocol::{Copy, Direction, Kind, Testbed, Who};

/// The names of testbeds: this, and the process that serves them.
const PREFIX: &str = "autopkgtest-";
/// What tests may use; it is on disk, so it stays over a reboot.
const SCRATCH: &str = "/var/tmp/autopkgtest";
/// A file of the interface: a test that reboots by itself waits until it is gone.
const PREPARED: &str = "/run/autopkgtest-reboot-prepare-mark";
/// How long a test may take from there to its reboot, in seconds.
const REBOOT: i64 = 300;

/// Waits until an init that has services has started them.
const SETTLE: &str = "\
[ -d /run/systemd/system ] || exit 0
case $(systemctl is-system-running --wait) in running|degraded) exit 0 ;; esac
exit 1";

/// What testbeds are clones of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) zone: ZoneName,
    pub(super) snapshot: Option<String>,
}

pub(super) struct Zones {
    verbs: Verbs,
    layout: Layout,
    /// This program, to be started by others.
    program: PathBuf,
    zone: ZoneName,
    origin: Origin,
    brand: String,
    /// The folder of the zones, that of what they are clones of.
    zones: PathBuf,
    network: Network,
}

impl Zones {
    pub(super) fn new(layout: &Layout, origin: Origin, network: Network) -> Result<Self, String> {
        let store = Store::open(layout.clone());
        let unknown = || {
            format!(
                "zone `{}` is not installed; see zoneadm list -c",
                origin.zone
            )
        };
        let entry = store.get(&origin.zone).map_err(|error| error.to_string())?;
        if entry.is_none_or(|entry| entry.state != ZoneState::Installed) {
            return Err(unknown());
        }
        let config = store
            .load(&origin.zone)
            .map_err(|error| error.to_string())?;
        let folder = config
            .zonepath
            .as_ref()
            .and_then(|path| path.as_path().parent());
        let zones = folder.map(Path::to_owned).ok_or_else(unknown)?;
        let program = fs::read_link("/proc/self/exe");
        let program = program.map_err(|error| format!("cannot find this program: {error}"))?;
        let zone = format!("{PREFIX}{}", std::process::id());
        let bed = Self {
            verbs: Verbs::new(Path::new("/proc/self/exe"), layout.prefix()),
            layout: layout.clone(),
            program,
            zone: zone.parse().map_err(|error| format!("{error}"))?,
            brand: config.brand_or_default().to_string(),
            zones,
            origin,
            network,
        };
        bed.sweep(&store);
        Ok(bed)
    }

    /// Removes testbeds of servers that were killed.
    fn sweep(&self, store: &Store) {
        for entry in store.list().unwrap_or_default() {
            let owner = entry.name.as_str().strip_prefix(PREFIX);
            let owner = owner.and_then(|pid| pid.parse::<u32>().ok());
            if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                // What refuses to go is there for the next one.
                let _ = self.clear(&entry.name);
            }
        }
    }

    fn clear(&self, zone: &ZoneName) -> Result<(), String> {
        let entry = Store::open(self.layout.clone()).get(zone);
        let Some(entry) = entry.map_err(|error| error.to_string())? else {
            return Ok(());
        };
        let verb = |applet, args: &[&str]| {
            let args = [&["-z", zone.as_str()], args].concat();
            let said = self.verbs.run(applet, &args);
            said.map(|_| ()).map_err(|error| error.to_string())
        };
        if entry.state != ZoneState::Configured {
            // It may be halted already, which halt calls an error.
            let _ = verb("zoneadm", &["halt"]);
            verb("zoneadm", &["uninstall", "-F"])?;
        }
        verb("zonecfg", &["delete", "-F"])
    }

    fn verb(&self, applet: &str, args: &[&str]) -> Result<(), String> {
        let args = [&["-z", self.zone.as_str()], args].concat();
        let said = self.verbs.run(applet, &args);
        said.map(|_| ()).map_err(|error| error.to_string())
    }

    fn inside(&self, script: &str) -> Result<(), String> {
        let said = self
            .verbs
            .run("zlogin", &[self.zone.as_str(), "/bin/sh", "-c", script]);
        said.map(|_| ()).map_err(|error| error.to_string())
    }

    fn start(&self) -> Result<(), String> {
        self.verb("zoneadm", &["boot"])?;
        self.inside(SETTLE)
    }

    /// Waits until process 1 of the zone is another one.
    fn rebooted(&self, before: Option<Pid>) -> Result<(), String> {
        if let Some(init) = before
            && let Ok(pidfd) = rustix::process::pidfd_open(init, PidfdFlags::empty())
        {
            let limit = Timespec {
                tv_sec: REBOOT,
                tv_nsec: 0,
            };
            let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
            if rustix::event::poll(&mut fds, Some(&limit)) == Ok(0) {
                return Err(format!("the testbed did not reboot in {REBOOT} s"));
            }
        }
        // The daemon of the zone boots it again, and tells nobody when it has.
        let running = || zones_engine::active(&self.layout, &self.zone).map(|(state, _)| state);
        for _ in 0..600 {
            if running() == Some(ZoneState::Running) && self.init() != before {
                return self.inside(SETTLE);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Err("the testbed did not come up again".to_owned())
    }

    fn init(&self) -> Option<Pid> {
        let state = self.layout.run_zone(&self.zone).join("state");
        let state: serde_json::Value = serde_json::from_slice(&fs::read(state).ok()?).ok()?;
        Pid::from_raw(i32::try_from(state.get("init")?.get("pid")?.as_i64()?).ok()?)
    }

    fn zlogin(&self, script: &str) -> Command {
        self.verbs
            .command("zlogin", &[self.zone.as_str(), "/bin/sh", "-c", script])
    }

    fn copy_file(&self, copy: &Copy) -> Result<(), String> {
        let host = copy.host.display();
        let there = word(&copy.testbed);
        let failed = |error: std::io::Error| format!("`{host}`: {error}");
        let mut command;
        match copy.direction {
            Direction::Down => {
                let file = File::open(&copy.host).map_err(failed)?;
                let mode = file.metadata().map_err(failed)?.permissions().mode();
                let more = if mode & 0o111 == 0 {
                    ""
                } else {
                    " && chmod +x "
                };
                let target = if more.is_empty() { "" } else { there.as_str() };
                command = self.zlogin(&format!("cat > {there}{more}{target}"));
                command.stdin(file);
            }
            Direction::Up => {
                command = self.zlogin(&format!("cat {there}"));
                command.stdout(File::create(&copy.host).map_err(failed)?);
            }
        }
        let status = command.status().map_err(failed)?;
        match status.success() {
            true => Ok(()),
            false => Err(format!(
                "cannot copy `{host}` and `{}`: {status}",
                copy.testbed
            )),
        }
    }

    /// As a tar stream from the one side to the other.
    fn copy_folder(&self, copy: &Copy) -> Result<(), String> {
        let there = word(&copy.testbed);
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(&copy.host);
        let (mut from, mut to) = match copy.direction {
            Direction::Down => {
                tar.args(["-c", "-f", "-", "."]).stdin(Stdio::null());
                let into = format!("mkdir -p {there} && tar -C {there} -x -f - --no-same-owner");
                (tar, self.zlogin(&into))
            }
            Direction::Up => {
                fs::create_dir_all(&copy.host)
                    .map_err(|error| format!("`{}`: {error}", copy.host.display()))?;
                tar.args(["-x", "-f", "-", "--no-same-owner"]);
                (self.zlogin(&format!("tar -C {there} -c -f - .")), tar)
            }
        };
        let failed = |error: std::io::Error| format!("cannot copy `{}`: {error}", copy.testbed);
        let mut sender = from.stdout(Stdio::piped()).spawn().map_err(failed)?;
        if let Some(pipe) = sender.stdout.take() {
            to.stdin(pipe);
        }
        let received = to.status();
        // The pipe's end of this process must be gone, or a sender would wait for ever.
        drop(to);
        let sent = sender.wait().map_err(failed)?;
        let received = received.map_err(failed)?;
        match sent.success() && received.success() {
            true => Ok(()),
            false => Err(format!(
                "cannot copy `{}`: {sent}, {received}",
                copy.testbed
            )),
        }
    }
}

impl Testbed for Zones {
    fn open(&mut self) -> Result<String, String> {
        let path = self.zones.join(self.zone.as_str());
        let commands = format!(
            "create -b; set brand={}; set zonepath={}; {}",
            self.brand,
            path.display(),
            network::words(self.network, std::process::id().into())
        );
        self.verb("zonecfg", &[&commands])?;
        let snapshot = self.origin.snapshot.as_deref();
        let snapshot = snapshot.map_or(vec![], |name| vec!["-s", name]);
        let words = [&["clone"], &snapshot[..], &[self.origin.zone.as_str()]].concat();
        self.verb("zoneadm", &words)?;
        self.start()?;
        self.inside(&format!("mkdir -p {SCRATCH} && chmod 1777 {SCRATCH}"))?;
        Ok(SCRATCH.to_owned())
    }

    fn reboot(&mut self, who: Who) -> Result<(), String> {
        match who {
            Who::Server => {
                self.verb("zoneadm", &["reboot"])?;
                self.inside(SETTLE)
            }
            Who::Test => {
                let before = self.init();
                self.inside(&format!("rm -f {PREPARED}"))?;
                self.rebooted(before)
            }
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.clear(&self.zone)
    }

    fn execute(&self) -> Vec<String> {
        let program = self.program.display().to_string();
        let mut words = vec![program, super::NAME.to_owned()];
        if !self.layout.is_host() {
            words.extend(["-R".to_owned(), self.layout.prefix().display().to_string()]);
        }
        words.extend(["--execute".to_owned(), self.zone.to_string()]);
        words
    }

    fn copy(&mut self, copy: &Copy) -> Result<(), String> {
        match copy.kind {
            Kind::File => self.copy_file(copy),
            Kind::Folder => self.copy_folder(copy),
        }
    }
}

/// A word for the shell.
fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Words as one line for the shell, which takes it apart into the same words.
pub(super) fn line(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|text| word(text)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        let words = ["printf", "%s,", "a b", "it's", "$HOME", "", "x\ny"];
        let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
        let said = Command::new("/bin/sh").args(["-c", &line(&words)]).output();
        assert_eq!(said.unwrap().stdout, b"a b,it's,$HOME,,x\ny,");
    }
}
