//! Boot environments around operations on the image of a zone. Source: pkg(1), be-policy.
//!
//! A new environment is a copy that the operation is carried out in, active from the next boot of
//! the zone on. A backup environment is a copy of how things were. By default an update makes a
//! backup; `be-policy` and options of the command say otherwise.

use zones_archive::Silent;
use zones_engine::chain;
use zones_image::{Image, ImageError, RECORDS_ONLY};
use zones_storage::Environments;
use zones_store::{Layout, Lock, Store, journal};
use zones_types::{ZoneName, ZoneState};

use super::owner::zone_of;
use super::{Call, Stop, failed};
use crate::applet::zoneadm;

/// What is made around an operation.
pub(super) enum Kind {
    /// Nothing.
    None,
    /// A copy of how things were.
    Backup(Option<String>),
    /// A copy that the operation works in.
    New(Option<String>),
}

/// A new environment. It goes with this, unless the operation in it succeeded.
pub(super) struct Made {
    layout: Layout,
    zone: ZoneName,
    environments: Environments,
    name: String,
    old: String,
    is_kept: bool,
    _lock: Lock,
}

/// What the command line and the image ask for.
pub(super) fn kind(call: &Call<'_>, image: &Image, is_changed: bool) -> Result<Kind, Stop> {
    let words = &call.words;
    let name = |option: &str| words.value(option).map(str::to_owned);
    let policy = image.settings.property("be-policy");
    let is_new = words.has("require-new-be") || words.has("be-name") || policy == "always-new";
    let is_asked_backup = words.has("require-backup-be") || words.has("backup-be-name");
    let is_asked = words.has("require-new-be") || words.has("be-name") || is_asked_backup;
    if zone_of(call.layout, image.path()).is_none() {
        if image.owner().is_some() {
            // Another environment than the active one, as it should be.
            return Ok(Kind::None);
        }
        // The global image holds no files; what was asked for is for the zones below it.
        return match is_asked && !image.settings.is(RECORDS_ONLY) {
            true => Err(failed(format!(
                "'{}' is no root of a zone: boot environments are for zones",
                image.path().display()
            ))),
            false => Ok(Kind::None),
        };
    }
    if !is_changed {
        return Ok(Kind::None);
    }
    if is_new && words.has("deny-new-be") {
        let text = "a new boot environment is required by be-policy and denied by --deny-new-be";
        return Err(Stop::Failed(text.to_owned(), 5));
    }
    if is_new {
        return Ok(Kind::New(name("be-name")));
    }
    let by_policy = match policy {
        "create-backup" => true,
        "when-required" => false,
        _ => matches!(call.name, "update" | "sync-linked"),
    };
    match is_asked_backup || (by_policy && !words.has("no-backup-be")) {
        true => Ok(Kind::Backup(name("backup-be-name"))),
        false => Ok(Kind::None),
    }
}

fn open(call: &Call<'_>, image: &Image) -> Result<(Environments, ZoneName, Lock), Stop> {
    let found = zone_of(call.layout, image.path());
    let (zone, path) = found.ok_or_else(|| failed("the zone is gone"))?;
    let store = Store::open(call.layout.clone());
    zoneadm::repair(call.layout, &store, &zone, zoneadm::PKG).map_err(failed)?;
    let lock = Lock::try_zone(call.layout, &zone).map_err(|error| failed(chain(&error)))?;
    let lock = lock.ok_or_else(|| {
        failed(format!(
            "zone '{zone}': another zoneadm may have an operation in progress."
        ))
    })?;
    let environments = Environments::open(path.as_path());
    let environments = environments.map_err(|error| failed(chain(&error)))?;
    let environments = environments.of_running(zones_engine::active(call.layout, &zone).is_some());
    Ok((environments, zone, lock))
}

/// Keeps how things are. Gives the name of the copy.
pub(super) fn backup(
    call: &Call<'_>,
    image: &mut Image,
    name: Option<String>,
) -> Result<String, Stop> {
    let (mut environments, _, _lock) = open(call, image)?;
    let base = format!("{}-backup", environments.active());
    let name = name.unwrap_or_else(|| environments.free_name(&base));
    copy(call, image, &mut environments, &name)?;
    Ok(name)
}

/// Copies the active environment; what runs in it stands still meanwhile.
fn copy(
    call: &Call<'_>,
    image: &mut Image,
    environments: &mut Environments,
    name: &str,
) -> Result<(), Stop> {
    let zone = zone_of(call.layout, image.path()).map(|(zone, _)| zone);
    let is_up = |zone: &ZoneName| {
        let state = zones_engine::active(call.layout, zone).map(|(state, _)| state);
        matches!(state, Some(ZoneState::Ready | ZoneState::Running))
    };
    let frozen = zone.as_ref().filter(|zone| is_up(zone));
    let frozen = frozen.map(|zone| zones_engine::freeze(call.layout, zone));
    let frozen = frozen.transpose().map_err(|error| failed(error.chain()))?;
    let active = environments.active().to_owned();
    // Making it may put layers in the place of the files.
    let step = |image: &Image| environments.create(name, &active, seconds(image), &Silent);
    let made = image.step_aside(step);
    if let Some(frozen) = frozen {
        frozen.thaw().map_err(|error| failed(error.chain()))?;
    }
    made?.map(drop).map_err(|error| failed(chain(&error)))
}

/// Makes the copy that an operation works in, and opens it.
pub(super) fn make(
    call: &Call<'_>,
    image: &mut Image,
    name: Option<String>,
) -> Result<(Image, Made), Stop> {
    let (mut environments, zone, lock) = open(call, image)?;
    let old = environments.active().to_owned();
    let name = name.unwrap_or_else(|| {
        let numbered = old.rsplit_once('-');
        let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
        let base = numbered.filter(|(_, it)| is_number(it));
        environments.free_name(base.map_or(&old, |(base, _)| base))
    });
    note(call.layout, &zone, &environments, &name)?;
    if let Err(stop) = copy(call, image, &mut environments, &name) {
        let _ = journal::end(call.layout, &zone);
        return Err(stop);
    }
    let path = environments.path(&name);
    let made = Made {
        layout: call.layout.clone(),
        zone,
        environments,
        name,
        old,
        is_kept: false,
        _lock: lock,
    };
    Ok((call.open(&path)?, made))
}

/// Notes which copy is to go, should this be killed before it is of use: not one that was there.
fn note(
    layout: &Layout,
    zone: &ZoneName,
    environments: &Environments,
    name: &str,
) -> Result<(), Stop> {
    let stop = |error: zones_store::StoreError| failed(chain(&error));
    let is_there = environments.all().iter().any(|it| it.name == name);
    if is_there || journal::read(layout, zone).map_err(stop)?.is_some() {
        return Ok(());
    }
    let fields = [(zoneadm::COPY, name)];
    journal::begin(layout, zone, zoneadm::PKG, &fields).map_err(stop)
}

/// The copy for an image that cannot be changed where it is: its zone runs, and its files lie in
/// layers. Fails for what is no zone.
pub(super) fn instead(call: &Call<'_>, mut image: Image) -> Result<(Image, Made), Stop> {
    if call.words.has("deny-new-be") {
        let why = ImageError::InUse(image.path().to_owned());
        return Err(Stop::Failed(
            format!("{why}; --deny-new-be forbids the copy"),
            5,
        ));
    }
    let name = call.words.value("be-name").map(str::to_owned);
    make(call, &mut image, name)
}

impl Made {
    /// The operation succeeded in the copy.
    pub(super) fn end(mut self, call: &Call<'_>) -> Result<(), Stop> {
        self.is_kept = true;
        let (old, new) = (&self.old, &self.name);
        if call.words.has("no-be-activate") {
            self.end_note()?;
            println!(
                "\nA clone of {old} exists and has been updated.  To set the\n\
                 new BE as the active one on next boot, execute the following\n\
                 command as a privileged user and reboot when ready to switch to\n\
                 the updated BE:\n\nbeadm activate {new}"
            );
            return Ok(());
        }
        let done = self.environments.activate(new);
        self.end_note()?;
        done.map_err(|error| failed(chain(&error)))?;
        println!(
            "\nA clone of {old} exists and has been updated and activated.\n\
             On the next boot the Boot Environment {new} will be\n\
             mounted on '/'.  Reboot when ready to switch to this updated BE.\n\n\
             *** Reboot required ***\nNew BE: {new}"
        );
        Ok(())
    }

    /// From here on the copy stays, whatever is killed.
    fn end_note(&self) -> Result<(), Stop> {
        let ended = match journal::read(&self.layout, &self.zone) {
            Ok(Some(note)) if note.verb == zoneadm::PKG => journal::end(&self.layout, &self.zone),
            _ => Ok(()),
        };
        ended.map_err(|error| failed(chain(&error)))
    }

    /// The operation failed in the copy, which goes; nobody has its files open.
    pub(super) fn back_out(self) {
        eprintln!(
            "The running system has not been modified. Modifications were only made to a \
             clone ({}) of the running system, which is removed.",
            self.name
        );
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        match self.environments.destroy(&self.name) {
            Ok(()) => drop(self.end_note()),
            Err(error) => eprintln!("pkg: boot environment {}: {}", self.name, chain(&error)),
        }
    }
}

fn seconds(image: &Image) -> i64 {
    image.now().second().unix_seconds()
}
