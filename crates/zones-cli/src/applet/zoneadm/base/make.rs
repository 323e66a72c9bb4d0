//! `zoneadm base create`: of a zone, or of a zone that is installed for this and goes again.

use zones_brand::sparse::{self, Base, Bases};
use zones_config::{Attr, AttrType, ZoneConfig};
use zones_engine::chain;
use zones_storage::Snapshots;
use zones_store::{Layout, Store};
use zones_types::{Bytes, Shift, ZoneName, ZoneState};

use super::super::{Target, install, snapshot, target_of, uninstall};
use super::Failure;
use crate::progress::Waiting;
use crate::report::OK;

/// The attr of a zone that is there to become a base; its value is the name of the base.
const MARK: &str = "base-in-the-making";
/// Begins the name of such a zone.
const ZONE: &str = "base-";

/// Takes away what is left of commands that were killed, and says so.
pub(super) fn repair(layout: &Layout, store: &Store, bases: &Bases) {
    let mut cleaned = bases.repair();
    for entry in store.list().unwrap_or_default() {
        let config = match entry.name.as_str().starts_with(ZONE) {
            true => zones_engine::load(layout, &entry.name).ok(),
            false => None,
        };
        let name = config.as_ref().and_then(|it| it.attr(MARK));
        let lock = name.map(|name| bases.try_lock(name));
        let (Some(name), Some(Ok(Some(_lock)))) = (name, lock) else {
            continue;
        };
        if remove(layout, store, &entry.name).is_ok() && !cleaned.iter().any(|it| it == name) {
            cleaned.push(name.to_owned());
        }
    }
    for name in cleaned {
        eprintln!("base {name}: a command was interrupted; what it left half done is cleaned up");
    }
}

/// The zone that becomes a base goes, whatever it has.
fn remove(layout: &Layout, store: &Store, zone: &ZoneName) -> Result<(), String> {
    let Ok(target) = target_of(layout, store, zone, "uninstall") else {
        return Err(format!("cannot look at zone {zone}"));
    };
    let is_gone = match target.state {
        ZoneState::Configured => true,
        _ => uninstall::run(&target, &["-F".to_owned()]) == OK,
    };
    if !is_gone {
        return Err(format!(
            "zone {zone} was only there to become a base and cannot be removed; `zoneadm -z {zone} \
             uninstall -F` says why"
        ));
    }
    store.delete(zone).map_err(|error| chain(&error))
}

/// `ZONE`, halted, or `ZONE@SNAPSHOT`.
pub(super) fn of_zone(
    layout: &Layout,
    store: &Store,
    (bases, name): (&Bases, &str),
    source: &str,
) -> Result<(), Failure> {
    let (zone, snapshot) = match source.split_once('@') {
        Some((zone, snapshot)) => (zone, Some(snapshot)),
        None => (source, None),
    };
    let unknown = |_| format!("{zone}: No such zone configured");
    let zone: ZoneName = zone.parse().map_err(unknown)?;
    let known = store.get(&zone).map_err(|error| chain(&error))?;
    let entry = known.ok_or_else(|| format!("{zone}: No such zone configured"))?;
    if entry.state != ZoneState::Installed {
        let text = format!("zone {zone} is {}; installed is required.", entry.state);
        return Err(text.into());
    }
    let target =
        target_of(layout, store, &zone, "copy").map_err(|_| format!("zone {zone}: see above"))?;
    // Before that of the base, as those take them that install a zone on a base.
    let _zone = target.lock()?;
    let root = match snapshot {
        None if zones_engine::active(layout, &zone).is_some() => {
            let text = format!(
                "zone {zone} is {}; halt it, or name a snapshot",
                target.state
            );
            return Err(text.into());
        }
        None => target.zonepath()?.root(),
        Some(snapshot) => {
            let all = Snapshots::open(target.zonepath()?.as_path());
            let all = all.map_err(|error| chain(&error))?;
            all.find(snapshot).map_err(|error| chain(&error))?;
            all.path(snapshot)
        }
    };
    if sparse::is_sparse(&target.config()?) {
        let text = format!("zone {zone} has a base itself and is only the rest of a system");
        return Err(text.into());
    }
    let lock = bases.lock(name).map_err(|error| chain(&error))?;
    let made = copy((bases, name, &lock), (&root, &zone), source)?;
    tell(&made);
    Ok(())
}

/// Installs a zone of a brand, with the options of that, and makes the base of it.
pub(super) fn of_brand(
    layout: &Layout,
    store: &Store,
    (bases, name): (&Bases, &str),
    (brand, args): (&str, &[String]),
) -> Result<(), Failure> {
    if brand == sparse::BRAND {
        return Err("a base is a whole system; a zone of brand sparse is none"
            .to_owned()
            .into());
    }
    if args.iter().any(|it| it == "-c") {
        let text = "settings for a first boot are for zones: zoneadm install -c";
        return Err(text.to_owned().into());
    }
    let lock = bases.lock(name).map_err(|error| chain(&error))?;
    if bases.root(name).is_ok() {
        let text = format!("there is a base `{name}` already; choose another name");
        return Err(text.into());
    }
    let zone: ZoneName = format!("{ZONE}{name}")
        .parse()
        .map_err(|error| chain(&error))?;
    if store.get(&zone).map_err(|error| chain(&error))?.is_some() {
        let text = format!("there is a zone {zone}; choose another name for the base");
        return Err(text.into());
    }
    let attr = |name: &str, value: &str| Attr {
        name: name.to_owned(),
        attr_type: AttrType::String,
        value: value.to_owned(),
    };
    let zonepath = layout.bases().join(format!(".zone-{name}"));
    let zonepath = zonepath.display().to_string();
    let config = ZoneConfig {
        zonepath: Some(zonepath.parse().map_err(|error| chain(&error))?),
        brand: Some(brand.parse().map_err(|error| chain(&error))?),
        attrs: vec![attr(MARK, name)],
        ..ZoneConfig::blank(zone.clone())
    };
    store.save(&config).map_err(|error| chain(&error))?;
    let source = [&[brand.to_owned()], args].concat().join(" ");
    let made = install_and_copy(layout, store, (bases, name, &lock), &zone, &source, args);
    let removed = remove(layout, store, &zone);
    let base = made?;
    removed?;
    tell(&base);
    Ok(())
}

type Place<'a> = (&'a Bases, &'a str, &'a sparse::BaseLock);

fn install_and_copy(
    layout: &Layout,
    store: &Store,
    place: Place<'_>,
    zone: &ZoneName,
    source: &str,
    args: &[String],
) -> Result<Base, String> {
    let target = || -> Result<Target<'_>, String> {
        let target = target_of(layout, store, zone, "install");
        target.map_err(|_| format!("zone {zone} cannot be used"))
    };
    let status = install::run_as(&target()?, args, install::Advice::None);
    if status != OK {
        return Err(format!(
            "base {}: nothing was made, because its files could not be installed",
            place.1
        ));
    }
    let root = target()?.zonepath()?.root();
    copy(place, (&root, zone), source)
}

fn copy(
    (bases, name, lock): Place<'_>,
    (root, zone): (&std::path::Path, &ZoneName),
    source: &str,
) -> Result<Base, String> {
    let files = zones_storage::look(root).map_err(|error| chain(&error))?;
    let top = files.lstat(std::path::Path::new("/"));
    if top.is_ok_and(|it| Shift::base_of(it.st_uid) != 0) {
        return Err(format!(
            "the owners of zone {zone} are shifted on disk, since this file system maps none; make \
             the base on one that does"
        ));
    }
    let progress = Waiting::new(None);
    let made = sparse::make_of_zone(
        bases,
        (name, lock),
        (&files, zone.as_str()),
        (source, snapshot::now()),
        &progress,
    );
    made.map_err(|error| chain(&error))
}

fn tell(base: &Base) {
    let (name, files, sha256) = (&base.name, base.files, &base.sha256);
    let size = Bytes(base.bytes);
    println!("base {name}: {files} files, {size}, sha256 {sha256}");
}
