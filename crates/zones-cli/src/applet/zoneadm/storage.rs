//! What a configuration says of where a zone is kept: its driver, what it may take, what is kept
//! free for it.

use std::path::Path;

use zones_config::ZoneConfig;
use zones_engine::chain;
use zones_storage::{Driver, DriverKind, choose_as};
use zones_store::Layout;
use zones_types::Bytes;

use super::Target;
use crate::settings::HostSettings;

/// The attr that names the driver.
const DRIVER: &str = "storage";
/// The attrs that hold sizes.
pub(super) const SIZES: [&str; 2] = ["quota", "reservation"];

/// What the attrs ask for, in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) quota: Option<u64>,
    pub(super) reservation: Option<u64>,
}

impl Wanted {
    /// # Errors
    /// Names the attr that is no size.
    pub(super) fn of(config: &ZoneConfig) -> Result<Self, String> {
        let [quota, reservation] = SIZES.map(|name| match config.attr(name) {
            None => Ok(None),
            Some(value) => size(name, value),
        });
        Ok(Self {
            quota: quota?,
            reservation: reservation?,
        })
    }
}

/// A size, or nothing for `none`.
pub(super) fn size(name: &str, value: &str) -> Result<Option<u64>, String> {
    if value == "none" {
        return Ok(None);
    }
    match value.parse::<Bytes>() {
        Ok(bytes) if bytes.0 > 0 => Ok(Some(bytes.0)),
        _ => Err(format!(
            "{name} is a size such as 10G, or none, not `{value}`"
        )),
    }
}

/// What is wrong with the attrs.
pub(super) fn wrong(config: &ZoneConfig) -> Option<String> {
    if let Err(text) = Wanted::of(config) {
        return Some(format!("attr {text}"));
    }
    let name = config.attr(DRIVER)?;
    kind(name)
        .err()
        .map(|text| format!("attr {DRIVER}: {text}"))
}

fn kind(name: &str) -> Result<DriverKind, String> {
    DriverKind::named(name).ok_or_else(|| {
        let all = DriverKind::ALL.map(DriverKind::as_str).join(", ");
        format!("`{name}` is no storage driver; there are {all}")
    })
}

/// The driver that the zone or the host asks for, and who does.
fn wish(layout: &Layout, attr: Option<&str>) -> Result<Option<(DriverKind, String)>, String> {
    if let Some(name) = attr {
        let who = format!("attr {DRIVER} of the zone");
        let kind = kind(name).map_err(|text| format!("{who}: {text}"))?;
        return Ok(Some((kind, who)));
    }
    let Some(name) = HostSettings::read(layout)?.storage else {
        return Ok(None);
    };
    let who = "host.toml".to_owned();
    let kind = kind(&name).map_err(|text| format!("{who}: {text}"))?;
    Ok(Some((kind, who)))
}

/// Takes a wish out of the configuration of a zone that comes from another host, when nobody here
/// can fulfil it; which driver that was.
pub(super) fn forget_impossible(config: &mut ZoneConfig, zonepath: &Path) -> Option<String> {
    let name = config.attr(DRIVER)?.to_owned();
    let kind = DriverKind::named(&name);
    if kind.is_some_and(|kind| choose_as(zonepath, Some(kind)).is_ok()) {
        return None;
    }
    config.attrs.retain(|it| it.name != DRIVER);
    Some(name)
}

/// The driver for a zone that is about to get files at an existing zonepath; written down there.
pub(super) fn choose(target: &Target<'_>, zonepath: &Path) -> Result<Box<dyn Driver>, String> {
    let choice = match wish(target.layout, target.config()?.attr(DRIVER))? {
        None => choose_as(zonepath, None).map_err(|error| chain(&error))?,
        Some((kind, who)) => {
            let mut choice = choose_as(zonepath, Some(kind)).map_err(|_| {
                format!(
                    "{who} asks for storage driver {}, which cannot work on the file system of \
                     `{}`; ask for another one, or for none, or choose another zonepath",
                    kind.as_str(),
                    zonepath.display()
                )
            })?;
            choice.why = format!("{who} asks for it");
            choice
        }
    };
    zones_storage::record(zonepath, &choice).map_err(|error| chain(&error))?;
    Ok(choice.driver)
}

/// Which driver zones get that are made in a folder, and why.
pub(super) fn default_of(layout: &Layout, folder: &Path) -> Result<(DriverKind, String), String> {
    let choice = match wish(layout, None)? {
        None => choose_as(folder, None).map_err(|error| chain(&error))?,
        Some((kind, who)) => {
            choose_as(folder, Some(kind)).map_err(|error| format!("{who}: {}", chain(&error)))?
        }
    };
    Ok((choice.driver.kind(), choice.why))
}

/// Has the limits of a zone that has files be those of its configuration.
pub(in crate::applet) fn limit(config: &ZoneConfig, zonepath: &Path) -> Result<(), String> {
    put(Wanted::of(config)?, zonepath)
}

/// As [`limit`], for what is known already.
pub(super) fn put(wanted: Wanted, zonepath: &Path) -> Result<(), String> {
    let driver = zones_storage::choose(zonepath).map_err(|error| chain(&error))?;
    let refused = driver.set_limit(zonepath, wanted.quota);
    refused.map_err(|error| match driver.kind() {
        DriverKind::Dir | DriverKind::Overlay => {
            format!("quota: {}", zones_storage::why_no_limit(zonepath))
        }
        _ => format!("quota: {}", chain(&error)),
    })?;
    let refused = driver.set_reservation(zonepath, wanted.reservation);
    refused.map_err(|_| {
        let kind = driver.kind().as_str();
        format!("reservation: storage driver {kind} keeps no space free; only ZFS does")
    })
}

#[cfg(test)]
mod tests {
    use zones_config::{Attr, AttrType};

    use super::*;

    fn config(attrs: &[(&str, &str)]) -> ZoneConfig {
        let attr = |(name, value): &(&str, &str)| Attr {
            name: (*name).to_owned(),
            attr_type: AttrType::String,
            value: (*value).to_owned(),
        };
        ZoneConfig {
            attrs: attrs.iter().map(attr).collect(),
            ..ZoneConfig::blank("web".parse().unwrap())
        }
    }

    #[test]
    fn sizes_and_drivers_are_understood_and_mistakes_named() {
        let some = config(&[("quota", "1.5G"), ("reservation", "none")]);
        let wanted = Wanted::of(&some).unwrap();
        assert_eq!(wanted.quota, Some(3 << 29));
        assert_eq!(wanted.reservation, None);
        assert_eq!(wrong(&some), None);
        assert_eq!(Wanted::of(&config(&[])).unwrap(), Wanted::default());
        for (name, value, want) in [
            ("quota", "much", "attr quota is a size such as 10G"),
            ("quota", "0", "not `0`"),
            ("reservation", "-1", "attr reservation is a size"),
            ("storage", "floppy", "`floppy` is no storage driver"),
        ] {
            let text = wrong(&config(&[(name, value)])).unwrap();
            assert!(text.contains(want), "{text}");
        }
        assert_eq!(wrong(&config(&[("storage", "overlay")])), None);
    }
}
