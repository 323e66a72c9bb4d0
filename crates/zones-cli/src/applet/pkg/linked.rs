//! Linked images: children whose packages a parent constrains. Zones are children of the global
//! image; other images are linked by `attach-linked`.

mod children;

use std::path::{Path, PathBuf};

use zones_image::{Image, ImageLock, Link, Wanted, check_name};
use zones_solver::Operation;
use zones_store::Layout;
use zones_types::ZoneName;

use super::change::{operate, run};
use super::owner;
use super::text::Table;
use super::{Call, NOTHING, Outcome, Stop, failed, usage};
use crate::report::OK;
use children::find;
pub(super) use children::{Child, Children};

/// A child is not in step with its parent.
const DIVERGED: u8 = 52;
/// The image has no parent.
const NO_PARENT: u8 = 53;

fn no_parent() -> Stop {
    let text = "the image is no linked child; see: pkg list-linked";
    Stop::Failed(text.to_owned(), NO_PARENT)
}

/// The children that the options name, of a call on their parent. None: the image itself is meant.
fn named(call: &Call<'_>, image: &Image) -> Result<Option<Vec<Child>>, Stop> {
    let words = &call.words;
    let all = find(call.layout, image)?;
    if words.has("name") {
        let one = |name: &str| {
            let found = all.iter().find(|it| it.name == name).cloned();
            found.ok_or_else(|| failed(format!("Unknown child linked image: {name}")))
        };
        return words
            .values("name")
            .map(one)
            .collect::<Result<_, _>>()
            .map(Some);
    }
    let is_parent = words.has("all") || (image.link()?.is_none() && !all.is_empty());
    Ok(is_parent.then_some(all))
}

pub(super) fn attach(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    let [name, folder] = words.operands.as_slice() else {
        return Err(usage("a name and the folder of an image are required"));
    };
    check_name(name)?;
    let other = std::path::absolute(Path::new(folder)).map_err(failed)?;
    if words.has("parent") == words.has("child") {
        return Err(usage("either -p (parent) or -c (child) must be specified"));
    }
    let is_forced = words.has("force") || words.has("allow-relink");
    let other = call.open(&other)?;
    let (mut image, lock) = call.locked()?;
    if words.has("parent") {
        image.attach(&other, name, "pull", is_forced)?;
        return first_sync(call, &mut image, &lock);
    }
    let mut child = other;
    let child_lock = child.lock()?;
    child.attach(&image, name, "push", is_forced)?;
    let status = first_sync(call, &mut child, &child_lock)?;
    if !name.starts_with("zone:") {
        let path = format!("{}/", child.path().display());
        let rows = [
            ("li-name", name.clone()),
            ("li-model", "push".to_owned()),
            ("li-path", path),
        ];
        let rows = rows.map(|(name, value)| (name.to_owned(), value));
        image.settings.linked.insert(name.clone(), rows.into());
        image.save()?;
    }
    Ok(status)
}

fn first_sync(call: &Call<'_>, image: &mut Image, lock: &ImageLock) -> Outcome {
    if call.words.has("linked-md-only") || call.words.has("no-pkg-updates") {
        return Ok(OK);
    }
    operate(call, image, lock, Wanted::new(Operation::Sync)).map(|_| OK)
}

pub(super) fn detach(call: &Call<'_>) -> Outcome {
    let (mut image, _lock) = call.locked()?;
    let Some(children) = named(call, &image)? else {
        image.detach()?;
        return Ok(OK);
    };
    for child in children {
        let other = owner::open(call.layout, &child.path, call.client.clone());
        match other.and_then(|it| it.lock().and_then(|_lock| it.detach())) {
            Ok(()) => {}
            // The parent forgets a child that is gone.
            Err(error) if !call.words.has("force") => return Err(error.into()),
            Err(error) => eprintln!("pkg detach-linked: {}: {error}", child.name),
        }
        if image.settings.linked.remove(&child.name).is_some() {
            image.save()?;
        }
    }
    Ok(OK)
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let image = call.image()?;
    let mut table = Table::new(&["NAME", "RELATIONSHIP", "PATH"], &[]);
    if let Some(link) = image.link()? {
        if let Some(parent) = &link.parent {
            table.row(["-".to_owned(), "parent".to_owned(), parent.clone()]);
        }
        table.row([link.name, "self".to_owned(), link.path]);
    }
    for child in find(call.layout, &image)? {
        let path = format!("{}/", child.path.display()).replace("//", "/");
        table.row([child.name, "child".to_owned(), path]);
    }
    if !table.is_empty() {
        table.print(call)?;
    }
    Ok(OK)
}

pub(super) fn properties(call: &Call<'_>) -> Outcome {
    let image = call.image()?;
    let link = match named(call, &image)? {
        Some(children) if call.words.has("name") => match children.first() {
            Some(child) => call.open(&child.path)?.link()?,
            None => None,
        },
        _ => image.link()?,
    };
    let link = link.ok_or_else(no_parent)?;
    let wanted = &call.words.operands;
    let mut table = Table::new(&["PROPERTY", "VALUE"], &[]);
    for (name, value) in rows(link) {
        if wanted.is_empty() || wanted.iter().any(|it| it == name) {
            table.row([name.to_owned(), value]);
        }
    }
    table.print(call)?;
    Ok(OK)
}

fn rows(link: Link) -> impl Iterator<Item = (&'static str, String)> {
    let rows = [
        ("li-model", Some(link.model)),
        ("li-name", Some(link.name)),
        ("li-parent", link.parent),
        ("li-path", Some(link.path)),
        ("li-recurse", Some("true".to_owned())),
    ];
    rows.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
}

/// Why a child is out of step with its parent; None when it is in step.
fn diverged(child: &Image, parent: Option<&Image>) -> Result<Option<String>, Stop> {
    let mut wanted = Wanted::new(Operation::Sync);
    wanted.is_offline = true;
    if let Some(parent) = parent {
        if let Err(error) = child.check_parent(parent) {
            return Ok(Some(error.to_string()));
        }
        wanted.parent = Some(parent.installed()?.iter().cloned().collect());
    }
    match child.plan("audit-linked", wanted, &|_| {}) {
        Ok(planned) if planned.is_empty() => Ok(None),
        Ok(planned) => {
            let changes = planned.plan.changes().iter();
            let names = changes.filter_map(|it| it.from.as_ref().or(it.to.as_ref()));
            let names: Vec<&str> = names.map(|it| it.stem().as_str()).collect();
            Ok(Some(format!("to be changed: {}", names.join(", "))))
        }
        Err(error) => Ok(Some(error.to_string())),
    }
}

/// Whether a zone is in step with the global image; None when it is not linked.
pub(crate) fn in_step(layout: &Layout, zone: &ZoneName, root: &Path) -> Option<bool> {
    let client = super::client(layout, &[]);
    let global = zones_brand::open_global(layout, client.clone()).ok()??;
    let image = zones_brand::open_zone(layout, zone, root, client).ok()?;
    let link = image.link().ok()??;
    let is_ours = link.name == zones_brand::ipkg::link_name(zone);
    let found = is_ours.then(|| diverged(&image, Some(&global)));
    found.map(|it| matches!(it, Ok(None)))
}

pub(super) fn audit(call: &Call<'_>) -> Outcome {
    let image = call.image()?;
    let Some(children) = named(call, &image)? else {
        let link = image.link()?.ok_or_else(no_parent)?;
        let parent = parent_of(call, &link);
        let why = diverged(&image, parent.as_ref())?;
        return Ok(said(&link.name, why));
    };
    let mut table = Table::new(&["NAME", "STATUS"], &[]);
    let mut status = OK;
    for child in children {
        let opened = call.open(&child.path)?;
        let why = diverged(&opened, Some(&image))?;
        let text = if why.is_some() { "diverged" } else { "synced" };
        table.row([child.name.clone(), text.to_owned()]);
        status = status.max(said(&child.name, why));
    }
    table.print(call)?;
    Ok(status)
}

fn said(name: &str, why: Option<String>) -> u8 {
    match why {
        None => OK,
        Some(why) => {
            let why = why.replace('\n', "\n  ");
            eprintln!("pkg audit-linked: {name} is out of step with its parent: {why}");
            DIVERGED
        }
    }
}

/// The parent of a pull child, if it can be reached and is wanted.
fn parent_of(call: &Call<'_>, link: &Link) -> Option<Image> {
    let path = link.parent.as_ref().map(PathBuf::from);
    let path = path.filter(|_| !call.words.has("no-parent-sync"))?;
    call.open(&path).ok()
}

pub(super) fn sync(call: &Call<'_>) -> Outcome {
    let image = call.image()?;
    let Some(children) = named(call, &image)? else {
        let link = image.link()?.ok_or_else(no_parent)?;
        if let Some(parent) = parent_of(call, &link) {
            image.refresh_link(&parent)?;
        }
        return run(call, Wanted::new(Operation::Sync));
    };
    let mut status = NOTHING;
    for child in children {
        let mut other = call.open(&child.path)?;
        let lock = other.lock()?;
        other.check_parent(&image)?;
        let mut wanted = Wanted::new(Operation::Sync);
        wanted.parent = Some(image.installed()?.iter().cloned().collect());
        println!("Linked image '{}':", child.name);
        let done = operate(call, &mut other, &lock, wanted)?;
        if !call.words.has("trial") {
            other.refresh_link(&image)?;
            if done != NOTHING {
                let _ = other.note_now(call.name);
            }
        }
        status = if done == NOTHING { status } else { done };
    }
    Ok(status)
}
