//! Images that a stranger may write to: the root of a zone, worked on from the host.
//!
//! Root of the zone wrote its settings. An operation that runs with the rights of the host must not
//! fetch from where those say: a `file:` origin would read files of the host, a key would be the
//! host's, a server one that only the host reaches. So the host says where packages come from
//! ([`Guard`]), and catalogs, which prove manifests, are kept outside of the image. What is taken
//! from the image still is what it has: packages that are installed, variants, facets, and lists.
//!
//! Why it is so: docs/adr/0013.

use std::path::PathBuf;

use zones_ips::Publisher;

use crate::error::Result;
use crate::folder::Folder;
use crate::image::Image;
use crate::settings::{PublisherSettings, Settings};
use crate::trust::Asked;

/// Bytes that a file of state in such an image may have.
const STATE_LEN_MAX: u64 = 64 << 20;

/// What the host says of an image.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Whose image it is, for messages: `zone 'z1'`.
    pub owner: String,
    /// The name of its link with a parent: `zone:z1`.
    pub link: String,
    /// Folder of the host for copies of catalogs, made when missing.
    pub folder: PathBuf,
    /// The publishers, with where their packages come from, in search order.
    pub publishers: Vec<PublisherSettings>,
    /// What is asked of signatures at least.
    pub asked: Asked,
    /// Certificates that the host keeps and publishers may approve.
    pub certificates: Vec<Vec<u8>>,
}

/// A guard that is in force.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) guard: Guard,
    /// Copies of catalogs.
    pub(crate) folder: Folder,
    /// The settings as they are in the image.
    written: Settings,
    /// The publishers as they were put in the place of those.
    shown: Vec<PublisherSettings>,
    strangers: Vec<Publisher>,
}

impl Image {
    /// Puts what the host says in the place of what the image says. Nothing is written to the image
    /// by that.
    ///
    /// # Errors
    /// The folder of the guard cannot be made.
    pub fn guarded(mut self, guard: Guard) -> Result<Self> {
        let failed = |error| crate::ImageError::damaged(&guard.folder, error);
        std::fs::create_dir_all(&guard.folder).map_err(failed)?;
        let folder = Folder::new(&guard.folder, "")?;
        self.folder.limit(STATE_LEN_MAX);
        let written = self.settings.clone();
        let mut shown = guard.publishers.clone();
        let mut strangers = Vec::new();
        for own in &written.publishers {
            if guard.publishers.iter().any(|it| it.prefix == own.prefix) {
                continue;
            }
            // Its packages stay as they are; nothing of it is asked for anything.
            let mut known = PublisherSettings::new(own.prefix.clone(), own.uuid.clone());
            known.is_sticky = own.is_sticky;
            known.is_enabled = own.is_enabled;
            shown.push(known);
            strangers.push(own.prefix.clone());
        }
        self.settings.publishers.clone_from(&shown);
        // Children are those of the host: the paths here are the stranger's.
        self.settings.linked.clear();
        self.held = Some(Box::new(Held {
            guard,
            folder,
            written,
            shown,
            strangers,
        }));
        Ok(self)
    }

    /// Publishers that only the image names: they are not asked.
    #[must_use]
    pub fn strangers(&self) -> &[Publisher] {
        self.held.as_ref().map_or(&[], |it| &it.strangers)
    }

    /// Whose image it is, when the host guards it.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.held.as_ref().map(|it| it.guard.owner.as_str())
    }

    /// The link that the host knows the image by, when it guards it.
    #[must_use]
    pub fn guard_link(&self) -> Option<&str> {
        self.held.as_ref().map(|it| it.guard.link.as_str())
    }

    /// The publishers that the host is to ask from now on, when that has changed.
    #[must_use]
    pub fn asked_anew(&self) -> Option<Vec<PublisherSettings>> {
        let held = self.held.as_ref()?;
        let own = self.settings.publishers.iter();
        let is_stranger = |it: &&PublisherSettings| {
            held.strangers.contains(&it.prefix) && held.shown.contains(it)
        };
        let asked: Vec<_> = own.filter(|it| !is_stranger(it)).cloned().collect();
        (asked != held.guard.publishers).then_some(asked)
    }

    /// Where catalogs are kept.
    pub(crate) fn catalogs(&self) -> &Folder {
        self.held.as_ref().map_or(&self.folder, |it| &it.folder)
    }

    /// The settings as they are to be written: what was not changed here stays what the image says.
    pub(crate) fn written(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        let Some(held) = &self.held else {
            return settings;
        };
        settings.linked.clone_from(&held.written.linked);
        settings.publishers.retain_mut(|it| {
            if !held.shown.contains(it) {
                return true;
            }
            let own = held.written.publisher(it.prefix.as_str());
            own.map(|own| it.clone_from(own)).is_some()
        });
        settings
    }

    /// Copies the catalogs that this image has to a folder of the host, for its [`Guard`]. Call it
    /// while nobody else has written to the image.
    ///
    /// # Errors
    /// One cannot be read or written.
    pub fn give_catalogs(&self, to: &std::path::Path) -> Result<()> {
        let failed = |error| crate::ImageError::damaged(to, error);
        std::fs::create_dir_all(to).map_err(failed)?;
        let to = Folder::new(to, "")?;
        for publisher in &self.settings.publishers {
            crate::catalogs::copy(&self.folder, &to, &publisher.prefix)?;
        }
        Ok(())
    }
}
