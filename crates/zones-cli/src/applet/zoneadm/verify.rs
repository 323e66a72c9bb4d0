//! `zoneadm verify`, and the same checks before install, ready, boot and reboot.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use zones_brand::sparse::{Bases, Look};
use zones_brand::{BrandPrivilege as PrivilegeOf, Hook, HookEnd, PrivilegeSet, sparse};
use zones_config::{IpType, ZoneConfig};
use zones_engine::Hooks;
use zones_types::ZoneState;

use super::{Target, hooks, snapshot, storage};
use crate::report::{FAILURE, OK, fail};

/// What stands in the way, and what is only worth knowing.
#[derive(Default)]
struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
}

pub(super) fn run(target: &Target<'_>, args: &[String]) -> u8 {
    if !args.is_empty() {
        eprintln!("usage:\tverify");
        return crate::report::USAGE;
    }
    match check(target, "verify", args) {
        Ok(()) => OK,
        Err(status) => status,
    }
}

/// The checks, as a part of `verb`; repairs owner and mode of the zonepath on the way.
pub(super) fn before(target: &Target<'_>, verb: &str, args: &[String]) -> Result<(), u8> {
    check(target, verb, args)
}

/// Index and document must say the same before anything is done by either of them.
pub(super) fn files_agree(target: &Target<'_>) -> Result<(), u8> {
    match target.store.disagreements(&target.zone) {
        Ok(found) if found.is_empty() => Ok(()),
        Ok(found) => {
            found.iter().for_each(|text| eprintln!("{text}"));
            eprintln!("zoneadm: zone {} failed to verify", target.zone);
            Err(FAILURE)
        }
        Err(error) => Err(fail(
            "zoneadm",
            format!("{}: {}", target.zone, zones_engine::chain(&error)),
        )),
    }
}

fn check(target: &Target<'_>, verb: &str, args: &[String]) -> Result<(), u8> {
    files_agree(target)?;
    let config = match zones_engine::load(target.layout, &target.zone) {
        Ok(config) => config,
        Err(error) => {
            return Err(fail(
                "zoneadm",
                format!("{}: {}", target.zone, error.chain()),
            ));
        }
    };
    let mut findings = Findings::default();
    zonepath(target, &config, verb, &mut findings);
    let path_failed = !findings.errors.is_empty();
    filesystems(&config, &mut findings);
    base(target, &config, verb, &mut findings);
    datasets(target, &config, &mut findings);
    findings.errors.extend(storage::wrong(&config));
    let schedule = snapshot::wrong_schedule(&config);
    findings
        .warnings
        .extend(schedule.map(|text| format!("WARNING: {text}")));
    // A boot that lacks a link says so itself.
    if !matches!(verb, "boot" | "ready") {
        network(&config, &mut findings);
    }
    brand(target, &config, verb, args, &mut findings);
    for warning in &findings.warnings {
        eprintln!("{warning}");
    }
    if findings.errors.is_empty() {
        return Ok(());
    }
    for error in &findings.errors {
        eprintln!("{error}");
    }
    if path_failed && let Some(path) = &config.zonepath {
        eprintln!("could not verify zonepath {path} because of the above errors.");
    }
    eprintln!("zoneadm: zone {} failed to verify", target.zone);
    Err(FAILURE)
}

/// The base of a sparse zone. The installation may name another one or bring one along, and says so
/// itself; the boot looks at the files of the base.
fn base(target: &Target<'_>, config: &ZoneConfig, verb: &str, findings: &mut Findings) {
    if !sparse::is_sparse(config) || verb == "install" {
        return;
    }
    let bases = Bases::open(target.layout.bases());
    let mut found = sparse::shared(config, &bases).map(drop);
    if verb == "verify" && found.is_ok() {
        found = bases.check(sparse::base_of(config), Look::Stamps).map(drop);
    }
    let Err(error) = found else {
        return;
    };
    let text = zones_engine::chain(&error);
    match target.state {
        ZoneState::Configured => findings.warnings.push(format!("WARNING: {text}")),
        _ => findings.errors.push(text),
    }
}

/// Datasets that the zone administers itself: each is there, and nobody else has it now.
fn datasets(target: &Target<'_>, config: &ZoneConfig, findings: &mut Findings) {
    if config.datasets.is_empty() {
        return;
    }
    if !zones_storage::has_zfs() {
        let text = "WARNING: this host has no ZFS: dataset resources are not enforced";
        findings.warnings.push(text.to_owned());
        return;
    }
    for dataset in &config.datasets {
        let name = &dataset.name;
        if let Err(error) = zones_storage::check_dataset(name) {
            let why = zones_engine::chain(&error);
            let text = format!("could not verify zfs dataset {name}: {why}");
            findings.errors.push(text);
        }
    }
    for other in target.store.list().unwrap_or_default() {
        let is_up = zones_engine::active(target.layout, &other.name).is_some();
        if other.name == target.zone || !is_up {
            continue;
        }
        let theirs = zones_engine::load(target.layout, &other.name);
        let theirs = theirs.map(|it| it.datasets).unwrap_or_default();
        for name in config.datasets.iter().map(|it| &it.name) {
            if theirs.iter().any(|it| lie_together(&it.name, name)) {
                let other = &other.name;
                let text = format!("zfs dataset {name} is in use by zone {other}; halt it first");
                findings.errors.push(text);
            }
        }
    }
}

/// Whether one dataset is the other, or lies in it.
fn lie_together(one: &str, other: &str) -> bool {
    let below = |one: &str, other: &str| {
        let rest = one.strip_prefix(other);
        rest.is_some_and(|it| it.is_empty() || it.starts_with('/'))
    };
    below(one, other) || below(other, one)
}

fn zonepath(target: &Target<'_>, config: &ZoneConfig, verb: &str, findings: &mut Findings) {
    let Some(zonepath) = &config.zonepath else {
        findings.errors.push("zonepath not specified".to_owned());
        return;
    };
    overlaps(target, zonepath, findings);
    let path = zonepath.as_path();
    // A dataset that the host has not mounted, say.
    if target.state != ZoneState::Configured
        && !zonepath.root().exists()
        && let Err(error) = zones_storage::find_home(path)
    {
        findings.errors.push(zones_engine::chain(&error));
    }
    if let Ok(real) = std::fs::canonicalize(path)
        && real != path
    {
        findings
            .errors
            .push(format!("zoneadm: {zonepath}: Resolved path mismatch"));
        return;
    }
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if target.state == ZoneState::Configured {
                if verb == "verify" {
                    let text = format!(
                        "WARNING: {zonepath} does not exist, so it could not be verified.\nWhen 'zoneadm install' is run, \
                         'install' will try to create\n{zonepath}, and 'verify' will be tried again,\nbut the 'verify' may \
                         fail if:\nthe parent directory of {zonepath} is group- or other-writable\nor\n{zonepath} overlaps with \
                         any other installed zones."
                    );
                    findings.warnings.push(text);
                }
            } else {
                findings
                    .errors
                    .push(format!("could not access {zonepath}: {error}"));
            }
        }
        Err(error) => findings
            .errors
            .push(format!("could not access {zonepath}: {error}")),
        Ok(meta) if !meta.is_dir() => findings
            .errors
            .push(format!("{zonepath} is not a directory.")),
        Ok(meta) => {
            owner_and_mode(path, &meta, verb, findings);
            root(target, &zonepath.root(), verb, findings);
        }
    }
    if let Some(parent) = path.parent() {
        parent_mode(parent, findings);
    }
}

fn overlaps(target: &Target<'_>, zonepath: &zones_types::ZonePath, findings: &mut Findings) {
    for other in target.store.list().unwrap_or_default() {
        if other.name == target.zone || other.state == ZoneState::Configured {
            continue;
        }
        if let Some(path) = other.zonepath()
            && path.overlaps(zonepath)
        {
            let (zone, other) = (&target.zone, &other.name);
            findings.errors.push(format!(
                "{zone} zonepath ({zonepath}) and {other} zonepath ({path}) overlap."
            ));
        }
    }
}

fn owner_and_mode(path: &Path, meta: &std::fs::Metadata, verb: &str, findings: &mut Findings) {
    let shown = path.display();
    if meta.uid() != 0 {
        if verb == "verify" {
            findings
                .errors
                .push(format!("{shown} is not owned by root."));
        } else {
            findings
                .warnings
                .push(format!("{shown}: changing owner to root."));
            if let Err(error) = std::os::unix::fs::chown(path, Some(0), Some(0)) {
                findings.errors.push(format!("{shown}: {error}"));
            }
        }
    }
    let mode = meta.permissions().mode() & 0o777;
    if mode == 0o700 {
        return;
    }
    if verb == "verify" {
        findings
            .errors
            .extend(wrong_bits(mode).map(|text| format!("{shown} {text}")));
    } else {
        findings
            .warnings
            .push(format!("{shown}: changing permissions to 0700."));
        if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)) {
            findings.errors.push(format!("{shown}: {error}"));
        }
    }
}

/// One line for each bit that should be otherwise.
fn wrong_bits(mode: u32) -> impl Iterator<Item = String> {
    const NAMES: [&str; 3] = ["readable", "writable", "executable"];
    let must = (0..3)
        .filter(move |bit| mode & (0o400 >> bit) == 0)
        .map(|bit| format!("must be owner {}.", NAMES[bit]));
    let classes = [("group", 0o040), ("world", 0o004)];
    let must_not = classes.into_iter().flat_map(move |(class, first)| {
        (0..3)
            .filter(move |bit| mode & (first >> bit) != 0)
            .map(move |bit| format!("must not be {class} {}.", NAMES[bit]))
    });
    must.chain(must_not)
}

fn root(target: &Target<'_>, root: &Path, verb: &str, findings: &mut Findings) {
    let Ok(meta) = std::fs::symlink_metadata(root) else {
        if matches!(target.state, ZoneState::Installed) {
            findings.errors.push(format!(
                "could not access {}: it does not exist",
                root.display()
            ));
        }
        return;
    };
    let shown = root.display();
    if target.state == ZoneState::Configured {
        if verb != "attach" && root.with_file_name("SUNWdetached.xml").exists() {
            findings.errors.push(format!(
                "Cannot {verb} detached zone.\nUse attach or remove {shown} directory."
            ));
            return;
        }
        if matches!(verb, "install" | "clone") {
            findings.errors.push(format!(
                "{shown} exists already; remove it or use another zonepath."
            ));
        }
    }
    if !meta.is_dir() {
        findings.errors.push(format!("{shown} is not a directory."));
    } else if mode_of(root).is_some_and(|mode| mode & 0o777 != 0o755) {
        findings.errors.push(format!("{shown} mode is not 0755."));
    }
}

/// The mode of the zone's root as the zone sees it.
fn mode_of(root: &Path) -> Option<u32> {
    let tree = zones_storage::look(root).ok()?;
    Some(tree.lstat(Path::new("/")).ok()?.st_mode)
}

fn parent_mode(parent: &Path, findings: &mut Findings) {
    let Ok(meta) = std::fs::metadata(parent) else {
        return;
    };
    let shown = parent.display();
    if meta.uid() != 0 {
        findings
            .errors
            .push(format!("{shown} is not owned by root."));
    }
    // A sticky folder keeps strangers from renaming what is not theirs.
    let mode = meta.permissions().mode();
    if mode & 0o1000 == 0 {
        for (bit, class) in [(0o020, "group"), (0o002, "world")] {
            if mode & bit != 0 {
                findings
                    .errors
                    .push(format!("{shown} must not be {class} writable."));
            }
        }
    }
}

fn filesystems(config: &ZoneConfig, findings: &mut Findings) {
    const REFUSED: [&str; 6] = ["proc", "sysfs", "nfs", "autofs", "cgroup", "cgroup2"];
    for fs in &config.filesystems {
        if REFUSED.contains(&fs.fs_type.as_str()) {
            findings.errors.push(format!(
                "cannot verify fs {}: type {} is not allowed.",
                fs.dir, fs.fs_type
            ));
        } else if fs.fs_type == "lofs"
            && let Err(error) = std::fs::metadata(&fs.special)
        {
            findings.errors.push(format!(
                "could not verify fs {}: could not access {}: {error}",
                fs.dir, fs.special
            ));
        }
    }
}

/// A missing link may come before the zone boots.
fn network(config: &ZoneConfig, findings: &mut Findings) {
    for net in &config.nets {
        let shared = config.ip_type == IpType::Shared;
        let lower = match (shared, net.global_nic.as_str()) {
            (true, "") => &net.physical,
            (false, "") => continue,
            (_, _) => &net.global_nic,
        };
        let made = lower == zones_engine::DEFAULT_BRIDGE;
        if !made && !Path::new("/sys/class/net").join(lower).exists() {
            findings.warnings.push(format!(
                "WARNING: could not verify net physical={}\n\tnetwork interface {lower} is not plumbed in the global zone",
                net.physical
            ));
        }
    }
}

/// What the brand says: its hook `verify_adm`, and the privileges that its zones must (not) have.
fn brand(
    target: &Target<'_>,
    config: &ZoneConfig,
    verb: &str,
    args: &[String],
    findings: &mut Findings,
) {
    if config.brand.is_none() {
        return findings.errors.push("brand not specified".to_owned());
    }
    let hooks = match Hooks::of(target.layout, config, crate::env::lock_is_held()) {
        Ok(hooks) => hooks,
        Err(error) => {
            return findings.errors.push(format!(
                "zoneadm: zone '{}': missing or invalid brand: {}",
                target.zone,
                error.chain()
            ));
        }
    };
    privileges(config, &hooks, findings);
    if findings.errors.is_empty() {
        let words: Vec<String> = [verb.to_owned()].into_iter().chain(args.to_vec()).collect();
        match hooks::run(&hooks, Hook::VerifyAdm, &words, &mut hooks::print) {
            Ok(None | Some(HookEnd::Done)) => {}
            Ok(Some(end)) => findings.errors.push(hooks::failed(Hook::VerifyAdm, end)),
            Err(error) => findings.errors.push(error),
        }
    }
}

/// Source: zonecfg(8), "limitpriv": a name adds, `!` or `-` before it takes away.
fn privileges(config: &ZoneConfig, hooks: &Hooks, findings: &mut Findings) {
    let names: Vec<&str> = config.limitpriv.split(',').map(str::trim).collect();
    let mine = hooks.brand().privileges.iter().filter(|privilege| {
        privilege
            .ip_type
            .is_none_or(|ip_type| ip_type == config.ip_type)
    });
    for PrivilegeOf { set, name, .. } in mine {
        let bare = name.trim_start_matches("priv_");
        let is = |sign: &str| {
            let signed = names.iter().filter_map(|word| word.strip_prefix(sign));
            signed
                .map(|word| word.trim_start_matches("priv_"))
                .any(|word| word == bare)
        };
        match set {
            PrivilegeSet::Prohibited if is("") => findings.errors.push(format!(
                "privilege \"{name}\" is not permitted within the zone's privilege set"
            )),
            PrivilegeSet::Required if is("!") || is("-") => findings.errors.push(format!(
                "required privilege \"{name}\" is missing from the zone's privilege set"
            )),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lie_together;

    #[test]
    fn datasets_overlap_by_names() {
        for (one, other, wanted) in [
            ("tank/a", "tank/a", true),
            ("tank/a", "tank/a/b", true),
            ("tank", "tank/a", true),
            ("tank/a", "tank/ab", false),
            ("tank/a", "tank/b", false),
        ] {
            assert_eq!(lie_together(one, other), wanted, "{one} {other}");
            assert_eq!(lie_together(other, one), wanted, "{other} {one}");
        }
    }
}
