//! Repositories, images and requests as text.
//!
//! ```text
//! publisher test [non-sticky] [disabled]
//!   lib/bar@1.0 [obsolete|renamed|unsupported|variant.arch] [explicit] [hold=NAME]
//!     require lib/baz@1
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use zones_ips::{Fmri, Pattern, Publisher, Stem, Version};
use zones_solver::{
    Depend, Freeze, Image, Operation, Parent, Release, Request, SELF, Source, Status, Target,
};

/// What is offered.
#[derive(Clone, Default)]
pub struct World {
    pub publishers: Vec<Source>,
    pub offers: BTreeMap<Stem, Vec<Arc<Release>>>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for release in self.offers.values().flatten() {
            write!(f, "\n  {} {:?}", release.fmri().short(), release.status)?;
            for depend in &release.depends {
                let targets: Vec<_> = depend.targets().iter().map(ToString::to_string).collect();
                write!(f, "\n    {} {}", depend.word(), targets.join(" "))?;
                if let Depend::Conditional { predicate, .. } = depend {
                    write!(f, " when {predicate}")?;
                }
            }
        }
        Ok(())
    }
}

pub fn stem(text: &str) -> Stem {
    text.parse()
        .unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

fn fmri(text: &str) -> Fmri {
    text.parse()
        .unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

pub fn version(text: &str) -> Version {
    text.parse()
        .unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

pub fn target(text: &str) -> Target {
    let fmri = fmri(text);
    Target {
        stem: fmri.stem().clone(),
        version: fmri.version().cloned(),
    }
}

fn depend(line: &str) -> Depend {
    let mut words = line.split_whitespace();
    let kind = words.next().expect("a kind of dependency");
    let rest: Vec<&str> = words.collect();
    let one = || target(rest[0]);
    let all = || rest.iter().map(|it| target(it)).collect();
    match kind {
        "require" => Depend::Require(one()),
        "optional" => Depend::Optional(one()),
        "exclude" => Depend::Exclude(one()),
        "incorporate" => Depend::Incorporate(one()),
        "require-any" => Depend::RequireAny(all()),
        "group" => Depend::Group(one()),
        "group-any" => Depend::GroupAny(all()),
        "origin" => Depend::Origin(one()),
        "root-origin" => Depend::RootOrigin(one()),
        "parent" if rest[0] == SELF => Depend::ParentSelf,
        "parent" => Depend::Parent(one()),
        // conditional TARGET when PREDICATE
        "conditional" => Depend::Conditional {
            target: one(),
            predicate: target(rest[2]),
        },
        other => panic!("no kind of dependency: {other}"),
    }
}

fn release(publisher: &Publisher, line: &str) -> Release {
    let mut words = line.split_whitespace();
    let fmri = fmri(words.next().expect("a package"));
    let mut release = Release {
        publisher: publisher.clone(),
        stem: fmri.stem().clone(),
        version: fmri.version().cloned().unwrap_or_else(|| version("1")),
        status: Status::Plain,
        depends: Vec::new(),
        hold: None,
        is_explicit: false,
    };
    for word in words {
        match word {
            "obsolete" => release.status = Status::Obsolete,
            "renamed" => release.status = Status::Renamed,
            "unsupported" => release.status = Status::Unsupported,
            "explicit" => release.is_explicit = true,
            _ if word.starts_with("variant.") => {
                release.status = Status::OtherVariant(word.to_owned());
            }
            _ => match word.strip_prefix("hold=") {
                Some(hold) => release.hold = Some(hold.to_owned()),
                None => panic!("unknown word `{word}`"),
            },
        }
    }
    release
}

impl World {
    /// Reads publishers and what they offer; lines below a publisher are indented.
    pub fn read(text: &str) -> Self {
        let mut world = Self::default();
        let mut releases: Vec<Release> = Vec::new();
        for line in text.lines().filter(|it| !it.trim().is_empty()) {
            let depth = line.len() - line.trim_start().len();
            let words: Vec<&str> = line.split_whitespace().collect();
            match depth {
                0 => world.publishers.push(Source {
                    publisher: words[1].parse().expect("a publisher"),
                    is_sticky: !words.contains(&"non-sticky"),
                    is_enabled: !words.contains(&"disabled"),
                }),
                2 => {
                    let source = world.publishers.last().expect("a publisher first");
                    releases.push(release(&source.publisher, line));
                }
                _ => releases
                    .last_mut()
                    .expect("a package first")
                    .depends
                    .push(depend(line)),
            }
        }
        for release in releases {
            let list = world.offers.entry(release.stem.clone()).or_default();
            list.push(Arc::new(release));
        }
        world
    }

    /// An offered release by its name and version, of the first publisher unless one is named.
    pub fn find(&self, text: &str) -> Arc<Release> {
        let fmri = fmri(text);
        let fits = |it: &&Arc<Release>| {
            Some(&it.version) == fmri.version()
                && fmri
                    .publisher()
                    .is_none_or(|publisher| *publisher == it.publisher)
        };
        let list = self.offers.get(fmri.stem());
        let found = list.and_then(|it| it.iter().find(fits));
        found
            .unwrap_or_else(|| panic!("nobody offers {text}"))
            .clone()
    }

    /// An image with these publishers and nothing in it.
    pub fn image(&self) -> Image {
        Image {
            publishers: self.publishers.clone(),
            ..Image::default()
        }
    }

    /// Reads one line of the state of an image.
    pub fn add(&self, image: &mut Image, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let parent = || {
            let release = self.find(words[1]);
            (
                release.stem.clone(),
                (release.publisher.clone(), release.version.clone()),
            )
        };
        match words[0] {
            "installed" => {
                let release = self.find(words[1]);
                image.installed.insert(release.stem.clone(), release);
            }
            "frozen" => {
                let target = target(words[1]);
                let freeze = Freeze {
                    version: target.version.expect("a version"),
                    comment: words.get(2).map(|_| words[2..].join(" ")),
                };
                image.frozen.insert(target.stem, freeze);
            }
            "avoided" => {
                image.avoided.insert(stem(words[1]));
            }
            "zone" => {
                image
                    .parent
                    .get_or_insert_with(Parent::default)
                    .is_global_zone = true
            }
            "child" => {
                image.parent.get_or_insert_with(Parent::default);
            }
            "parent" => {
                let (stem, row) = parent();
                image
                    .parent
                    .get_or_insert_with(Parent::default)
                    .installed
                    .insert(stem, row);
            }
            "root" => {
                let target = target(words[1]);
                let row = (target.stem, target.version.expect("a version"));
                image.root.get_or_insert_with(BTreeMap::new).extend([row]);
            }
            other => panic!("unknown word `{other}`"),
        }
    }
}

pub fn patterns(words: &[&str]) -> Vec<Pattern> {
    let read = |it: &&str| it.parse().unwrap_or_else(|error| panic!("`{it}`: {error}"));
    words.iter().map(read).collect()
}

/// Reads a request: an operation, patterns, `--reject PATTERN`, `--ignore-missing`.
pub fn request(line: &str) -> Request {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut names = Vec::new();
    let mut reject = Vec::new();
    let mut is_missing_ignored = false;
    let mut rest = words[1..].iter();
    while let Some(word) = rest.next() {
        match *word {
            "--reject" => reject.push(*rest.next().expect("a pattern")),
            "--ignore-missing" => is_missing_ignored = true,
            word => names.push(word),
        }
    }
    let names = patterns(&names);
    Request {
        operation: match words[0] {
            "install" => Operation::Install(names),
            "exact-install" => Operation::ExactInstall(names),
            "uninstall" => Operation::Uninstall(names),
            "update" => Operation::Update(names),
            "change-variant" => Operation::ChangeVariant,
            "sync" => Operation::Sync,
            other => panic!("no operation: {other}"),
        },
        reject: patterns(&reject),
        is_missing_ignored,
    }
}
