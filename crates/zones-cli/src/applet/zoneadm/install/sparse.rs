//! Brand sparse: the base that a zone shares folders with.

use zones_brand::{Choices, Installer, Laid, sparse};
use zones_config::{Attr, AttrType};
use zones_engine::chain;
use zones_sys::RootFd;

use super::Job;

/// Refuses options that mean nothing to the brand.
pub(super) fn check(installer: Installer, choices: &Choices) -> Result<(), String> {
    if choices.base.is_some() && installer != Installer::Sparse {
        return Err("-b is for zones of brand sparse".to_owned());
    }
    Ok(())
}

/// Notes the base in the configuration, then lays down what the zone has for itself.
pub(super) fn fill(job: &Job<'_>, root: &RootFd) -> Result<Laid, String> {
    let (layout, zone) = (job.target.layout, &job.target.zone);
    let mut config = zones_engine::load(layout, zone).map_err(|error| error.chain())?;
    let choices = &job.wanted.choices;
    if let Some(base) = &choices.base
        && sparse::base_of(&config) != base
    {
        config.attrs.retain(|it| it.name != "base");
        config.attrs.push(Attr {
            name: "base".to_owned(),
            attr_type: AttrType::String,
            value: base.clone(),
        });
        job.target
            .store
            .save(&config)
            .map_err(|error| chain(&error))?;
    }
    let laid = sparse::install(&config, choices, &layout.bases(), root, &job.screen);
    laid.map_err(|error| chain(&error))
}
