//! Publishers of an image: their catalogs, and where their packages come from.

use std::collections::BTreeMap;
use std::path::Path;

use zones_ips::Publisher;
use zones_repository::{HttpSource, Source};

use super::Image;
use crate::catalogs::{self, Fetched, Offered};
use crate::error::{ImageError, Result};
use crate::folder::Batch;
use crate::origin;
use crate::progress::{Event, Tell};
use crate::settings::PublisherSettings;
use crate::state::{self, Installed};
use crate::transport::Origins;

impl Image {
    /// Enabled publishers in search order.
    pub fn enabled(&self) -> impl Iterator<Item = &PublisherSettings> {
        self.settings.publishers.iter().filter(|it| it.is_enabled)
    }

    fn source(&self, publisher: &PublisherSettings, uri: &str) -> Result<Box<dyn Source>> {
        let mut access = self.client.access.clone();
        let own = publisher.origins.iter().find(|it| it.uri == uri);
        if let Some(proxy) = own.and_then(|it| it.proxy.as_ref()) {
            access.proxy = Some(proxy.clone());
        }
        if let (Some(cert), Some(key)) = (&publisher.ssl_cert, &publisher.ssl_key) {
            let read = |path: &String| {
                let path = Path::new(path);
                std::fs::read(path).map_err(|error| ImageError::damaged(path, error))
            };
            access.client = Some((read(cert)?, read(key)?));
        }
        Ok(origin::open(uri, &access)?)
    }

    /// Refreshes the catalogs of `publishers`, or of all enabled ones when it is empty.
    ///
    /// An origin that cannot be reached is passed over when another one can.
    ///
    /// # Errors
    /// A publisher is not known, or none of its origins can be read.
    pub fn refresh(
        &self,
        publishers: &[Publisher],
        is_full: bool,
        tell: Tell<'_>,
    ) -> Result<Fetched> {
        let mut all = Fetched::Nothing;
        let mut failures = Vec::new();
        for publisher in self.enabled() {
            if !publishers.is_empty() && !publishers.contains(&publisher.prefix) {
                continue;
            }
            tell(Event::Refresh(&publisher.prefix));
            match self.refresh_one(publisher, is_full) {
                Ok(Fetched::Nothing) => {}
                Ok(other) => all = other,
                Err(error) => failures.push(error),
            }
        }
        for publisher in publishers {
            if self.settings.publisher(publisher.as_str()).is_none() {
                failures.push(ImageError::Refused(format!(
                    "Unknown publisher '{publisher}'; see: pkg publisher"
                )));
            }
        }
        if all != Fetched::Nothing {
            let installed = self.installed()?;
            self.folder
                .together(|batch| self.write_known(&installed, batch))?;
        }
        match failures.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(all),
        }
    }

    /// Rewrites the list of all that is known.
    pub(crate) fn write_known(&self, installed: &Installed, to: &mut Batch<'_>) -> Result<()> {
        let offered = self.offered()?;
        let catalogs: Vec<_> = offered.catalogs.values().collect();
        state::write_known(to, &catalogs, installed, self.now())
    }

    fn refresh_one(&self, publisher: &PublisherSettings, is_full: bool) -> Result<Fetched> {
        let origins = publisher.origins.iter().filter(|it| it.is_enabled);
        let uris: Vec<&str> = origins.map(|it| it.uri.as_str()).collect();
        let mut all = Fetched::Nothing;
        let mut tries = Vec::new();
        for uri in &uris {
            let done = self.source(publisher, uri).and_then(|source| {
                catalogs::refresh_origin(
                    self.catalogs(),
                    &publisher.prefix,
                    uri,
                    source.as_ref(),
                    is_full,
                )
            });
            match done {
                Ok(Fetched::Nothing) => {}
                Ok(other) => all = other,
                Err(error) => tries.push(((*uri).to_owned(), error.to_string())),
            }
        }
        if !uris.is_empty() && tries.len() == uris.len() {
            return Err(ImageError::Unreachable {
                what: format!("the catalog of publisher '{}'", publisher.prefix),
                tries,
            });
        }
        let is_changed = all != Fetched::Nothing;
        catalogs::merge(self.catalogs(), &publisher.prefix, &uris, is_changed)?;
        Ok(all)
    }

    /// Refreshes what is not fresh.
    pub(crate) fn refresh_stale(&self, tell: Tell<'_>) -> Result<()> {
        let mut stale = Vec::new();
        for publisher in self.enabled() {
            if !catalogs::is_fresh(self.catalogs(), &publisher.prefix, self.seconds())? {
                stale.push(publisher.prefix.clone());
            }
        }
        if !stale.is_empty() {
            self.refresh(&stale, false, tell)?;
        }
        Ok(())
    }

    /// Refreshes what is not fresh, without the right to change the image: nothing is done when
    /// another client has it.
    ///
    /// # Errors
    /// No origin of a publisher can be reached.
    pub fn refresh_when_stale(&self, tell: Tell<'_>) -> Result<()> {
        match self.lock() {
            Ok(_lock) => self.refresh_stale(tell),
            Err(ImageError::Locked(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The publishers of the repository at `uri`, each with the origins that it suggests.
    ///
    /// # Errors
    /// It cannot be reached, or is no repository.
    pub fn publishers_at(&self, uri: &str) -> Result<Vec<(Publisher, Vec<String>)>> {
        if !uri.starts_with("http") {
            let found = origin::open(uri, &self.client.access)?.publishers()?;
            return Ok(found.into_iter().map(|it| (it, Vec::new())).collect());
        }
        let info = HttpSource::new(uri, &self.client.access)?.publisher_info()?;
        let row = |it: &zones_ips::p5i::PublisherInfo| {
            let prefix = it.name.parse().ok()?;
            let origins = it
                .repositories
                .iter()
                .flat_map(|it| it.origins.iter().cloned());
            Some((prefix, origins.collect()))
        };
        Ok(info.publishers.iter().filter_map(row).collect())
    }

    /// Forgets the copies of a publisher's catalogs.
    ///
    /// # Errors
    /// They cannot be removed.
    pub fn forget_catalogs(&self, publisher: &Publisher) -> Result<()> {
        catalogs::forget(self.catalogs(), publisher)
    }

    /// What enabled publishers offer.
    pub(crate) fn offered(&self) -> Result<Offered> {
        let mut offered = Offered {
            catalogs: BTreeMap::new(),
            variants: self.settings.variants.clone(),
            facets: self.settings.facets.clone(),
        };
        for publisher in self.enabled() {
            if let Some(catalog) = catalogs::of(self.catalogs(), &publisher.prefix)? {
                offered.catalogs.insert(publisher.prefix.clone(), catalog);
            }
        }
        Ok(offered)
    }

    /// The origins of enabled publishers, mirrors first.
    pub(crate) fn origins(&self) -> Result<Origins> {
        let mut origins = Origins::default();
        for publisher in &self.settings.publishers {
            let own = publisher.origins.iter().filter(|it| it.is_enabled);
            let uris = publisher.mirrors.iter().chain(own.map(|it| &it.uri));
            for uri in uris {
                origins.add(&publisher.prefix, self.source(publisher, uri)?);
            }
        }
        Ok(origins)
    }
}
