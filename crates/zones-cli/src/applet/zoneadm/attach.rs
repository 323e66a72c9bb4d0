//! `zoneadm detach`, `zoneadm attach`: a zone leaves a host with its files, and comes to one.

use std::io::Read as _;
use std::path::Path;

use zones_brand::{Hook, HookEnd, sparse};
use zones_config::ZoneConfig;
use zones_engine::{Hooks, chain};
use zones_image::{Image, Wanted};
use zones_ips::Stem;
use zones_solver::Operation;
use zones_store::{Layout, atomic, read_document, write_document};
use zones_types::{Verb, Verdict, ZoneState, judge};

use super::base::same;
use super::{Target, hooks, storage, uninstall, verify};
use crate::applet::pkg;
use crate::report::{FAILURE, OK, USAGE, fail, fail_zone};

/// What a detached zone leaves beside its root.
pub(super) const DETACHED: &str = "SUNWdetached.xml";
/// The brand whose packages are brought in step.
const BRAND: &str = "ipkg";

pub(super) fn detach(target: &Target<'_>, args: &[String]) -> u8 {
    let hooks = Hooks::load(target.layout, &target.zone, true).ok();
    let has_hook = |hook| hooks.as_ref().is_some_and(|it: &Hooks| it.has(hook));
    let is_trial = args.iter().any(|word| word == "-n");
    let operands: Vec<String> = args.iter().filter(|it| *it != "-n").cloned().collect();
    if !operands.is_empty() && !has_hook(Hook::Detach) && !has_hook(Hook::Predetach) {
        eprintln!("usage:\tdetach [-n]");
        return USAGE;
    }
    // The description can be had in any state.
    if let (false, Verdict::Refuse(refusal)) = (is_trial, judge(target.state, Verb::Detach)) {
        return fail_zone(&target.zone, refusal);
    }
    let run = || -> Result<(), String> {
        let _lock = match is_trial {
            true => target.lock()?,
            false => target.lock_for(Verb::Detach)?,
        };
        let mut config = target.config()?;
        match same::of(target.layout, &config) {
            Ok(Some(base)) => same::describe(&mut config, &base),
            Ok(None) => {}
            // It may leave without; attach then cannot tell.
            Err(text) => eprintln!("zone '{}': WARNING: {text}", target.zone),
        }
        let text = write_document(&config);
        if is_trial {
            print!("{text}");
            return Ok(());
        }
        let zonepath = config.zonepath.ok_or("zonepath not specified")?;
        let root = zonepath.root();
        let mounted = uninstall::mounts_below(&root);
        if !mounted.is_empty() {
            let list = mounted.join("\n");
            let root = root.display();
            return Err(format!(
                "these file systems are mounted on subdirectories of {root}; unmount them:\n{list}"
            ));
        }
        for hook in [Hook::Predetach, Hook::Detach] {
            demand(hooks.as_ref(), hook, &operands)?;
        }
        let path = zonepath.as_path().join(DETACHED);
        atomic::write(&path, text.as_bytes(), 0o600).map_err(|error| chain(&error))?;
        let done = target.store.set_state(&target.zone, ZoneState::Configured);
        done.map(drop).map_err(|error| chain(&error))
    };
    run().map_or_else(|text| fail_zone(&target.zone, text), |()| OK)
}

/// Runs a hook of the brand, if there is one; it must end well.
fn demand(loaded: Option<&Hooks>, hook: Hook, operands: &[String]) -> Result<(), String> {
    let Some(loaded) = loaded else { return Ok(()) };
    match hooks::run(loaded, hook, operands, &mut hooks::print)? {
        None | Some(HookEnd::Done) => Ok(()),
        Some(end) => Err(hooks::failed(hook, end)),
    }
}

/// What the command line of attach asks for.
#[derive(Default)]
struct Wish {
    is_forced: bool,
    is_update: bool,
    manifest: Option<String>,
    /// What goes to the hooks of the brand.
    operands: Vec<String>,
}

/// `has_hook`: what nobody here knows is for the brand.
fn parse(args: &[String], has_hook: bool) -> Option<Wish> {
    let mut wish = Wish::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-F" => wish.is_forced = true,
            "-u" | "-U" => wish.is_update = true,
            "-n" => wish.manifest = Some(words.next()?.clone()),
            _ if has_hook => wish.operands.push(word.clone()),
            _ => return None,
        }
    }
    Some(wish)
}

pub(super) fn attach(target: &Target<'_>, args: &[String]) -> u8 {
    let hooks = Hooks::load(target.layout, &target.zone, true).ok();
    let has_hook = |hook| hooks.as_ref().is_some_and(|it: &Hooks| it.has(hook));
    let Some(wish) = parse(args, has_hook(Hook::Attach) || has_hook(Hook::Postattach)) else {
        eprintln!("usage:\tattach [-F] [-n PATH] [-u | -U] [brand-specific args]");
        return USAGE;
    };
    match &wish.manifest {
        Some(_) if wish.is_forced => {
            return fail("zoneadm", "-F and -n flags are mutually exclusive");
        }
        Some(path) => return trial(target.layout, path),
        None => {}
    }
    if let Verdict::Refuse(refusal) = judge(target.state, Verb::Attach) {
        return fail_zone(&target.zone, refusal);
    }
    if let Err(status) = verify::before(target, "attach", args) {
        return status;
    }
    match really(target, &wish, hooks.as_ref()) {
        Ok(()) => OK,
        Err(text) if text.is_empty() => FAILURE,
        Err(text) => fail_zone(&target.zone, text),
    }
}

/// `attach -n` without more: the zone of a description need not be configured here. `None` for any
/// other line.
pub(super) fn dry_run(layout: &Layout, args: &[String]) -> Option<u8> {
    match args {
        [flag, path] if flag == "-n" => Some(trial(layout, path)),
        _ => None,
    }
}

/// `-n`: whether the zone of this manifest could be attached.
fn trial(layout: &Layout, path: &str) -> u8 {
    let mut text = String::new();
    let read = match path {
        "-" => std::io::stdin().read_to_string(&mut text).map(drop),
        _ => std::fs::read_to_string(path).map(|it| text = it),
    };
    if let Err(error) = read {
        return fail("zoneadm", format!("cannot read `{path}`: {error}"));
    }
    match read_document(&text) {
        Ok(config) => match own_base(layout, &config, &config) {
            Ok(()) => OK,
            Err(text) => fail("zoneadm", text),
        },
        Err(_) if path == "-" => fail("zoneadm", "Input is not a valid XML file"),
        Err(_) => fail("zoneadm", format!("{path} is not an XML file")),
    }
}

/// Whether a zone finds the base that it had where it was detached.
fn own_base(layout: &Layout, config: &ZoneConfig, described: &ZoneConfig) -> Result<(), String> {
    let theirs = same::described(described).filter(|_| sparse::is_sparse(config));
    let Some(theirs) = theirs else { return Ok(()) };
    match same::difference(layout, config, &theirs, ("detached", "attach"))? {
        Some(text) => Err(text),
        None => Ok(()),
    }
}

/// What the zone left beside its root when it was detached; one that came without has nothing to
/// hold against.
fn description(zonepath: &Path) -> Result<Option<ZoneConfig>, String> {
    let path = zonepath.join(DETACHED);
    let Some(text) = atomic::read(&path).map_err(|error| chain(&error))? else {
        return Ok(None);
    };
    let read = read_document(&text);
    let read = read.map_err(|error| format!("{}: {error}", path.display()));
    read.map(Some)
}

fn really(target: &Target<'_>, wish: &Wish, hooks: Option<&Hooks>) -> Result<(), String> {
    // -F: no hook is asked.
    let hooks = hooks.filter(|_| !wish.is_forced);
    let _lock = target.lock_for(Verb::Attach)?;
    let config = target.config()?;
    let zonepath = config.zonepath.clone().ok_or("zonepath not specified")?;
    let root = zonepath.root();
    if !root.is_dir() {
        let root = root.display();
        return Err(format!(
            "there is no root at {root}; put the files of the zone there first"
        ));
    }
    if sparse::is_sparse(&config)
        && !wish.is_forced
        && let Some(described) = description(zonepath.as_path())?
    {
        own_base(target.layout, &config, &described)?;
    }
    let is_ours = config.brand_or_default().as_str() == BRAND;
    if is_ours && !wish.is_forced {
        line("Attach Path", &root.display().to_string());
        let done = packages(target, wish, &root);
        let word = if done.is_ok() { "Succeeded" } else { "Failed" };
        line("Result", &format!("Attach {word}."));
        done?;
    }
    demand(hooks, Hook::Attach, &wish.operands)?;
    storage::limit(&config, zonepath.as_path())?;
    let set = target.store.set_state(&target.zone, ZoneState::Installed);
    set.map_err(|error| chain(&error))?;
    if let Err(text) = demand(hooks, Hook::Postattach, &wish.operands) {
        let back = target.store.set_state(&target.zone, ZoneState::Configured);
        back.map_err(|error| chain(&error))?;
        return Err(text);
    }
    let detached = zonepath.as_path().join(DETACHED);
    atomic::remove(&detached).map_err(|error| chain(&error))
}

fn line(label: &str, text: &str) {
    println!("{label:>26}: {text}");
}

/// Brings the packages of the zone in step with those of this host, or says that they are not.
fn packages(target: &Target<'_>, wish: &Wish, root: &Path) -> Result<(), String> {
    let words = ["zoneadm", "-z", target.zone.as_str(), "attach"].map(str::to_owned);
    let client = pkg::client(target.layout, &words);
    let global = zones_brand::create_global(target.layout, client.clone());
    let global = global.map_err(|error| chain(&error))?;
    let image = zones_brand::open_zone(target.layout, &target.zone, root, client);
    let mut image = image.map_err(|error| chain(&error))?;
    pkg::owner::warn_of_strangers(&image);
    let lock = image.lock().map_err(|error| chain(&error))?;
    line("Global zone version", &version(&global));
    line("Non-Global zone version", &version(&image));
    line(
        "Cache",
        &format!("Using {}.", image.cache_folder().display()),
    );
    let name = zones_brand::ipkg::link_name(&target.zone);
    // Where it came from has no say any more.
    let linked = image.attach(&global, &name, "push", true);
    if let Err(error) = linked {
        line("Evaluation", "The zone is not linked to the global zone:");
        println!("{error}");
        return match wish.is_update {
            true => Err(String::new()),
            false => image.detach_if_linked().map_err(|error| chain(&error)),
        };
    }
    let mut wanted = Wanted::new(Operation::Sync);
    wanted.is_offline = !wish.is_update;
    let tracker = pkg::Tracker::new(false);
    let planned = image.plan("attach", wanted, &|event| {
        if wish.is_update {
            tracker.tell(event);
        }
    });
    tracker.planned();
    match planned {
        Ok(planned) if planned.is_empty() => Ok(()),
        Ok(planned) if wish.is_update => {
            println!("  Updating non-global zone: Output follows");
            let done = image.execute(&planned, &lock, &|event| tracker.tell(event));
            tracker.end();
            done.map_err(|error| chain(&error))?;
            println!("  Updating non-global zone: Zone updated.");
            Ok(())
        }
        Err(error) if wish.is_update => Err(chain(&error)),
        _ => {
            let zone = &target.zone;
            line(
                "Evaluation",
                &format!(
                    "Packages in zone {zone} are out of sync with the global zone. To proceed, \
                     retry with the -u flag."
                ),
            );
            Err(String::new())
        }
    }
}

/// The version of the incorporation, by which all others are known.
fn version(image: &Image) -> String {
    let find = || {
        let stem: Stem = zones_brand::ipkg::INCORPORATION.parse().ok()?;
        let installed = image.installed().ok()?;
        Some(
            installed
                .get(&stem)?
                .clone()
                .without_publisher()
                .to_string(),
        )
    };
    find().unwrap_or_else(|| "no 'entire' incorporation".to_owned())
}
