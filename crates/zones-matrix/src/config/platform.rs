//! `[axes]` and `[platform]`: the systems a product supports, and how their images come to be.

use super::filter::When;
use super::reader::{At, NAME_RULE, Section, is_name};
use super::settings::{Changes, NETWORKS, Network};

/// One axis and its values, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// Name, such as `suite`.
    pub name: String,
    /// Values; at least one.
    pub values: Vec<String>,
}

/// Names that a `when` has besides the axes.
pub(crate) const RESERVED: [&str; 3] = ["platform", "option", "scenario"];

pub(crate) fn axes(section: &Section<'_, '_>) -> Vec<Axis> {
    let mut axes = Vec::new();
    for entry in section.entries() {
        let (Some(name), Some(texts)) = (entry.checked_name(), entry.texts()) else {
            continue;
        };
        if RESERVED.contains(&name.as_str()) {
            let message = format!("an axis cannot be called `{name}`");
            section.fault(entry.at, message, "every cell has one of these already");
        }
        if texts.is_empty() {
            let message = format!("axis `{name}` has no values");
            section.fault(entry.at, message, "give it one, or leave the axis out");
        }
        let mut values: Vec<String> = Vec::new();
        for text in texts {
            if !is_name(&text.value) {
                let message = format!("`{}` cannot be a value of axis `{name}`", text.value);
                section.fault(text.at, message, NAME_RULE);
            } else if values.contains(&text.value) {
                let message = format!("axis `{name}` has `{}` twice", text.value);
                section.fault(text.at, message, "");
            } else {
                values.push(text.value);
            }
        }
        axes.push(Axis { name, values });
    }
    axes
}

/// Where the root of an image comes from; texts are templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Bootstrap {
        suite: At<String>,
        arch: At<String>,
        variant: Option<At<String>>,
        mirror: Option<At<String>>,
    },
    Import {
        tarball: At<String>,
        blake3: Option<String>,
    },
}

/// `image.*`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ImageRule {
    pub(crate) origin: Option<Origin>,
    pub(crate) kickstart: Option<At<String>>,
    /// What the kickstart sees.
    pub(crate) network: Option<Network>,
    pub(crate) packages: Option<Vec<String>>,
}

/// What `[platform]`, an override or an extra platform says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PlatformRule {
    pub(crate) brand: Option<String>,
    pub(crate) image: ImageRule,
    pub(crate) build_packages: Option<Vec<String>>,
    pub(crate) cell: Changes,
    pub(crate) tags: Vec<String>,
}

/// `[[platform.override]]`.
#[derive(Debug, Clone)]
pub(crate) struct Override {
    pub(crate) when: When,
    pub(crate) rule: PlatformRule,
}

/// `[[platform.extra]]`: a platform outside the product of the axes.
#[derive(Debug, Clone)]
pub(crate) struct Extra {
    pub(crate) id: At<String>,
    /// Values for templates and filters.
    pub(crate) axes: Vec<(String, String)>,
    pub(crate) rule: PlatformRule,
}

/// `[platform]` with all below it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Platforms {
    pub(crate) id: Option<At<String>>,
    pub(crate) rule: PlatformRule,
    pub(crate) overrides: Vec<Override>,
    pub(crate) extras: Vec<Extra>,
}

impl Platforms {
    pub(crate) fn read(section: Section<'_, '_>) -> Self {
        let id = section.text("id");
        let rule = PlatformRule::read(&section);
        let overrides = section.tables("override").into_iter().map(|table| {
            let when = When::below(&table, "when");
            let rule = PlatformRule::read(&table);
            table.finish();
            Override { when, rule }
        });
        let overrides = overrides.collect();
        let extras = section.tables("extra").into_iter().filter_map(extra);
        let extras = extras.collect();
        section.finish();
        Self {
            id,
            rule,
            overrides,
            extras,
        }
    }
}

fn extra(section: Section<'_, '_>) -> Option<Extra> {
    let id = section.need("id", section.text("id"));
    let mut axes = Vec::new();
    if let Some(table) = section.table("axes") {
        for entry in table.entries() {
            if let Some(text) = entry.text() {
                axes.push((entry.name.to_owned(), text.value));
            }
        }
    }
    let rule = PlatformRule::read(&section);
    section.finish();
    Some(Extra {
        id: id?,
        axes,
        rule,
    })
}

impl PlatformRule {
    fn read(section: &Section<'_, '_>) -> Self {
        let build_packages = section.table("build").and_then(|build| {
            let packages = build.words("packages");
            build.finish();
            packages
        });
        Self {
            brand: section.text("brand").map(|brand| brand.value),
            image: section
                .table("image")
                .map(ImageRule::read)
                .unwrap_or_default(),
            build_packages,
            cell: Changes::below(section, "cell"),
            tags: section.words("tags").unwrap_or_default(),
        }
    }
}

impl ImageRule {
    fn read(section: Section<'_, '_>) -> Self {
        let bootstrap = section.table("bootstrap").and_then(bootstrap);
        let import = section.table("import").and_then(import);
        if bootstrap.is_some() && import.is_some() {
            let message = format!("`{}` has two origins", section.name());
            section.fault(section.at(), message, "give `bootstrap` or `import`");
        }
        let rule = Self {
            origin: bootstrap.or(import),
            kickstart: section.text("kickstart"),
            network: section.word("network", &NETWORKS),
            packages: section.words("packages"),
        };
        section.finish();
        rule
    }

    /// Puts another rule over this one.
    pub(crate) fn overlay(&mut self, other: &Self) {
        if other.origin.is_some() {
            self.origin.clone_from(&other.origin);
        }
        if other.kickstart.is_some() {
            self.kickstart.clone_from(&other.kickstart);
        }
        self.network = other.network.or(self.network);
        if other.packages.is_some() {
            self.packages.clone_from(&other.packages);
        }
    }
}

fn bootstrap(section: Section<'_, '_>) -> Option<Origin> {
    let suite = section.need("suite", section.text("suite"));
    let arch = section.need("arch", section.text("arch"));
    let (variant, mirror) = (section.text("variant"), section.text("mirror"));
    section.finish();
    Some(Origin::Bootstrap {
        suite: suite?,
        arch: arch?,
        variant,
        mirror,
    })
}

fn import(section: Section<'_, '_>) -> Option<Origin> {
    let tarball = section.need("tarball", section.text("tarball"));
    let wanted = "64 hexadecimal digits";
    let blake3 = section.parsed("blake3", wanted, |text| {
        let is_hash = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_hash.then(|| text.to_ascii_lowercase())
    });
    section.finish();
    Some(Origin::Import {
        tarball: tarball?,
        blake3,
    })
}
