//! Whether a configuration is complete and consistent.
//!
//! Source: illumos zonecfg `verify_func`; the order of the checks is part of the interface.

mod resources;

pub(crate) use resources::{duplicate, inconsistent, missing};

use crate::check::{self, CLASSES, Context};
use crate::privilege::limitpriv_capabilities;
use crate::{Reason, ZoneConfig, parse_hostid};

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What is wrong, in the order of the checks.
    pub errors: Vec<String>,
    /// What is odd but allowed.
    pub warnings: Vec<String>,
    /// Why the configuration is refused: the reason of the first error.
    pub reason: Option<Reason>,
}

impl Report {
    /// Whether the configuration may be committed.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.reason.is_none()
    }

    pub(crate) fn error(&mut self, reason: Reason, text: impl Into<String>) {
        self.errors.push(text.into());
        self.reason.get_or_insert(reason);
    }
}

/// Checks a configuration; `knows_brand` says whether a brand is installed.
///
/// Only the text is looked at: whether paths, links and datasets exist is for `zoneadm verify`.
#[must_use]
pub fn verify(config: &ZoneConfig, knows_brand: &dyn Fn(&str) -> bool) -> Report {
    let mut report = Report::default();
    let zone = &config.name;
    let context = Context {
        ip_type: config.ip_type,
        host: zone.is_global(),
    };
    if config.zonepath.is_none() && !context.host {
        report.error(Reason::RequiredResourceMissing, "zonepath cannot be empty.");
    }
    let brand = config.brand_or_default();
    if !knows_brand(brand.as_str()) && !context.host {
        report.error(Reason::BrandError, format!("{zone}: unknown brand."));
    }
    if let Err(error) = limitpriv_capabilities(&config.limitpriv, config.ip_type) {
        report.error(error.reason(), format!("{zone}: {error}"));
    }
    let class = config.scheduling_class.as_str();
    if !class.is_empty() && !CLASSES.contains(&class) {
        report.error(
            Reason::Invalid,
            format!("{zone}: invalid scheduling-class: {class}"),
        );
    }
    if let Err(error) = parse_hostid(&config.hostid) {
        report.error(Reason::InvalidProperty, format!("{zone}: {error}"));
    }
    let words = [
        ("boot-priority", &config.boot_priority, check::PRIORITIES),
        ("autoshutdown", &config.autoshutdown, check::SHUTDOWNS),
        (
            "file-mac-profile",
            &config.file_mac_profile,
            check::PROFILES,
        ),
    ];
    for (name, text, known) in words {
        if let Err(error) = check::one_of(name, text, known) {
            report.error(Reason::InvalidProperty, error);
        }
    }
    if let Err(error) = check::fs_allowed(&config.fs_allowed) {
        report.error(Reason::InvalidProperty, format!("fs-allowed: {error}"));
    }
    resources::verify(config, context, &mut report);
    report
}

#[cfg(test)]
mod tests;
