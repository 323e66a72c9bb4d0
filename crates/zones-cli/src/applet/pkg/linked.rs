//! Linked images: children whose packages a parent constrains.

use std::path::{Path, PathBuf};

use zones_image::{Image, Planned, Wanted, check_name};
use zones_solver::Operation;

use super::change::{operate, run};
use super::text::Table;
use super::{Call, Outcome, Stop, failed, usage};
use crate::report::OK;

/// A child is not in step with its parent.
const DIVERGED: u8 = 52;
/// The image has no parent.
const NO_PARENT: u8 = 53;

/// Planned operations of the children of an image.
pub(super) struct Below;

/// The children of an image.
pub(super) struct Children;

impl Children {
    pub(super) fn of(_: &Call<'_>, _: &Image) -> Result<Self, Stop> {
        Ok(Self)
    }

    pub(super) fn plan(&self, _: &Call<'_>, _: &Image, _: &Planned) -> Result<Below, Stop> {
        Ok(Below)
    }
}

impl Below {
    pub(super) fn is_empty(&self) -> bool {
        true
    }

    pub(super) fn carry_out(self, _: &Call<'_>, _: &Image) -> Outcome {
        Ok(OK)
    }
}

pub(super) fn attach(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    let [name, folder] = words.operands.as_slice() else {
        return Err(usage("a name and the folder of an image are required"));
    };
    check_name(name)?;
    let other = std::path::absolute(Path::new(folder)).map_err(failed)?;
    if !words.has("parent") {
        return Err(usage("either -p (parent) or -c (child) must be specified"));
    }
    let parent = Image::open(&other, call.client.clone())?;
    let (mut image, lock) = call.locked()?;
    image.attach(
        &parent,
        name,
        "pull",
        words.has("force") || words.has("allow-relink"),
    )?;
    if words.has("linked-md-only") {
        return Ok(OK);
    }
    operate(call, &mut image, &lock, Wanted::new(Operation::Sync)).map(|_| OK)
}

pub(super) fn detach(call: &Call<'_>) -> Outcome {
    let (image, _lock) = call.locked()?;
    image.detach()?;
    Ok(OK)
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let image = call.image()?;
    let Some(link) = image.link()? else {
        return Ok(OK);
    };
    let mut table = Table::new(&["NAME", "RELATIONSHIP", "PATH"], &[]);
    if let Some(parent) = &link.parent {
        table.row(["-".to_owned(), "parent".to_owned(), parent.clone()]);
    }
    table.row([link.name, "self".to_owned(), link.path]);
    table.print(call)?;
    Ok(OK)
}

pub(super) fn properties(call: &Call<'_>) -> Outcome {
    let Some(link) = call.image()?.link()? else {
        return Err(Stop::Failed(
            "the image is no linked child".to_owned(),
            NO_PARENT,
        ));
    };
    let mut table = Table::new(&["PROPERTY", "VALUE"], &[]);
    let rows = [
        ("li-model", Some(link.model)),
        ("li-name", Some(link.name)),
        ("li-parent", link.parent),
        ("li-path", Some(link.path)),
    ];
    for (name, value) in rows {
        if let Some(value) = value {
            table.row([name.to_owned(), value]);
        }
    }
    table.print(call)?;
    Ok(OK)
}

pub(super) fn audit(call: &Call<'_>) -> Outcome {
    let image = call.image()?;
    if image.link()?.is_none() {
        return Err(Stop::Failed(
            "the image is no linked child".to_owned(),
            NO_PARENT,
        ));
    }
    let planned = image.plan("audit-linked", Wanted::new(Operation::Sync), &|_| {});
    match planned {
        Ok(planned) if planned.is_empty() => Ok(OK),
        _ => Err(Stop::Said(DIVERGED)),
    }
}

pub(super) fn sync(call: &Call<'_>) -> Outcome {
    let image = call.image()?;
    let Some(link) = image.link()? else {
        return Err(Stop::Failed(
            "the image is no linked child".to_owned(),
            NO_PARENT,
        ));
    };
    if let Some(parent) = &link.parent
        && !call.words.has("no-parent-sync")
        && let Ok(parent) = Image::open(&PathBuf::from(parent), call.client.clone())
    {
        image.refresh_link(&parent)?;
    }
    run(call, Wanted::new(Operation::Sync))
}
