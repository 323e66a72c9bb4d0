//! `beadm mount`, `beadm unmount`: a look into another boot environment.

use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags};

use zones_storage::View;

use super::{Call, Outcome, Stop};

pub(super) fn mount(call: &mut Call) -> Outcome {
    let (name, place) = call.words()?;
    if !call.environments.all().iter().any(|it| it.name == name) {
        let text = format!("{name} does not exist or appears not to be a BE; see: beadm list");
        return Err(Stop::Failed(text));
    }
    if name == call.environments.active() {
        let text = format!("BE {name} is active; use zlogin");
        return Err(Stop::Failed(text));
    }
    if let Some(old) = of(call, &name) {
        return Err(Stop::Failed(format!(
            "BE {name} is mounted at {old} already"
        )));
    }
    let place = std::path::absolute(&place).map_err(|error| failed("mount at", &place, error))?;
    let shown = place.display().to_string();
    std::fs::create_dir_all(&place).map_err(|error| failed("make", &shown, error))?;
    let source = call.environments.path(&name);
    let bind = MountFlags::BIND;
    let view = zones_storage::view(&source).map_err(|it| Stop::Failed(zones_engine::chain(&it)))?;
    view.mount_at(&place)
        .map_err(|it| failed("mount at", &shown, it))?;
    // Nothing of a zone becomes a privileged program or a device of the host.
    let safe = bind | MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount_remount(&place, safe, c"").map_err(|error| {
        let _ = rustix::mount::unmount(&place, UnmountFlags::DETACH);
        failed("mount at", &shown, error)
    })
}

pub(super) fn unmount(call: &mut Call) -> Outcome {
    let name = call.word()?;
    let Some(place) = of(call, &name) else {
        return Err(Stop::Failed(format!("BE {name} is not mounted")));
    };
    let flags = match call.given.has("f") {
        true => UnmountFlags::DETACH,
        false => UnmountFlags::NOFOLLOW,
    };
    rustix::mount::unmount(place.as_str(), flags).map_err(|it| failed("unmount", &place, it))
}

fn failed(what: &str, place: &str, error: impl std::fmt::Display) -> Stop {
    Stop::Failed(format!("cannot {what} `{place}`: {error}"))
}

/// Where an environment is mounted, from the kernel's own table.
pub(super) fn of(call: &Call, name: &str) -> Option<String> {
    if name == call.environments.active() {
        return None;
    }
    let path = call.zonepath.as_path().join("be").join(name);
    let own = identity(&path)?;
    let view = zones_storage::view(&path).ok()?;
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let plain = |text: &str| text.replace("\\040", " ").replace("\\011", "\t");
    let mut places = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, place) = (fields.next()?, plain(fields.next()?));
        let (kind, source) = line.split_once(" - ")?.1.split_once(' ')?;
        let source = plain(source.split(' ').next()?);
        let is_view = match &view {
            View::Plain(_) => false,
            // An overlay that has the path for its source.
            View::Layers(_) => kind == "overlay" && Path::new(&source) == path,
            View::Dataset(dataset) => kind == "zfs" && source == dataset.name,
        };
        let is_folder =
            || root.ends_with(&format!("/be/{name}")) && identity(Path::new(&place)) == Some(own);
        (is_view || is_folder()).then_some(place)
    });
    places.next()
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}
