//! What a new configuration starts from.

use zones_config::{DEFAULT_BRAND, TEMPLATE_BLANK, TEMPLATE_DEFAULT, ZoneConfig};

/// Name, brand. Everything else is as in a blank configuration: IP type shared, no autoboot.
const TEMPLATES: [(&str, &str); 10] = [
    (TEMPLATE_DEFAULT, DEFAULT_BRAND),
    (TEMPLATE_BLANK, DEFAULT_BRAND),
    ("SYSdebian", "debian"),
    ("SYSipkg", "ipkg"),
    ("SYSlx", "lx"),
    ("SYSnative", "native"),
    ("SYSsparse", "sparse"),
    ("SUNWdefault", DEFAULT_BRAND),
    ("SUNWblank", DEFAULT_BRAND),
    ("SUNWlx", "lx"),
];

/// The templates that are compiled in; a file of the same name takes their place.
#[must_use]
pub fn builtin_template(name: &str) -> Option<ZoneConfig> {
    let (name, brand) = TEMPLATES.iter().find(|template| template.0 == name)?;
    let mut config = ZoneConfig::blank(name.parse().ok()?);
    config.brand = brand.parse().ok();
    Some(config)
}

/// Their names.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    TEMPLATES.iter().map(|template| template.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_has_its_brand() {
        for (name, brand) in TEMPLATES {
            let config = builtin_template(name).unwrap();
            assert_eq!(config.brand_or_default().as_str(), brand, "{name}");
            assert!(config.name.is_reserved());
        }
        assert_eq!(builtin_template("SYSnone"), None);
    }
}
