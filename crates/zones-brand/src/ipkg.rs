//! Zones from packages: an image in the root of the zone, linked to that of the host.
//!
//! Source: zoneadm(8) and the guide of the first OpenSolaris release for what is said, pkg(1) for
//! what is done.

use std::path::Path;

use zones_image::{Client, Create, Image, ImageError, Origin, PublisherSettings, Tell, Wanted};
use zones_ips::{Fmri, Pattern, Publisher, Stem};
use zones_solver::Operation;
use zones_store::Layout;
use zones_types::ZoneName;

use crate::global::create_global;
use crate::install::{Choices, InstallError};
use crate::sources::{self, forget_sources, note_sources};

/// Fixes the versions of all others.
pub const INCORPORATION: &str = "entire";
/// The group of what every zone has.
pub const CORE: &str = "system/core";

/// Where packages are installed, and with what.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// The zone.
    pub zone: &'a ZoneName,
    /// Its root, an empty folder.
    pub root: &'a Path,
    /// The host.
    pub layout: &'a Layout,
    /// The command.
    pub client: Client,
}

/// Takes lines for the user: label, text.
pub type Say<'a> = &'a dyn Fn(&str, &str);

/// How the image is linked to that of the host.
#[must_use]
pub fn link_name(zone: &ZoneName) -> String {
    format!("zone:{zone}")
}

/// Makes the image of a zone and installs it. Gives the number of packages.
///
/// # Errors
/// There is no publisher, or it has not what is asked for; the root may be half-made then.
pub fn install(
    choices: &Choices,
    place: &Place<'_>,
    say: Say<'_>,
    tell: Tell<'_>,
) -> Result<usize, InstallError> {
    check(choices)?;
    let global = create_global(place.layout, place.client.clone())?;
    let publishers = publishers(choices, &global)?;
    let Some(first) = publishers.first() else {
        let text = "no publisher: the global zone has none to take packages from.\n\
                    Set one with `pkg set-publisher -p URI`, or name one with \
                    `install -P PUBLISHER=URI`.";
        return Err(refused(text.to_owned()));
    };
    forget_sources(place.layout, place.zone)?;
    note_sources(place.layout, place.zone, place.client.clone(), &publishers)?;
    let name = first.prefix.clone();
    let uri = first.origins.first().map(|it| it.uri.clone());
    let uri = uri.unwrap_or_else(|| "no origin".to_owned());
    say("Publisher", &format!("Using {name} ({uri})."));
    let mut image = make(choices, place, renewed(publishers)?, &global)?;
    let root = place.root.display();
    say("Image", &format!("Preparing at {root} ... done."));
    image.refresh(&[], true, tell)?;
    // Nobody but this process has written to the image yet.
    image.give_catalogs(&sources::catalogs(place.layout, place.zone))?;
    say("Catalog", &format!("Retrieving from {uri} ... done."));
    link(&image, &global, place, say)?;
    let cache = image.cache_folder();
    say("Cache", &format!("Using {}.", cache.display()));
    let text = format!("Looking for '{INCORPORATION}' incorporation.");
    say("Sanity Check", &text);
    let patterns = wish(choices, &image, &global, &name, say)?;
    let lock = image.lock()?;
    let planned = image.plan("install", Wanted::new(Operation::Install(patterns)), tell)?;
    say("Installing", "(output follows)");
    let count = planned.plan.changes().len();
    image.execute(&planned, &lock, tell)?;
    // A history that cannot be written does not make the installation fail.
    let _ = image.note_now("install");
    Ok(count)
}

/// Options of other brands have no meaning here.
fn check(choices: &Choices) -> Result<(), InstallError> {
    let other = choices.suite.is_some() || choices.keyring.is_some();
    let other = other || choices.directory.is_some() || choices.standard;
    if other || !choices.include.is_empty() {
        return Err(refused(
            "brand ipkg takes [-P [PUBLISHER=]URI] [-e PACKAGE]... [--arch NAME] [-c FILE] only"
                .to_owned(),
        ));
    }
    if choices.archive.is_some() && choices.publisher.is_some() {
        return Err(refused(
            "-a and -P both name the publisher; use -P alone".to_owned(),
        ));
    }
    Ok(())
}

fn refused(text: String) -> InstallError {
    InstallError::Choice(text)
}

/// Those of the global image, or the one that was named. A named one that the global image has too
/// is taken in its place there: only its origin is another.
fn publishers(choices: &Choices, global: &Image) -> Result<Vec<PublisherSettings>, InstallError> {
    let mut all: Vec<PublisherSettings> = global.enabled().cloned().collect();
    let Some(text) = choices.publisher.as_ref().or(choices.archive.as_ref()) else {
        return Ok(all);
    };
    let named = match text
        .split_once('=')
        .filter(|(it, _)| !it.contains([':', '/']))
    {
        Some((name, uri)) => {
            let name: Publisher = name
                .parse()
                .map_err(|error| refused(format!("-P {text}: {error}")))?;
            vec![(name, uri.to_owned())]
        }
        None => {
            let found = global.publishers_at(text)?;
            found
                .into_iter()
                .map(|(it, _)| (it, text.clone()))
                .collect()
        }
    };
    if named.is_empty() {
        return Err(refused(format!(
            "the repository at {text} has no publisher"
        )));
    }
    let is_known = |name: &Publisher| all.iter().any(|it| it.prefix == *name);
    if !named.iter().all(|(name, _)| is_known(name)) {
        // Of somebody else: the publishers of the host have no say.
        all.clear();
    }
    for (name, uri) in named {
        let at = all.iter().position(|it| it.prefix == name);
        let at = at.unwrap_or_else(|| {
            all.push(PublisherSettings::new(name, String::new()));
            all.len() - 1
        });
        let origins: &mut Vec<Origin> = &mut all[at].origins;
        origins.clear();
        all[at].add_origin(&uri, None);
        all[at].mirrors.clear();
    }
    Ok(all)
}

/// A zone is another client than its host.
fn renewed(mut all: Vec<PublisherSettings>) -> Result<Vec<PublisherSettings>, InstallError> {
    for publisher in &mut all {
        publisher.uuid = zones_store::random_uuid()
            .map_err(|error| refused(format!("cannot get random bytes: {error}")))?;
    }
    Ok(all)
}

/// What the host asks of signatures, its zones ask too.
const TRUST: [&str; 2] = ["signature-policy", "signature-required-names"];

fn make(
    choices: &Choices,
    place: &Place<'_>,
    publishers: Vec<PublisherSettings>,
    global: &Image,
) -> Result<Image, InstallError> {
    let properties = TRUST.map(|it| (it.to_owned(), global.settings.property(it).to_owned()));
    let arch = choices.arch.iter();
    let how = Create {
        is_zone: true,
        properties: properties.into(),
        variants: arch
            .map(|it| ("variant.arch".to_owned(), it.clone()))
            .collect(),
        ..Create::default()
    };
    let mut image = Image::create(place.root, &how, place.client.clone())?;
    image.settings.publishers = publishers;
    for (publisher, certificate) in global.all_approved()? {
        image.keep_certificate(&publisher, &certificate)?;
    }
    image.save()?;
    Ok(image)
}

/// A zone with publishers of its own goes its own way, and the administrator is told so.
fn link(
    image: &Image,
    global: &Image,
    place: &Place<'_>,
    say: Say<'_>,
) -> Result<(), InstallError> {
    match image.attach(global, &link_name(place.zone), "push", false) {
        Ok(_) => Ok(()),
        Err(ImageError::Refused(_)) => {
            let text = "The publishers are not those of the global zone: the zone is not kept in \
                        step with it.";
            say("Note", text);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// What is installed: the incorporation at the version of the host, the core group, the extras.
fn wish(
    choices: &Choices,
    image: &Image,
    global: &Image,
    publisher: &Publisher,
    say: Say<'_>,
) -> Result<Vec<Pattern>, InstallError> {
    let offered = image.listed()?;
    let has = |name: &str| offered.iter().any(|it| it.fmri.stem().as_str() == name);
    let mut patterns = Vec::new();
    match host_incorporation(image, global)? {
        Some(fmri) if offered.iter().any(|it| it.fmri == fmri) => {
            patterns.push(fmri.to_string());
        }
        Some(fmri) => {
            return Err(refused(format!(
                "Unable to locate the incorporation '{}' of the global zone in the preferred \
                 publisher '{publisher}'.\nUse -P to supply a publisher which contains this \
                 package, or bring the global zone up to date: pkg update",
                fmri.clone().without_publisher()
            )));
        }
        None if has(INCORPORATION) => patterns.push(INCORPORATION.to_owned()),
        None => say(
            "Sanity Check",
            "!WARNING! - No entire package found, installing minimal package set.",
        ),
    }
    if has(CORE) {
        patterns.push(CORE.to_owned());
    } else if choices.extra.is_empty() {
        return Err(refused(format!(
            "publisher '{publisher}' has no group '{CORE}' of what a zone needs.\n\
             Name the packages with -e, or another publisher with -P."
        )));
    }
    patterns.extend(choices.extra.iter().cloned());
    let parsed = patterns.iter().map(|text| {
        let parsed = text.parse::<Pattern>();
        parsed.map_err(|error| refused(format!("package '{text}': {error}")))
    });
    parsed.collect()
}

/// `entire` of the host, for a zone that is linked to it.
fn host_incorporation(image: &Image, global: &Image) -> Result<Option<Fmri>, InstallError> {
    if image.link()?.is_none() {
        return Ok(None);
    }
    let installed = global.installed()?;
    let stem: Result<Stem, _> = INCORPORATION.parse();
    Ok(stem.ok().and_then(|it| installed.get(&it).cloned()))
}
