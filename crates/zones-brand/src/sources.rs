//! Where the packages of a zone come from when the host works on its image: the publishers of the
//! global image, and what the administrator gave for this zone, noted on the host. What root of the
//! zone wrote into the image counts inside of the zone only. Why: docs/adr/0013.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use zones_image::{Client, Guard, Image, ImageError, PublisherSettings, Settings};
use zones_store::{Layout, atomic};
use zones_types::ZoneName;

use crate::global::open_global;
use crate::ipkg::link_name;

/// Whether the publishers of the global image come first.
const FOLLOWS: &str = "follows-global-image";

/// The folder of what the host knows of the packages of a zone.
fn folder(layout: &Layout, zone: &ZoneName) -> PathBuf {
    layout.lib().join("packages").join(zone.as_str())
}

/// What was noted for one zone.
struct Note {
    follows: bool,
    own: Vec<PublisherSettings>,
}

impl Note {
    fn path(layout: &Layout, zone: &ZoneName) -> PathBuf {
        folder(layout, zone).join("sources")
    }

    fn read(layout: &Layout, zone: &ZoneName) -> Result<Self, ImageError> {
        let path = Self::path(layout, zone);
        let text = atomic::read(&path).map_err(|error| damaged(&path, &error))?;
        let Some(text) = text else {
            return Ok(Self {
                follows: true,
                own: Vec::new(),
            });
        };
        let settings = Settings::parse(&text, &path)?;
        Ok(Self {
            follows: settings.is(FOLLOWS),
            own: settings.publishers,
        })
    }

    /// The publishers in search order.
    fn effective(&self, global: &[PublisherSettings]) -> Vec<PublisherSettings> {
        let mut all = Vec::new();
        if self.follows {
            all.extend_from_slice(global);
        }
        for own in &self.own {
            match all.iter_mut().find(|it| it.prefix == own.prefix) {
                Some(known) => known.clone_from(own),
                None => all.push(own.clone()),
            }
        }
        all
    }

    /// What is to be noted so that these are the publishers: what differs from the global image,
    /// or all when that does not say it.
    fn of(wanted: &[PublisherSettings], global: &[PublisherSettings]) -> Self {
        let differs = wanted.iter().filter(|it| !global.contains(it));
        let note = Self {
            follows: true,
            own: differs.cloned().collect(),
        };
        match note.effective(global) == wanted {
            true => note,
            false => Self {
                follows: false,
                own: wanted.to_vec(),
            },
        }
    }
}

fn damaged(path: &Path, why: &dyn ToString) -> ImageError {
    ImageError::Damaged {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

fn enabled(global: Option<&Image>) -> Vec<PublisherSettings> {
    global.map_or_else(Vec::new, |it| it.enabled().cloned().collect())
}

/// What the host says of the image of a zone.
///
/// # Errors
/// The global image or the note on the zone cannot be read.
pub fn guard(layout: &Layout, zone: &ZoneName, client: Client) -> Result<Guard, ImageError> {
    let global = open_global(layout, client)?;
    let certificates = global.as_ref().map(Image::all_approved).transpose()?;
    let certificates = certificates.into_iter().flatten().map(|(_, bytes)| bytes);
    Ok(Guard {
        owner: format!("zone '{zone}'"),
        link: link_name(zone),
        folder: folder(layout, zone),
        publishers: Note::read(layout, zone)?.effective(&enabled(global.as_ref())),
        asked: global.as_ref().map(Image::asked).unwrap_or_default(),
        certificates: certificates.collect(),
    })
}

/// Opens the image at `root`, which belongs to a zone: it is asked what it has, not where packages
/// come from.
///
/// # Errors
/// There is none, or it cannot be understood.
pub fn open_zone(
    layout: &Layout,
    zone: &ZoneName,
    root: &Path,
    client: Client,
) -> Result<Image, ImageError> {
    let image = Image::open(root, client.clone())?;
    make_folder(layout, zone)?;
    image.guarded(guard(layout, zone, client)?)
}

fn make_folder(layout: &Layout, zone: &ZoneName) -> Result<(), ImageError> {
    let path = folder(layout, zone);
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(&path);
    made.map_err(|error| damaged(&path, &error))
}

/// Notes from where the packages of a zone come from now on.
///
/// # Errors
/// The note cannot be written.
pub fn note_sources(
    layout: &Layout,
    zone: &ZoneName,
    client: Client,
    publishers: &[PublisherSettings],
) -> Result<(), ImageError> {
    let global = open_global(layout, client)?;
    let note = Note::of(publishers, &enabled(global.as_ref()));
    let path = Note::path(layout, zone);
    if note.follows && note.own.is_empty() {
        return atomic::remove(&path).map_err(|error| damaged(&path, &error));
    }
    let mut settings = Settings::new();
    settings.set_property(FOLLOWS, if note.follows { "True" } else { "False" })?;
    settings.publishers = note.own;
    make_folder(layout, zone)?;
    let written = atomic::write(&path, settings.text().as_bytes(), 0o600);
    written.map_err(|error| damaged(&path, &error))
}

/// Notes what an operation on the image of a zone changed of its publishers; nothing when it
/// changed none, or the image is no zone's.
///
/// # Errors
/// The note cannot be written.
pub fn note_changes(layout: &Layout, image: &Image) -> Result<(), ImageError> {
    let zone = image.guard_link().and_then(|it| it.strip_prefix("zone:"));
    let zone = zone.and_then(|it| it.parse::<ZoneName>().ok());
    match (zone, image.asked_anew()) {
        (Some(zone), Some(asked)) => note_sources(layout, &zone, image.client(), &asked),
        _ => Ok(()),
    }
}

/// Starts afresh: what an earlier zone of this name had says nothing of the next.
///
/// # Errors
/// The folder cannot be removed.
pub fn forget_sources(layout: &Layout, zone: &ZoneName) -> Result<(), ImageError> {
    let path = folder(layout, zone);
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(damaged(&path, &error)),
        _ => Ok(()),
    }
}

/// Notes for a copy of a zone what was noted for the original.
///
/// # Errors
/// The note cannot be read or written.
pub fn copy_sources(layout: &Layout, from: &ZoneName, to: &ZoneName) -> Result<(), ImageError> {
    forget_sources(layout, to)?;
    let (old, new) = (Note::path(layout, from), Note::path(layout, to));
    let Some(text) = atomic::read(&old).map_err(|error| damaged(&old, &error))? else {
        return Ok(());
    };
    make_folder(layout, to)?;
    let written = atomic::write(&new, text.as_bytes(), 0o600);
    written.map_err(|error| damaged(&new, &error))
}

/// The folder for the catalogs of a zone that is being installed.
pub(crate) fn catalogs(layout: &Layout, zone: &ZoneName) -> PathBuf {
    folder(layout, zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publisher(name: &str, uri: &str) -> PublisherSettings {
        let mut it = PublisherSettings::new(name.parse().unwrap(), "u".to_owned());
        it.add_origin(uri, None);
        it
    }

    #[test]
    fn a_copy_of_a_zone_has_the_sources_of_the_original() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path());
        let [one, two]: [ZoneName; 2] = ["one", "two"].map(|it| it.parse().unwrap());
        let own = Note {
            follows: false,
            own: vec![publisher("c", "/c")],
        };
        let mut settings = Settings::new();
        settings.publishers.clone_from(&own.own);
        make_folder(&layout, &one).unwrap();
        std::fs::write(Note::path(&layout, &one), settings.text()).unwrap();
        copy_sources(&layout, &one, &two).unwrap();
        assert_eq!(Note::read(&layout, &two).unwrap().own, own.own);
        forget_sources(&layout, &one).unwrap();
        forget_sources(&layout, &one).unwrap();
        copy_sources(&layout, &one, &two).unwrap();
        assert!(Note::read(&layout, &two).unwrap().follows);
    }

    #[test]
    fn a_note_gives_back_the_publishers_it_was_made_of() {
        let (a, b) = (publisher("a", "/a"), publisher("b", "/b"));
        let other = publisher("a", "/other");
        let global = [a.clone(), b.clone()];
        let rows = [
            (vec![a.clone(), b.clone()], true, 0),
            (vec![other.clone(), b.clone()], true, 1),
            (vec![a.clone(), b.clone(), publisher("c", "/c")], true, 1),
            (vec![b.clone(), a.clone()], false, 2),
            (vec![a], false, 1),
            (vec![publisher("c", "/c")], false, 1),
            (Vec::new(), false, 0),
        ];
        for (wanted, follows, count) in rows {
            let note = Note::of(&wanted, &global);
            assert_eq!(note.effective(&global), wanted);
            assert_eq!((note.follows, note.own.len()), (follows, count));
        }
    }
}
