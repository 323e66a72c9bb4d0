//! Linked images: a child whose packages a parent constrains. Data goes from parent to child only.
//!
//! The child keeps copies of what it needs of its parent in `linked/`, so that its constraints hold
//! although the parent cannot be reached.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use zones_ips::{Fmri, Stem};
use zones_solver::Parent;

use crate::error::{ImageError, Result};
use crate::folder::{Batch, Folder};
use crate::image::Image;

const PROPERTIES: &str = "linked/linked_prop";
const PACKAGES: &str = "linked/linked_ppkgs";
const FACETS: &str = "linked/linked_pfacets";
const PUBLISHERS: &str = "linked/linked_ppubs";

/// What a child knows of its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// `zone:NAME` or `system:NAME`.
    pub name: String,
    /// `push` when the parent knows the child, else `pull`.
    pub model: String,
    /// Where the parent is; of a pull child only.
    pub parent: Option<String>,
    /// Where the child is.
    pub path: String,
    /// What is installed in the parent.
    pub packages: Vec<Fmri>,
    /// Facets that the child takes over.
    pub facets: BTreeMap<String, bool>,
    /// The parent's publishers in order, and whether each is sticky.
    pub publishers: Vec<(String, bool)>,
}

impl Link {
    pub(crate) fn read(folder: &Folder) -> Result<Option<Self>> {
        let Some(properties) = json_of(folder, PROPERTIES)? else {
            return Ok(None);
        };
        let text = |name: &str| {
            properties
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let damaged = |name: &str| ImageError::damaged(&folder.full(name), "not of the right form");
        let packages = json_of(folder, PACKAGES)?.unwrap_or_else(|| json!([]));
        let packages = packages.as_array().ok_or_else(|| damaged(PACKAGES))?;
        let packages = packages.iter().map(|it| it.as_str()?.parse().ok());
        let packages: Option<Vec<Fmri>> = packages.collect();
        let facets = json_of(folder, FACETS)?.unwrap_or_else(|| json!({}));
        let facets = facets.as_object().ok_or_else(|| damaged(FACETS))?;
        let facets = facets
            .iter()
            .filter_map(|(name, it)| Some((name.clone(), it.as_bool()?)));
        let publishers = json_of(folder, PUBLISHERS)?.unwrap_or_else(|| json!([]));
        let publishers = publishers.as_array().ok_or_else(|| damaged(PUBLISHERS))?;
        let publishers = publishers
            .iter()
            .map(|it| Some((it.get(0)?.as_str()?.to_owned(), it.get(1)?.as_bool()?)));
        let publishers: Option<Vec<_>> = publishers.collect();
        Ok(Some(Self {
            name: text("li-name").ok_or_else(|| damaged(PROPERTIES))?,
            model: text("li-model").ok_or_else(|| damaged(PROPERTIES))?,
            parent: text("li-parent"),
            path: text("li-path").unwrap_or_default(),
            packages: packages.ok_or_else(|| damaged(PACKAGES))?,
            facets: facets.collect(),
            publishers: publishers.ok_or_else(|| damaged(PUBLISHERS))?,
        }))
    }

    pub(crate) fn write(&self, to: &mut Batch<'_>) -> Result<()> {
        let mut put = |name: &str, value: &Value| to.add(name, value.to_string().as_bytes());
        let packages: Vec<String> = self.packages.iter().map(ToString::to_string).collect();
        put(PACKAGES, &json!(packages))?;
        put(FACETS, &json!(self.facets))?;
        put(PUBLISHERS, &json!(self.publishers))?;
        let mut properties = Map::new();
        properties.insert("li-name".to_owned(), json!(self.name));
        properties.insert("li-model".to_owned(), json!(self.model));
        if let Some(parent) = &self.parent {
            properties.insert("li-parent".to_owned(), json!(parent));
        }
        properties.insert("li-path".to_owned(), json!(self.path));
        // The properties last: by them the image is a child.
        put(PROPERTIES, &Value::Object(properties))
    }

    /// The constraints of the parent, for the solver.
    #[must_use]
    pub(crate) fn constraints(&self) -> Parent {
        let installed = self.packages.iter().filter_map(|it| {
            let value = (it.publisher()?.clone(), it.version()?.clone());
            Some((it.stem().clone(), value))
        });
        let installed: BTreeMap<Stem, _> = installed.collect();
        Parent {
            is_global_zone: self.name.starts_with("zone:"),
            installed,
        }
    }
}

/// The kinds of names of children, and what each is.
const KINDS: [&str; 2] = ["zone:", "system:"];

/// Checks the name of a child.
///
/// # Errors
/// It has no known kind, or nothing behind it.
pub fn check_name(name: &str) -> Result<()> {
    let rest = KINDS.iter().find_map(|kind| name.strip_prefix(kind));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains([' ', '/', '\n']) => Ok(()),
        _ => Err(ImageError::Refused(format!(
            "'{name}' is no name of a linked image; write zone:NAME or system:NAME"
        ))),
    }
}

impl Image {
    /// Writes what `parent` has into this image, which becomes or stays its child.
    ///
    /// Nothing else is changed; whether it is in step, a plan of `Sync` tells.
    ///
    /// # Errors
    /// The publishers of the child do not begin with those of the parent, or a write fails.
    pub fn attach(&self, parent: &Image, name: &str, model: &str, is_forced: bool) -> Result<Link> {
        check_name(name)?;
        if let Some(old) = self.link()?
            && old.name != name
            && !is_forced
        {
            return Err(ImageError::Refused(format!(
                "the image is a linked child already: {}; detach it first: pkg detach-linked",
                old.name
            )));
        }
        let link = self.link_to(parent, name, model)?;
        self.check_publishers(&link)?;
        self.folder.together(|batch| link.write(batch))?;
        Ok(link)
    }

    fn link_to(&self, parent: &Image, name: &str, model: &str) -> Result<Link> {
        let slash = |path: &std::path::Path| format!("{}/", path.display());
        let facets = parent.settings.facets.local();
        let is_inherited = |name: &str| name.starts_with("facet.version-lock.");
        Ok(Link {
            name: name.to_owned(),
            model: model.to_owned(),
            parent: (model == "pull").then(|| slash(parent.path())),
            path: slash(self.path()),
            packages: parent.installed()?.iter().cloned().collect(),
            facets: facets
                .filter(|(name, _)| is_inherited(name))
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            publishers: parent
                .enabled()
                .filter(|it| it.properties.get("nochild").map(String::as_str) != Some("true"))
                .map(|it| (it.prefix.to_string(), it.is_sticky))
                .collect(),
        })
    }

    /// The publishers of a child begin with those of its parent.
    fn check_publishers(&self, link: &Link) -> Result<()> {
        let own = self
            .enabled()
            .map(|it| (it.prefix.to_string(), it.is_sticky));
        let own: Vec<(String, bool)> = own.collect();
        if own.starts_with(&link.publishers) {
            return Ok(());
        }
        let lines = |list: &[(String, bool)]| {
            let row = |(at, (name, is_sticky)): (usize, &(String, bool))| {
                let note = if *is_sticky { "" } else { " (non-sticky)" };
                format!("\n    PUBLISHER {at}: {name}{note}")
            };
            list.iter().enumerate().map(row).collect::<String>()
        };
        Err(ImageError::Refused(format!(
            "Invalid child image publisher configuration.  Child image publisher\n\
             configuration must be a superset of the parent image publisher configuration.\n\
             The parent image has the following enabled publishers:{}\n\
             The child image has the following enabled publishers:{}",
            lines(&link.publishers),
            lines(&own)
        )))
    }

    /// Whether this image may be a child of `parent` as both are set up now.
    ///
    /// # Errors
    /// Its publishers do not begin with those of the parent.
    pub fn check_parent(&self, parent: &Image) -> Result<()> {
        match self.link()? {
            Some(old) => self.check_publishers(&self.link_to(parent, &old.name, &old.model)?),
            None => Ok(()),
        }
    }

    /// Makes the image independent again.
    ///
    /// # Errors
    /// It is no child.
    pub fn detach(&self) -> Result<()> {
        if self.link()?.is_none() {
            return Err(ImageError::Refused(
                "the image is no linked child; see: pkg list-linked".to_owned(),
            ));
        }
        self.folder.remove("linked")
    }

    /// As [`Image::detach`]; an image that is no child is fine.
    ///
    /// # Errors
    /// The link cannot be removed.
    pub fn detach_if_linked(&self) -> Result<()> {
        self.folder.remove("linked")
    }

    /// Takes over what the parent has now. A pull child asks its parent; without one that can be
    /// reached, the copies stay.
    ///
    /// # Errors
    /// The parent cannot be read.
    pub fn refresh_link(&self, parent: &Image) -> Result<()> {
        match self.link()? {
            Some(old) => {
                let new = self.link_to(parent, &old.name, &old.model)?;
                if new != old {
                    self.check_publishers(&new)?;
                    self.folder.together(|batch| new.write(batch))?;
                }
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn json_of(folder: &Folder, name: &str) -> Result<Option<Value>> {
    let Some(text) = folder.text(name)? else {
        return Ok(None);
    };
    let value = serde_json::from_str(&text);
    value
        .map(Some)
        .map_err(|error| ImageError::damaged(&folder.full(name), error))
}
