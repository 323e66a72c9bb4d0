//! The payloads of a package on their way.

use std::collections::BTreeMap;

use zones_ips::{Digest, Fmri, Manifest, Publisher};

use crate::error::{RepositoryError, Result};
use crate::payload::{self, Expected};
use crate::remote::Target;
use crate::source::Source;
use crate::store::payloads_of;

/// The payloads of a package, and what is expected of each.
pub(super) struct Needed {
    pub(super) publisher: Publisher,
    pub(super) payloads: BTreeMap<Digest, Expected>,
}

impl Needed {
    pub(super) fn of(fmri: &Fmri, manifest: &Manifest) -> Result<Self> {
        let publisher = fmri.publisher().cloned();
        let publisher = publisher.ok_or_else(|| RepositoryError::NoPackage(fmri.clone()))?;
        let names = payloads_of(manifest).into_iter();
        let mut payloads: BTreeMap<_, _> =
            names.map(|name| (name, Expected::named(name))).collect();
        for action in manifest.actions() {
            if let Some(expected) = action.payload_digest().and_then(|it| payloads.get_mut(&it)) {
                *expected = Expected::of(action);
            }
        }
        Ok(Self {
            publisher,
            payloads,
        })
    }

    pub(super) fn packed_size(&self, name: &Digest) -> u64 {
        let expected = self.payloads.get(name);
        expected.and_then(|it| it.packed_size).unwrap_or_default()
    }

    /// What a folder lacks; a depot is sent everything.
    pub(super) fn missing(&self, target: &Target) -> Vec<Digest> {
        let store = match target {
            Target::Folder(repository) => repository.publisher(&self.publisher).ok(),
            Target::Depot(_) => None,
        };
        let is_missing = |name: &&Digest| match &store {
            Some(store) => store.payload(name).is_err(),
            None => true,
        };
        self.payloads.keys().filter(is_missing).copied().collect()
    }

    /// A payload as it is stored, proved.
    pub(super) fn fetch(&self, source: &dyn Source, name: &Digest) -> Result<Vec<u8>> {
        let named = Expected::named(*name);
        let expected = self.payloads.get(name).unwrap_or(&named);
        let failed = |source| RepositoryError::Payload {
            what: name.to_string(),
            source,
        };
        let mut left = FETCHES;
        loop {
            left -= 1;
            let from = source.payload(&self.publisher, name)?;
            let mut packed = Vec::new();
            match payload::copy(from, expected, &mut packed) {
                Ok(_) => return Ok(packed),
                // A transfer may be cut; what is wrong on disk stays wrong.
                Err(error) if left == 0 => return Err(failed(error)),
                Err(_) => {}
            }
        }
    }
}

/// How often a payload is fetched until it is whole.
const FETCHES: usize = 3;
