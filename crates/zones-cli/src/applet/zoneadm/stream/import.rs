//! `zoneadm import`: a zone, or what came after one of its snapshots, from a stream.

use std::fs::File;
use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zones_brand::sparse;
use zones_config::ZoneConfig;
use zones_engine::chain;
use zones_store::{Layout, Lock, Store, journal, read_document};
use zones_stream::{Header, Keep, Place, Received, Shared, StreamError, kept, receive};
use zones_types::{ZoneName, ZonePath, ZoneState};

use super::meter::{Meter, Patient};
use crate::applet::zoneadm::base::same;
use crate::applet::zoneadm::clone::in_both;
use crate::applet::zoneadm::{Target, state_of, storage, verify};
use crate::report::{FAILURE, OK, USAGE, fail, fail_zone};

/// What the command line asks for.
#[derive(Default)]
struct Wish {
    zonepath: Option<ZonePath>,
    is_resumable: bool,
    is_forced: bool,
    is_question: bool,
    file: Option<PathBuf>,
}

fn parse(args: &[String]) -> Result<Wish, String> {
    let mut wish = Wish::default();
    let mut words = args.iter();
    let mut has_file = false;
    while let Some(word) = words.next() {
        match word.as_str() {
            "-d" | "--zonepath" => {
                let path = words.next().ok_or_else(String::new)?;
                let parsed = path.parse();
                wish.zonepath = Some(parsed.map_err(|_| format!("'{path}' is no zonepath"))?);
            }
            "-r" => wish.is_resumable = true,
            "-F" => wish.is_forced = true,
            "-t" => wish.is_question = true,
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

pub(in crate::applet::zoneadm) fn import(
    layout: &Layout,
    store: &Store,
    zone: Option<&ZoneName>,
    args: &[String],
) -> u8 {
    let Some(zone) = zone else {
        return fail("zoneadm", "import needs the name of a zone: -z");
    };
    let wish = match parse(args) {
        Ok(wish) => wish,
        Err(text) if text.is_empty() => {
            eprintln!("usage:\timport [-d zonepath] [-r] [-F] [-t] [file | -]");
            return USAGE;
        }
        Err(text) => return fail_zone(zone, text),
    };
    if zone.is_global() || zone.is_reserved() {
        return fail_zone(zone, "import operation is invalid for this zone.");
    }
    if !rustix::process::geteuid().is_root() {
        return fail("zoneadm", "only a privileged user may import a zone.");
    }
    let _lock = match crate::env::lock_is_held() {
        true => None,
        false => match Lock::zone(layout, zone) {
            Ok(lock) => Some(lock),
            Err(error) => return fail_zone(zone, chain(&error)),
        },
    };
    let state = match state_of(layout, store, zone) {
        Ok(state) => state,
        Err(text) => return fail_zone(zone, text),
    };
    let job = Job {
        layout,
        store,
        zone,
        state,
        wish,
    };
    match job.run() {
        Ok(()) => OK,
        Err(text) if text.is_empty() => FAILURE,
        Err(text) => fail_zone(zone, text),
    }
}

struct Job<'a> {
    layout: &'a Layout,
    store: &'a Store,
    zone: &'a ZoneName,
    /// Nothing: the zone is not even configured.
    state: Option<ZoneState>,
    wish: Wish,
}

/// What the stream became before it was in place.
#[derive(Default)]
struct Begun {
    /// The configuration was made from the stream.
    is_configured: bool,
    /// The snapshot that it goes on from.
    base: Option<PathBuf>,
}

impl Job<'_> {
    fn run(&self) -> Result<(), String> {
        let zonepath = self.zonepath()?;
        if self.wish.is_question {
            let token = kept(zonepath.as_path()).map_err(|error| chain(&error))?;
            let token = token.ok_or("nothing is kept here of a stream that was cut")?;
            println!("{token}");
            return Ok(());
        }
        match self.state {
            None | Some(ZoneState::Configured | ZoneState::Installed) => {}
            Some(ZoneState::Incomplete) => {
                return Err("the zone is incomplete; zoneadm uninstall cleans it up".to_owned());
            }
            Some(_) => return Err("the zone is in use; halt it first".to_owned()),
        }
        let is_new_path = make_zonepath(zonepath.as_path())?;
        let mut begun = Begun::default();
        let done = self.take(&zonepath, &mut begun);
        let done = done.and_then(|received| self.put(&zonepath, received, &begun));
        if done.is_err() {
            self.back_out(&zonepath, is_new_path, &begun);
        }
        done
    }

    fn zonepath(&self) -> Result<ZonePath, String> {
        let entry = self.store.get(self.zone).map_err(|error| chain(&error))?;
        let known = entry.and_then(|entry| entry.zonepath());
        match (known, &self.wish.zonepath) {
            (Some(known), Some(wish)) if known != *wish => Err(format!(
                "its zonepath is {known}; leave -d out, or set another zonepath with zonecfg"
            )),
            (Some(known), _) => Ok(known),
            (None, Some(wish)) => Ok(wish.clone()),
            (None, None) => {
                Err("it is not configured here: say where its files go, with -d".to_owned())
            }
        }
    }

    fn take(&self, zonepath: &ZonePath, begun: &mut Begun) -> Result<Received, String> {
        let meter = Meter::new("Import");
        let from = Patient {
            from: open(self.wish.file.as_deref())?,
            meter: &meter,
        };
        let path = zonepath.as_path();
        let place = Place {
            zonepath: path,
            keep: match self.wish.is_resumable {
                true => Keep::Verified,
                false => Keep::Nothing,
            },
        };
        let accept = |header: &Header| {
            begun.base = self.accept(header, zonepath, &mut begun.is_configured)?;
            Ok(begun.base.clone())
        };
        let taken = receive(from, &place, accept, &meter);
        taken.map_err(|error| {
            let text = chain(&error);
            match kept(path) {
                Ok(Some(token)) if error.is_resumable() => format!(
                    "{text}\nWhat came is kept. To go on:\n\
                     zoneadm -z SOURCE export ... --resume {token} - | zoneadm -z {} import -r -",
                    self.zone
                ),
                _ => text,
            }
        })
    }

    /// Whether the stream is one for this zone, before anything is laid down.
    fn accept(
        &self,
        header: &Header,
        zonepath: &ZonePath,
        is_configured: &mut bool,
    ) -> Result<Option<PathBuf>, StreamError> {
        let unfit = |text: &str| Err(StreamError::Unfit(text.to_owned()));
        let is_installed = self.state == Some(ZoneState::Installed);
        match (header.base().is_some(), is_installed) {
            (true, false) => {
                return unfit(
                    "the stream goes on from a snapshot, and the zone is not installed here; \
                     import a whole stream first",
                );
            }
            (false, true) => {
                return unfit(
                    "the zone is installed already; uninstall it first, or import a stream that \
                     goes on from one of its snapshots: export -i",
                );
            }
            (true, true) => {
                self.accept_base(header.shared.as_ref(), &self.config()?)?;
                return header.find_base(zonepath.as_path());
            }
            (false, false) => {}
        }
        if zonepath.root().exists() {
            return unfit("there is a root at its zonepath already; attach it, or remove it");
        }
        let theirs = read_document(&header.configuration)
            .map_err(|error| StreamError::Malformed(format!("configuration: {error}")))?;
        let ours = match self.state {
            None => {
                let mut config = theirs.clone();
                config.name = self.zone.clone();
                config.zonepath = Some(zonepath.clone());
                config.uuid = String::new();
                let path = zonepath.as_path();
                if let Some(driver) = storage::forget_impossible(&mut config, path) {
                    eprintln!(
                        "zone '{}': WARNING: storage driver {driver} cannot work on the file \
                         system of `{zonepath}`; attr storage is left out",
                        self.zone
                    );
                }
                config
            }
            Some(_) => self.config()?,
        };
        self.accept_base(header.shared.as_ref(), &ours)?;
        if self.state.is_none() {
            self.store.save(&ours)?;
            *is_configured = true;
        }
        warn(&ours, &theirs);
        let target = self.target(ZoneState::Configured);
        // It has said why.
        let verified = verify::before(&target, "import", &[]);
        verified
            .map_err(|_| StreamError::Unfit(String::from("the zone cannot be imported here")))?;
        storage::choose(&target, zonepath.as_path()).map_err(StreamError::Unfit)?;
        Ok(None)
    }

    /// As it is configured here.
    fn config(&self) -> Result<ZoneConfig, StreamError> {
        let config = zones_engine::load(self.layout, self.zone);
        config.map_err(|error| StreamError::Unfit(error.chain()))
    }

    /// Whether the zone gets back the base that it had where it was exported.
    fn accept_base(&self, theirs: Option<&Shared>, config: &ZoneConfig) -> Result<(), StreamError> {
        let Some(theirs) = theirs else {
            return Ok(());
        };
        let unfit = |text: String| Err(StreamError::Unfit(text));
        if !sparse::is_sparse(config) {
            let brand = config.brand_or_default();
            return unfit(format!(
                "the stream holds what a sparse zone has beside base {} ({}); the zone is \
                 configured with brand {brand}",
                theirs.name, theirs.sha256
            ));
        }
        match same::difference(self.layout, config, theirs, ("exported", "import")) {
            Ok(Some(text)) if !self.wish.is_forced => unfit(text),
            Ok(_) => Ok(()),
            Err(text) => unfit(text),
        }
    }

    fn target(&self, state: ZoneState) -> Target<'_> {
        Target {
            layout: self.layout,
            store: self.store.clone(),
            zone: self.zone.clone(),
            state,
        }
    }

    /// Everything came and is right: now it becomes visible.
    fn put(&self, zonepath: &ZonePath, received: Received, begun: &Begun) -> Result<(), String> {
        let meter = Meter::new("Import");
        let (layout, zone) = (self.layout, self.zone);
        if let Some(base) = &begun.base {
            if !self.wish.is_forced {
                let first = received
                    .first_change(base, &meter)
                    .map_err(|error| chain(&error))?;
                if let Some(path) = first {
                    received.discard().map_err(|error| chain(&error))?;
                    return Err(format!(
                        "the zone has changed since that snapshot (`/{}`), which would be lost; \
                         take a snapshot of it, or import with -F",
                        path.display()
                    ));
                }
            }
            received.install(&meter).map_err(|error| chain(&error))?;
            return self.settle_owners();
        }
        journal::begin(layout, zone, "import", &[("zonepath", zonepath.as_str())])
            .map_err(|error| chain(&error))?;
        let set = |state| {
            self.store
                .set_state(zone, state)
                .map_err(|error| chain(&error))
        };
        set(ZoneState::Incomplete)?;
        let incomplete = |text: String| {
            format!("{text}\nThe zone is incomplete: `zoneadm uninstall` cleans it up.")
        };
        let installed = received.install(&meter);
        installed.map_err(|error| incomplete(chain(&error)))?;
        self.settle_owners().map_err(incomplete)?;
        set(ZoneState::Installed)?;
        journal::end(layout, zone).map_err(|error| chain(&error))
    }

    fn settle_owners(&self) -> Result<(), String> {
        let settled = zones_engine::settle_owners(self.layout, self.zone, true);
        settled.map(drop).map_err(|error| error.chain())
    }

    /// Nothing of it stays, unless it is to be gone on with.
    fn back_out(&self, zonepath: &ZonePath, is_new_path: bool, begun: &Begun) {
        let path = zonepath.as_path();
        let is_kept = matches!(kept(path), Ok(Some(_)));
        let is_incomplete = matches!(
            state_of(self.layout, self.store, self.zone),
            Ok(Some(ZoneState::Incomplete))
        );
        if is_kept || is_incomplete {
            return;
        }
        if begun.is_configured {
            let _ = self.store.delete(self.zone);
        }
        if is_new_path {
            // Only if nothing is in it.
            let _ = zones_storage::remove_home(path);
        }
    }
}

fn open(file: Option<&Path>) -> Result<File, String> {
    if let Some(path) = file {
        let name = path.display();
        return File::open(path).map_err(|error| format!("cannot open `{name}`: {error}"));
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err("a stream comes from no terminal; name a file, or use a pipe".to_owned());
    }
    let input = stdin.as_fd().try_clone_to_owned();
    let input = input.map_err(|error| format!("cannot use standard input: {error}"))?;
    Ok(File::from(input))
}

/// Makes the folder, mode 0700; whether it is new.
fn make_zonepath(path: &Path) -> Result<bool, String> {
    let failed = |error: std::io::Error| format!("cannot create `{}`: {error}", path.display());
    if path.is_dir() {
        return Ok(false);
    }
    if let Some(parent) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o755);
        builder.create(parent).map_err(failed)?;
    }
    zones_storage::make_home(path).map_err(|error| chain(&error))?;
    let mode = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(path, mode).map_err(failed)?;
    Ok(true)
}

/// What cannot be had twice while both zones run.
fn warn(ours: &ZoneConfig, theirs: &ZoneConfig) {
    let found = in_both(ours, theirs);
    found.iter().for_each(|text| eprintln!("{text}"));
}
