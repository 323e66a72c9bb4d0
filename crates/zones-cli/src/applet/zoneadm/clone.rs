//! `zoneadm clone`: a zone with the files of another one. Source: zoneadm(8), "clone".
//!
//! The state is `incomplete` from before the first file until the last one is there; whatever dies
//! meanwhile, `uninstall` removes what was made.

mod both;

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zones_brand::{Hook, HookEnd, Installer, SysConfig, sparse};
use zones_config::ZoneConfig;
use zones_engine::{Hooks, chain};
use zones_image::ImageError;
use zones_storage::{Copied, DriverKind, Snapshots};
use zones_store::{Lock, journal};
use zones_types::{Verb, Verdict, ZoneName, ZonePath, ZoneState, judge};

use super::{Target, hooks, install, run as verbs, storage, target_of, uninstall, verify};
use crate::applet::pkg;
use crate::progress::Waiting;
use crate::report::{OK, fail_zone};
pub(super) use both::warnings as in_both;

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    /// `-m copy`: files of its own.
    is_copy: bool,
    /// `-s`: of how the source was.
    snapshot: Option<String>,
    /// `-X`: the identity of the source stays.
    keeps_identity: bool,
    /// `-c`: settings for the first boot.
    sysconfig: Option<PathBuf>,
    source: String,
    /// What goes to the hook of the brand.
    operands: Vec<String>,
}

/// `has_hook`: options that nobody here knows are for the brand.
fn parse(args: &[String], has_hook: bool) -> Result<Wish, String> {
    let mut wish = Wish::default();
    let mut words = args.iter();
    let mut plain = Vec::new();
    while let Some(word) = words.next() {
        let mut value = || {
            let next = words.next().cloned();
            next.ok_or_else(|| format!("{word} needs a value"))
        };
        match word.as_str() {
            "-m" => match value()?.as_str() {
                "copy" => wish.is_copy = true,
                other => return Err(format!("unknown method `{other}`; `copy` is the only one")),
            },
            // DATASET@NAME, @NAME and NAME are the same.
            "-s" => {
                let name = value()?;
                let name = name.rsplit('@').next().unwrap_or_default();
                wish.snapshot = Some(name.to_owned());
            }
            "-X" => wish.keeps_identity = true,
            "-c" => wish.sysconfig = Some(PathBuf::from(value()?)),
            option if option.starts_with('-') && !has_hook => {
                return Err(format!("unknown option `{option}`"));
            }
            _ => plain.push(word.clone()),
        }
    }
    wish.source = plain.pop().ok_or("the zone to clone is missing")?;
    if !has_hook && !plain.is_empty() {
        return Err(format!("`{}` is one word too many", plain[0]));
    }
    wish.operands = [wish.source.clone()].into_iter().chain(plain).collect();
    Ok(wish)
}

pub(super) fn run(target: &Target<'_>, args: &[String]) -> u8 {
    let hooks = match Hooks::load(target.layout, &target.zone, true) {
        Ok(hooks) => hooks,
        Err(error) => {
            let text = format!("missing or invalid brand: {}", error.chain());
            return fail_zone(&target.zone, text);
        }
    };
    let wish = match parse(args, hooks.has(Hook::Clone)) {
        Ok(wish) => wish,
        Err(text) => {
            eprintln!("zoneadm: clone: {text}");
            return verbs::bad_usage("clone");
        }
    };
    if let Verdict::Refuse(refusal) = judge(target.state, Verb::Clone) {
        return fail_zone(&target.zone, refusal);
    }
    let source = match source(target, &wish) {
        Ok(source) => source,
        Err(status) => return status,
    };
    if let Err(status) = verify::before(target, "clone", args) {
        return status;
    }
    let cloned = locks(target, &source).and_then(|_locks| {
        // Somebody else may have been faster while this one waited for the locks.
        let state = super::state_of(target.layout, &target.store, &target.zone)?;
        if let Verdict::Refuse(refusal) = judge(state.unwrap_or(target.state), Verb::Clone) {
            return Err(refusal.to_string());
        }
        Job::new(target, &source, &wish, hooks)?.run()
    });
    cloned.map_or_else(|text| fail_zone(&target.zone, text), |()| OK)
}

/// The zone that is cloned: installed, halted unless a snapshot of it is named, of the same brand.
fn source<'a>(target: &Target<'a>, wish: &Wish) -> Result<Target<'a>, u8> {
    let name = &wish.source;
    let unknown = |_| crate::report::fail("zoneadm", format!("{name}: No such zone configured"));
    let zone = name.parse().map_err(unknown)?;
    let source = target_of(target.layout, &target.store, &zone, "clone")?;
    if zone == target.zone {
        return Err(fail_zone(&zone, "cannot be a clone of itself."));
    }
    let is_up = source.state.is_active();
    if is_up && wish.snapshot.is_none() {
        return Err(fail_zone(
            &zone,
            "clone operation is invalid for running zones. Halt it first, or clone one of its \
             snapshots: clone -s.",
        ));
    }
    if !is_up && source.state != ZoneState::Installed {
        let text = format!("zone {zone} is {}; installed is required.", source.state);
        return Err(crate::report::fail("zoneadm", text));
    }
    let failed = |text: String| fail_zone(&target.zone, text);
    let (one, other) = (
        source.config().map_err(failed)?,
        target.config().map_err(failed)?,
    );
    if one.brand_or_default() != other.brand_or_default() {
        let text = format!(
            "Zones '{zone}' and '{}' have different brand types.",
            target.zone
        );
        return Err(crate::report::fail("zoneadm", text));
    }
    share(&target.zone, &one, &other).map_err(failed)?;
    both::warnings(&one, &other)
        .iter()
        .for_each(|text| eprintln!("{text}"));
    Ok(source)
}

/// Both have the same folders of the same base, or none: the files that are cloned are the rest.
fn share(zone: &ZoneName, one: &ZoneConfig, other: &ZoneConfig) -> Result<(), String> {
    if !sparse::is_sparse(one) {
        return Ok(());
    }
    let (base, theirs) = (sparse::base_of(other), sparse::base_of(one));
    if other.attr("base").is_some() && base != theirs {
        return Err(format!(
            "attr base is `{base}`, that of zone {} is `{theirs}`; remove it: zonecfg -z {zone} \
             remove attr name=base",
            one.name
        ));
    }
    if one.inherit_pkg_dirs != other.inherit_pkg_dirs {
        return Err(format!(
            "shares other folders than zone {}; have the same inherit-pkg-dir resources in both",
            one.name
        ));
    }
    Ok(())
}

/// Of both zones, in the order of their names, so that two clones never wait for each other.
fn locks(target: &Target<'_>, source: &Target<'_>) -> Result<Vec<Lock>, String> {
    let mut both = [target, source];
    both.sort_by_key(|it| &it.zone);
    let mut locks = Vec::new();
    for one in both {
        // A hook that clones has the lock of its own zone only.
        let is_held = crate::env::lock_is_held() && one.zone == target.zone;
        if !is_held {
            let lock = Lock::zone(one.layout, &one.zone);
            locks.push(lock.map_err(|error| chain(&error))?);
        }
    }
    Ok(locks)
}

/// How a clone fails.
enum Failure {
    /// Nothing of it stays.
    BackOut(String),
    /// A hook may have left things that only it knows: the zone stays incomplete.
    Stay(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::BackOut(text)
    }
}

struct Job<'a> {
    target: &'a Target<'a>,
    source: &'a Target<'a>,
    wish: &'a Wish,
    hooks: Hooks,
    source_hooks: Hooks,
    zonepath: ZonePath,
    from: ZonePath,
    sysconfig: Option<SysConfig>,
}

impl<'a> Job<'a> {
    /// Checks all that can be checked before anything is changed.
    fn new(
        target: &'a Target<'a>,
        source: &'a Target<'a>,
        wish: &'a Wish,
        hooks: Hooks,
    ) -> Result<Self, String> {
        let sysconfig = wish.sysconfig.as_deref().map(install::read_sysconfig);
        let source_hooks = Hooks::load(source.layout, &source.zone, true);
        let job = Self {
            target,
            source,
            wish,
            hooks,
            source_hooks: source_hooks.map_err(|error| error.chain())?,
            zonepath: target.zonepath()?,
            from: source.zonepath()?,
            sysconfig: sysconfig.transpose()?,
        };
        if !job.hooks.has(Hook::Clone) {
            job.root_of_source()?;
        }
        Ok(job)
    }

    fn run(&self) -> Result<(), String> {
        let (layout, zone, store) = (self.target.layout, &self.target.zone, &self.target.store);
        let note = [
            ("zonepath", self.zonepath.as_str()),
            ("source", &self.wish.source),
        ];
        journal::begin(layout, zone, "clone", &note).map_err(|error| chain(&error))?;
        let incomplete = store.set_state(zone, ZoneState::Incomplete);
        incomplete.map_err(|error| chain(&error))?;
        match self.fill() {
            Ok(()) => {}
            Err(Failure::BackOut(text)) => return Err(self.back_out(text)),
            Err(Failure::Stay(text)) => {
                let remedy = "The zone is incomplete: `zoneadm uninstall` cleans it up.";
                return Err(format!("{text}\n{remedy}"));
            }
        }
        let installed = store.set_state(zone, ZoneState::Installed);
        installed.map_err(|error| chain(&error))?;
        let source = self.wish.source.as_str();
        zones_engine::note_event(layout, zone, "clone", &[("source", source)]);
        journal::end(layout, zone).map_err(|error| chain(&error))
    }

    fn back_out(&self, text: String) -> String {
        let (layout, zone, store) = (self.target.layout, &self.target.zone, &self.target.store);
        if let Err(more) = uninstall::remove_files(layout, self.zonepath.as_path()) {
            return format!(
                "{text}\nIts files could not be removed ({more}); the zone is incomplete, use \
                 `zoneadm uninstall`."
            );
        }
        let undone = store.set_state(zone, ZoneState::Configured).map(drop);
        match undone.and_then(|()| journal::end(layout, zone)) {
            Ok(()) => text,
            Err(error) => format!("{text}\nThe zone is incomplete: {}", chain(&error)),
        }
    }

    fn fill(&self) -> Result<(), Failure> {
        make_zonepath(self.zonepath.as_path())?;
        let config = self.source.config()?;
        if sparse::is_sparse(&config) {
            install::note_base(self.target, sparse::base_of(&config))?;
        }
        if self.hooks.has(Hook::Clone) {
            self.own_hook(Hook::Clone)?;
        } else {
            self.copy()?;
            let root = self.zonepath.root();
            // Opened for each step: layers are mounted once at a time.
            let open = || zones_storage::open(&root).map_err(|error| chain(&error));
            if !self.wish.keeps_identity {
                let identity = &self.hooks.brand().identity;
                let names = (self.source.zone.as_str(), self.target.zone.as_str());
                let renewed = identity.renew(&open()?, names.0, names.1);
                renewed.map_err(|error| chain(&error))?;
            }
            self.relink(&root)?;
            if let Some(settings) = &self.sysconfig {
                settings.apply(&open()?).map_err(|error| chain(&error))?;
            }
        }
        self.own_hook(Hook::Postclone)?;
        let settled = zones_engine::settle_owners(self.target.layout, &self.target.zone, false);
        settled.map(drop).map_err(|error| error.chain().into())
    }

    /// An image that is a child of the global image is its child by the name of its zone.
    fn relink(&self, root: &Path) -> Result<(), String> {
        if self.hooks.brand().installer != Installer::Ipkg {
            return Ok(());
        }
        let (layout, zone) = (self.target.layout, &self.target.zone);
        let words = ["zoneadm", "-z", zone.as_str(), "clone"].map(str::to_owned);
        let client = pkg::client(layout, &words);
        let relinked = || -> Result<(), ImageError> {
            zones_brand::copy_sources(layout, &self.source.zone, zone)?;
            let image = zones_brand::open_zone(layout, zone, root, client.clone())?;
            let global = zones_brand::open_global(layout, client)?;
            if let (Some(link), Some(global)) = (image.link()?, global) {
                let name = zones_brand::ipkg::link_name(zone);
                image.attach(&global, &name, &link.model, true)?;
            }
            Ok(())
        };
        relinked().map_err(|error| chain(&error))
    }

    /// Statuses: brands(7).
    fn own_hook(&self, hook: Hook) -> Result<(), Failure> {
        let end = hooks::run(&self.hooks, hook, &self.wish.operands, &mut hooks::print)?;
        match end {
            None | Some(HookEnd::Done) => Ok(()),
            Some(end @ (HookEnd::Usage | HookEnd::NotComplete)) => {
                Err(Failure::BackOut(hooks::failed(hook, end)))
            }
            Some(end) => Err(Failure::Stay(hooks::failed(hook, end))),
        }
    }

    fn source_hook(&self, hook: Hook, operands: &[String]) -> Result<(), String> {
        match hooks::run(&self.source_hooks, hook, operands, &mut hooks::print)? {
            None | Some(HookEnd::Done) => Ok(()),
            Some(end) => Err(hooks::failed(hook, end)),
        }
    }

    /// The root that is copied.
    fn root_of_source(&self) -> Result<PathBuf, String> {
        let Some(name) = &self.wish.snapshot else {
            return Ok(self.from.root());
        };
        let snapshots = Snapshots::open(self.from.as_path()).map_err(|error| chain(&error))?;
        snapshots.find(name).map_err(|error| chain(&error))?;
        Ok(snapshots.path(name))
    }

    fn copy(&self) -> Result<(), String> {
        let from = self.root_of_source()?;
        match &self.wish.snapshot {
            Some(name) => {
                let operands = [name.clone(), from.display().to_string()];
                self.source_hook(Hook::Validatesnap, &operands)?;
            }
            None => self.source_hook(Hook::Presnap, &[])?,
        }
        let driver = storage::choose(self.target, self.zonepath.as_path())?;
        let waiting = Waiting::new(Some(format!("Copying {}...", self.from)));
        let root = self.zonepath.root();
        let copied = match self.wish.is_copy {
            true => zones_storage::copy_files(&*driver, &from, &root, &waiting),
            false => {
                let guard = zones_storage::guard(&from).map_err(|error| chain(&error))?;
                driver.copy(&from, &root, guard.is_none(), &waiting)
            }
        };
        let copied = copied.map_err(|error| chain(&error));
        if self.wish.snapshot.is_none() {
            self.source_hook(Hook::Postsnap, &[])?;
            let is_up = zones_engine::active(self.source.layout, &self.source.zone).is_some();
            if is_up && matches!(copied, Ok(Copied::Files(_))) {
                let source = &self.source.zone;
                return Err(format!("zone '{source}' was booted while it was copied"));
            }
        }
        let copied = copied?;
        storage::limit(&self.target.config()?, self.zonepath.as_path())?;
        match copied {
            Copied::Files(_) => {}
            Copied::Snapshot => {
                match &self.wish.snapshot {
                    Some(name) => println!("Cloning snapshot {}@{name}", self.from),
                    None => println!("Cloning {}", self.from),
                }
                let kind = mechanism(driver.kind());
                println!("Instead of copying, {kind} clone has been created for this zone.");
            }
        }
        Ok(())
    }
}

/// With its article.
fn mechanism(kind: DriverKind) -> String {
    match kind.as_str() {
        "zfs" => "a ZFS".to_owned(),
        name if name.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {name}"),
        name => format!("a {name}"),
    }
}

/// Makes the folders above a zonepath, mode 0755.
pub(super) fn make_above(path: &Path) -> Result<(), String> {
    let parent = path.parent().unwrap_or(path);
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o755).create(parent);
    made.map_err(|error| format!("cannot create `{}`: {error}", parent.display()))
}

/// The folder of a zone, nobody else's to look into.
pub(super) fn make_zonepath(path: &Path) -> Result<(), String> {
    let text = |error: std::io::Error| format!("cannot create `{}`: {error}", path.display());
    make_above(path)?;
    zones_storage::make_home(path).map_err(|error| chain(&error))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(line: &str, has_hook: bool) -> Result<Wish, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(&words, has_hook)
    }

    #[test]
    fn the_command_line_is_understood() {
        for name in ["tank/zones/web1@SUNWzone1", "@SUNWzone1", "SUNWzone1"] {
            let wish = wish(&format!("-m copy -s {name} -X web1"), false).unwrap();
            assert_eq!(wish.snapshot.as_deref(), Some("SUNWzone1"));
            assert!(wish.is_copy && wish.keeps_identity);
            assert_eq!(wish.source, "web1");
        }
        for bad in ["-m move web1", "-m", "-s", "-z web1", "web1 web2"] {
            assert!(wish(bad, false).is_err(), "{bad}");
        }
        let wish = wish("-z web0 web1", true).unwrap();
        assert_eq!(wish.operands, ["web1", "-z", "web0"]);
    }
}
