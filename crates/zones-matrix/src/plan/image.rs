//! Platforms, and the golden images they start from.

use serde_json::{Map, Value, json};

use super::World;
use super::files::Files;
use crate::config::platform::{ImageRule, Origin, Override, PlatformRule};
use crate::config::{At, Matrix, Network, Problems, SCHEMA, Settings, is_name};
use crate::key::Key;
use crate::template;

/// A golden image: what every cell of a platform is cloned from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Everything that can change a byte of it.
    pub inputs: Value,
    /// Why nobody could say what its origin stands for just now; cells of it cannot run then.
    pub unresolved: Option<String>,
    /// The key of all inputs.
    pub key: Key,
    /// The key of the names alone, without what they stand for just now: an image of equal weak
    /// key may serve where the network is not there, and is then called stale.
    pub weak: Key,
    /// The script that makes the last changes, relative to the matrix file.
    pub kickstart: Option<String>,
    /// The network that script sees.
    pub network: Network,
}

/// One system that the product supports.
#[derive(Debug, Clone)]
pub struct Platform {
    /// Its id, the first part of the ids of its cells.
    pub id: String,
    /// Its value on each axis, in the order of the axes.
    pub axes: Vec<(String, String)>,
    /// Brand of its zones.
    pub brand: String,
    /// What its cells start from.
    pub image: Image,
    /// Packages that build zones have besides those of the image.
    pub build_packages: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    pub(super) settings: Settings,
}

impl Platform {
    /// Its value on an axis; `platform` is its id.
    #[must_use]
    pub fn value(&self, axis: &str) -> Option<&str> {
        if axis == "platform" {
            return Some(&self.id);
        }
        let found = self.axes.iter().find(|(name, _)| name == axis);
        found.map(|(_, value)| value.as_str())
    }
}

/// What `[platform]`, its overrides and extras make.
pub(super) fn platforms(
    matrix: &Matrix,
    world: &dyn World,
    files: &Files<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Platform> {
    let mut maker = Maker {
        matrix,
        world,
        files,
        problems,
        met: vec![false; matrix.platforms.overrides.len()],
    };
    let mut all: Vec<Platform> = Vec::new();
    if let Some(template) = &matrix.platforms.id {
        for axes in product(matrix) {
            let base = PlatformRule::default();
            all.extend(maker.platform(template, axes, &base));
        }
    }
    for extra in &matrix.platforms.extras {
        all.extend(maker.platform(&extra.id, extra.axes.clone(), &extra.rule));
    }
    maker.finish();
    for (at, platform) in all.iter().enumerate() {
        if all[..at].iter().any(|other| other.id == platform.id) {
            let place = matrix.platforms.id.as_ref().map_or(0, |id| id.at);
            let message = format!("two platforms have the id `{}`", platform.id);
            problems
                .add(place, message)
                .hint("name every axis in the template of the id");
        }
    }
    if all.is_empty() && problems.is_empty() {
        problems
            .general("the matrix has no platforms")
            .hint("give `platform.id` a template");
    }
    all
}

/// Every choice of one value on each axis, the first axis outermost.
fn product(matrix: &Matrix) -> Vec<Vec<(String, String)>> {
    let mut all = vec![Vec::new()];
    for axis in &matrix.axes {
        all = all
            .iter()
            .flat_map(|before: &Vec<(String, String)>| {
                axis.values.iter().map(move |value| {
                    let mut next = before.clone();
                    next.push((axis.name.clone(), value.clone()));
                    next
                })
            })
            .collect();
    }
    all
}

struct Maker<'m, 'p, 't> {
    matrix: &'m Matrix,
    world: &'m dyn World,
    files: &'m Files<'m>,
    problems: &'p mut Problems<'t>,
    met: Vec<bool>,
}

impl Maker<'_, '_, '_> {
    fn platform(
        &mut self,
        template: &At<String>,
        axes: Vec<(String, String)>,
        own: &PlatformRule,
    ) -> Option<Platform> {
        let lookup = |name: &str| lookup(&axes, "", name);
        let id = fill(template, lookup, self.problems)?;
        if !is_name(&id) {
            self.problems.add(
                template.at,
                format!("`{id}` cannot be the id of a platform"),
            );
            return None;
        }
        let mut settings = self.matrix.cell.clone();
        let mut brand = self.matrix.platforms.rule.brand.clone();
        let mut image = self.matrix.platforms.rule.image.clone();
        let mut build = self.matrix.platforms.rule.build_packages.clone();
        let mut tags = Vec::new();
        let meets = |(_, rule): &(usize, &Override)| {
            rule.when.matches(|key| match key {
                "platform" => Some(id.as_str()),
                key => lookup(key),
            })
        };
        let overrides = self.matrix.platforms.overrides.iter().enumerate();
        let meeting: Vec<(usize, &Override)> = overrides.filter(meets).collect();
        for (at, _) in &meeting {
            self.met[*at] = true;
        }
        let base = [&self.matrix.platforms.rule];
        for rule in base
            .into_iter()
            .chain(meeting.iter().map(|(_, o)| &o.rule))
            .chain([own])
        {
            rule.cell.apply(&mut settings);
            image.overlay(&rule.image);
            brand = rule.brand.clone().or(brand);
            build = rule.build_packages.clone().or(build);
            tags.extend(rule.tags.iter().cloned());
        }
        let Some(brand) = brand else {
            let message = format!("platform `{id}` has no brand");
            self.problems
                .add(template.at, message)
                .hint("set `platform.brand`");
            return None;
        };
        let image = self.image(&id, &axes, &brand, &image, template.at)?;
        Some(Platform {
            id,
            axes,
            brand,
            image,
            build_packages: build.unwrap_or_default(),
            tags,
            settings,
        })
    }

    fn image(
        &mut self,
        id: &str,
        axes: &[(String, String)],
        brand: &str,
        rule: &ImageRule,
        at: usize,
    ) -> Option<Image> {
        let lookup = |name: &str| lookup(axes, id, name);
        let Some(origin) = &rule.origin else {
            let problem = self
                .problems
                .add(at, format!("platform `{id}` has no image"));
            problem.hint("set `image.bootstrap` or `image.import`");
            return None;
        };
        let mut from = Map::new();
        match origin {
            Origin::Bootstrap {
                suite,
                arch,
                variant,
                mirror,
            } => {
                let parts = [("suite", Some(suite)), ("arch", Some(arch))];
                let more = [("variant", variant.as_ref()), ("mirror", mirror.as_ref())];
                for (name, text) in parts.into_iter().chain(more) {
                    if let Some(text) = text {
                        from.insert(name.to_owned(), fill(text, lookup, self.problems)?.into());
                    }
                }
            }
            Origin::Import { tarball, blake3 } => {
                let path = fill(tarball, lookup, self.problems)?;
                let hash = match blake3 {
                    Some(hash) => hash.clone(),
                    None => self
                        .files
                        .must(&path, tarball.at, self.problems)?
                        .to_string(),
                };
                from.insert("tarball".to_owned(), path.into());
                from.insert("blake3".to_owned(), hash.into());
            }
        }
        let kickstart = match &rule.kickstart {
            None => None,
            Some(text) => Some((fill(text, lookup, self.problems)?, text.at)),
        };
        let script = match &kickstart {
            None => None,
            Some((path, at)) => Some(self.files.must(path, *at, self.problems)?.to_string()),
        };
        let network = rule.network.unwrap_or(Network::None);
        let mut names = json!({
            "schema": SCHEMA,
            "brand": brand,
            "arch": lookup("arch"),
            "origin": from,
            "kickstart": script,
            "network": network.as_str(),
            "packages": rule.packages.clone().unwrap_or_default(),
        });
        let weak = Key::of(&names);
        // One server that does not answer is no fault of the file, nor of other platforms.
        let (resolved, unresolved) = match self.world.resolve(id, &names) {
            Ok(resolved) => (resolved, None),
            Err(why) => (serde_json::Value::Null, Some(why)),
        };
        if let Value::Object(map) = &mut names {
            map.insert("resolved".to_owned(), resolved);
        }
        Some(Image {
            key: Key::of(&names),
            inputs: names,
            unresolved,
            weak,
            kickstart: kickstart.map(|(path, _)| path),
            network,
        })
    }

    fn finish(self) {
        for (rule, met) in self.matrix.platforms.overrides.iter().zip(&self.met) {
            if !met {
                let problem = self
                    .problems
                    .add(rule.when.at, "the override meets no platform");
                problem.hint("platforms have axes and an id, no option and no scenario");
            }
        }
    }
}

fn lookup<'a>(axes: &'a [(String, String)], platform: &'a str, name: &str) -> Option<&'a str> {
    if name == "platform" && !platform.is_empty() {
        return Some(platform);
    }
    let found = axes.iter().find(|(axis, _)| axis == name);
    found.map(|(_, value)| value.as_str())
}

/// Fills a template, or notes why it cannot be filled.
pub(super) fn fill<'a>(
    text: &At<String>,
    lookup: impl Fn(&str) -> Option<&'a str>,
    problems: &mut Problems<'_>,
) -> Option<String> {
    match template::expand(&text.value, lookup) {
        Ok(filled) => Some(filled),
        Err(fault) => {
            let problem = problems.add(text.at, format!("`{}`: {fault}", text.value));
            problem.hint("templates know axes, `platform`, `option`, `scenario`; `{{` is a brace");
            None
        }
    }
}
