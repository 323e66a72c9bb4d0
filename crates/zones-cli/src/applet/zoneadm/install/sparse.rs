//! Brand sparse: the base that a zone shares folders with.

use zones_brand::sparse::Bases;
use zones_brand::{Choices, Installer, Laid, sparse};
use zones_config::{Attr, AttrType, ZoneConfig};
use zones_engine::chain;
use zones_sys::RootFd;

use super::super::Target;
use super::Job;

/// Refuses options that mean nothing to the brand.
pub(super) fn check(installer: Installer, choices: &Choices) -> Result<(), String> {
    if choices.base.is_some() && installer != Installer::Sparse {
        return Err("-b is for zones of brand sparse".to_owned());
    }
    Ok(())
}

/// Notes the base of a zone in its configuration.
pub(in crate::applet::zoneadm) fn note_base(
    target: &Target<'_>,
    base: &str,
) -> Result<ZoneConfig, String> {
    let mut config = target.config()?;
    if sparse::base_of(&config) != base {
        config.attrs.retain(|it| it.name != "base");
        config.attrs.push(Attr {
            name: "base".to_owned(),
            attr_type: AttrType::String,
            value: base.to_owned(),
        });
        let saved = target.store.save(&config);
        saved.map_err(|error| chain(&error))?;
    }
    Ok(config)
}

/// Notes the base in the configuration, then lays down what the zone has for itself.
pub(super) fn fill(job: &Job<'_>, root: &RootFd) -> Result<Laid, String> {
    let choices = &job.wanted.choices;
    let config = match &choices.base {
        Some(base) => note_base(job.target, base)?,
        None => job.target.config()?,
    };
    let bases = Bases::open(job.target.layout.bases());
    let laid = sparse::install(&config, choices, (&bases, super::now()), root, &job.screen);
    laid.map_err(|error| chain(&error))
}
