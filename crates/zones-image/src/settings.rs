//! `pkg5.image`: properties, publishers, variants, facets and mediators of an image.

mod publisher;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use zones_ips::facet::Facets;
use zones_ips::mediator::{Implementation, Setting};
use zones_ips::variant::Variants;
use zones_ips::{DotSequence, Publisher};
use zones_repository::Configuration;
use zones_repository::config::{printed, words};

use crate::error::{ImageError, Result};
use crate::trust::REVOCATION;

pub use publisher::{Origin, PublisherSettings};

/// Property of an image that holds no files: its packages are only recorded, for the images that
/// are linked to it.
pub const RECORDS_ONLY: &str = "records-only";

/// The format that is written.
const VERSION: u32 = 4;

/// A property of an image: name, value of a new image. Source: pkg(7), "Image Properties".
const PROPERTIES: [(&str, &str); 21] = [
    ("auto-be-name", "be-name"),
    ("be-policy", "default"),
    ("ca-path", "/etc/openssl/certs"),
    ("check-certificate-revocation", "False"),
    ("content-update-policy", "default"),
    ("default-recurse", "False"),
    ("dehydrated", "[]"),
    ("exclude-patterns", "[]"),
    ("exclude-policy", "reject"),
    ("flush-content-cache-on-success", "True"),
    ("key-files", "[]"),
    ("mirror-discovery", "False"),
    ("preferred-authority", ""),
    ("publisher-search-order", "[]"),
    ("recursion-concurrency", "1"),
    ("send-uuid", "True"),
    ("signature-policy", "verify"),
    ("signature-required-names", "[]"),
    ("temp-be-activation", "False"),
    ("trust-anchor-directory", "etc/ssl/pkg"),
    ("use-system-repo", "False"),
];

/// Values that a property may have, where they are few.
const CHOICES: [(&str, &[&str]); 4] = [
    (
        "be-policy",
        &["default", "always-new", "create-backup", "when-required"],
    ),
    (
        "content-update-policy",
        &["default", "always", "when-required"],
    ),
    (
        "signature-policy",
        &["ignore", "verify", "require-signatures", "require-names"],
    ),
    ("exclude-policy", &["reject", "warn", "ignore"]),
];

/// Properties that are changed by commands of their own.
const OWNED: [&str; 2] = ["preferred-authority", "publisher-search-order"];

/// The settings of an image.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Properties by name, as they are written.
    properties: BTreeMap<String, String>,
    /// The publishers in search order.
    pub publishers: Vec<PublisherSettings>,
    /// Variants.
    pub variants: Variants,
    /// Facets.
    pub facets: Facets,
    /// What the administrator chose, by mediator.
    pub mediators: BTreeMap<String, Setting>,
    /// Linked children that this image knows of: name, then properties.
    pub linked: BTreeMap<String, BTreeMap<String, String>>,
}

impl Settings {
    /// Those of a new image.
    #[must_use]
    pub fn new() -> Self {
        let rows = PROPERTIES.iter();
        Self {
            properties: rows
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Self::default()
        }
    }

    /// Reads the text of the file at `path`, which is for messages.
    ///
    /// # Errors
    /// The text is no document of sections, or of a later format.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let document = Configuration::parse(text, path)?;
        let version = document.get("image", "version").unwrap_or("4");
        let number: u32 = version
            .parse()
            .map_err(|_| ImageError::damaged(path, "the version of the image is no number"))?;
        if number > VERSION {
            return Err(ImageError::Newer {
                path: path.to_owned(),
                version: version.to_owned(),
            });
        }
        let mut settings = Self::new();
        for (name, value) in document.section("property") {
            settings
                .properties
                .insert(name.to_owned(), value.to_owned());
        }
        for (name, value) in document.section("variant") {
            settings.variants.set(name, value);
        }
        for (name, value) in document.section("facet") {
            settings
                .facets
                .set(name, value.eq_ignore_ascii_case("true"));
        }
        settings.mediators = mediators(&document);
        settings.publishers = publishers(&document, path)?;
        for section in document.sections() {
            if let Some(name) = section.strip_prefix("linked_") {
                let rows = document.section(section);
                let rows = rows.map(|(name, value)| (name.to_owned(), value.to_owned()));
                settings.linked.insert(name.to_owned(), rows.collect());
            }
        }
        Ok(settings)
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut document = Configuration::empty();
        document.put("image", "version", &VERSION.to_string());
        for (name, value) in &self.properties {
            document.put("property", name, value);
        }
        let order: Vec<&str> = self
            .publishers
            .iter()
            .map(|it| it.prefix.as_str())
            .collect();
        document.put("property", "publisher-search-order", &printed(&order));
        let preferred = order.first().copied().unwrap_or_default();
        document.put("property", "preferred-authority", preferred);
        for publisher in &self.publishers {
            publisher.write(&mut document);
        }
        for (name, value) in self.variants.iter() {
            document.put("variant", name, value);
        }
        for (name, value) in self.facets.local() {
            document.put("facet", name, if value { "True" } else { "False" });
        }
        for (name, setting) in &self.mediators {
            write_mediator(&mut document, name, setting);
        }
        for (name, rows) in &self.linked {
            for (property, value) in rows {
                document.put(&format!("linked_{name}"), property, value);
            }
        }
        document.put("CONFIGURATION", "version", "3");
        document.text()
    }

    /// The publisher of this prefix.
    #[must_use]
    pub fn publisher(&self, prefix: &str) -> Option<&PublisherSettings> {
        self.publishers
            .iter()
            .find(|it| it.prefix.as_str() == prefix)
    }

    /// As [`Settings::publisher`], to change it.
    pub fn publisher_mut(&mut self, prefix: &str) -> Option<&mut PublisherSettings> {
        let mut all = self.publishers.iter_mut();
        all.find(|it| it.prefix.as_str() == prefix)
    }

    /// Properties by name with their values as they are written.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.properties.iter();
        own.filter(|(name, _)| !OWNED.contains(&name.as_str()))
            .map(|(name, value)| (&**name, &**value))
    }

    /// The value of a property as it is written; empty when there is none.
    #[must_use]
    pub fn property(&self, name: &str) -> &str {
        self.properties.get(name).map_or("", String::as_str)
    }

    /// Whether a property is `True`.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.property(name).eq_ignore_ascii_case("true")
    }

    /// The words of a property that is a list.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        words(self.property(name))
    }

    /// Gives a property one value.
    ///
    /// # Errors
    /// It has a command of its own, or the value is none of its values.
    pub fn set_property(&mut self, name: &str, value: &str) -> Result<()> {
        check(name, value)?;
        let is_one = is_list(name) && !value.is_empty() && !value.starts_with('[');
        let value = if is_one {
            printed(&[value])
        } else {
            value.to_owned()
        };
        self.properties.insert(name.to_owned(), value);
        Ok(())
    }

    /// Adds a value to a property that is a list.
    ///
    /// # Errors
    /// The property is no list.
    pub fn add_value(&mut self, name: &str, value: &str) -> Result<()> {
        check(name, value)?;
        self.change_list(name, |list| {
            list.push(value.to_owned());
            true
        })
    }

    /// Takes a value out of a property that is a list.
    ///
    /// # Errors
    /// The property is no list, or has no such value.
    pub fn remove_value(&mut self, name: &str, value: &str) -> Result<()> {
        self.change_list(name, |list| {
            let old = list.len();
            list.retain(|it| it != value);
            old != list.len()
        })
    }

    /// Takes a property away, or back to its default where it has one.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn unset_property(&mut self, name: &str) -> Result<()> {
        check(name, "")?;
        if self.properties.remove(name).is_none() {
            return Err(ImageError::Refused(format!("no such property: {name}")));
        }
        if let Some((_, value)) = PROPERTIES.iter().find(|(known, _)| *known == name) {
            self.properties.insert(name.to_owned(), (*value).to_owned());
        }
        Ok(())
    }

    fn change_list(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Vec<String>) -> bool,
    ) -> Result<()> {
        check(name, "")?;
        let is_known = PROPERTIES.iter().any(|(known, _)| *known == name);
        if is_known && !is_list(name) {
            return Err(ImageError::Refused(format!(
                "property '{name}' holds one value; use: pkg set-property"
            )));
        }
        let mut list = self.list(name);
        if !change(&mut list) {
            return Err(ImageError::Refused(format!(
                "property '{name}' has no such value"
            )));
        }
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        self.properties.insert(name.to_owned(), printed(&list));
        Ok(())
    }
}

fn is_list(name: &str) -> bool {
    PROPERTIES
        .iter()
        .any(|(known, value)| *known == name && *value == "[]")
}

fn check(name: &str, value: &str) -> Result<()> {
    if OWNED.contains(&name) {
        return Err(ImageError::Refused(format!(
            "property '{name}' follows the publishers; use: pkg set-publisher"
        )));
    }
    if name.is_empty() || name.contains(['=', '[', ']', '\n', ' ']) {
        return Err(ImageError::Refused(format!(
            "illegal property name '{name}'"
        )));
    }
    // A demand that nothing enforces must not look as if it were met.
    if name == REVOCATION && value.eq_ignore_ascii_case("true") {
        return Err(ImageError::Refused(format!(
            "property '{name}' cannot be True: lists of revoked certificates are not asked here; \
             revoke a certificate with: pkg set-publisher --revoke-ca-cert DIGEST"
        )));
    }
    let choices = CHOICES.iter().find(|(known, _)| *known == name);
    match choices {
        Some((_, values)) if !value.is_empty() && !values.contains(&value) => {
            Err(ImageError::Refused(format!(
                "invalid value '{value}' for property '{name}'; it is one of {}",
                values.join(", ")
            )))
        }
        _ if value.contains('\n') => Err(ImageError::Refused(format!(
            "the value of property '{name}' must be one line"
        ))),
        _ => Ok(()),
    }
}

fn publishers(document: &Configuration, path: &Path) -> Result<Vec<PublisherSettings>> {
    let mut found = Vec::new();
    for section in document.sections() {
        let Some(prefix) = section.strip_prefix("authority_") else {
            continue;
        };
        let prefix: Publisher = prefix
            .parse()
            .map_err(|error| ImageError::damaged(path, error))?;
        found.push(PublisherSettings::read(prefix, document, section));
    }
    let order = document.list("property", "publisher-search-order");
    let place = |it: &PublisherSettings| {
        let at = order.iter().position(|name| name == it.prefix.as_str());
        at.unwrap_or(usize::MAX)
    };
    found.sort_by_key(place);
    Ok(found)
}

/// `NAME.version`, `NAME.implementation`, each with its source beside.
fn mediators(document: &Configuration) -> BTreeMap<String, Setting> {
    let mut found: BTreeMap<String, Setting> = BTreeMap::new();
    for (key, value) in document.section("mediators") {
        let Some((name, what)) = key.rsplit_once('.') else {
            continue;
        };
        match what {
            "version" => {
                let version: Option<DotSequence> = value.parse().ok();
                found.entry(name.to_owned()).or_default().version = version;
            }
            "implementation" => {
                let implementation = Implementation::parse(value).ok();
                found.entry(name.to_owned()).or_default().implementation = implementation;
            }
            _ => {}
        }
    }
    found
}

fn write_mediator(document: &mut Configuration, name: &str, setting: &Setting) {
    let mut put = |what: &str, value: &dyn ToString| {
        document.put("mediators", &format!("{name}.{what}"), &value.to_string());
        document.put("mediators", &format!("{name}.{what}-source"), "local");
    };
    if let Some(version) = &setting.version {
        put("version", version);
    }
    if let Some(implementation) = &setting.implementation {
        put("implementation", implementation);
    }
}
