//! `pkgrepo import-debian`: a configured Debian root becomes packages.

mod site;

use std::path::Path;
use std::time::Instant;

use zones_import::{Split, Table as Reasons, Tree, compare, publish, split};
use zones_ips::Publisher;
use zones_repository::Store;
use zones_sys::RootFd;

use self::site::Site;
use super::{Outcome, Trouble, misused, repository};
use crate::getopt::{Given, Known, flag, value};
use crate::plain::plain;
use crate::report::OK;
use crate::table::{Format, Table};

pub(super) const OPTIONS: [Known; 11] = [
    super::SOURCE,
    super::PUBLISHER,
    flag('v', ""),
    value('\0', "suite"),
    value('\0', "arch"),
    value('\0', "variant"),
    value('\0', "include"),
    value('\0', "mirror"),
    value('\0', "from-root"),
    flag('\0', "keep"),
    value('\0', "compare"),
];

/// Options of `import-debian` that say what to install, as `zoneadm install` names them.
const CHOICES: [(&str, &str); 5] = [
    ("suite", "--suite"),
    ("arch", "--arch"),
    ("variant", "--variant"),
    ("include", "--include"),
    ("mirror", "-a"),
];

pub(super) fn import(given: &Given) -> Outcome {
    if let Some(word) = given.words.first() {
        return misused(format!("unexpected operand '{word}'"));
    }
    let chosen = CHOICES.iter().any(|(name, _)| given.has(name));
    if given.has("from-root") && (chosen || given.has("keep")) {
        return misused("--from-root takes a root as it is; nothing is chosen, nothing is kept");
    }
    let store = match given.has("compare") {
        true => None,
        false => Some(store(given)?),
    };
    if let Some(root) = given.get("from-root") {
        return take(given, Path::new(root), store.as_ref());
    }
    let layout = crate::env::layout();
    let site = Site::new(&layout)?;
    let mut words = Vec::new();
    for (name, option) in CHOICES {
        for value in given.all(name) {
            words.extend([option.to_owned(), value.to_owned()]);
        }
    }
    let root = site.install(&words)?;
    let status = take(given, &root, store.as_ref())?;
    if given.has("keep") {
        println!("The root is kept in {}", root.display());
    } else {
        site.remove()?;
    }
    Ok(status)
}

/// Where to publish: the publisher of -p, made when it is new, or the default one.
fn store(given: &Given) -> Result<Store, Trouble> {
    let mut repository = repository(given)?;
    let named = match given.get("p") {
        Some(name) => name.to_owned(),
        None => {
            let prefix = repository.configuration().get("publisher", "prefix");
            prefix.unwrap_or_default().to_owned()
        }
    };
    if named.is_empty() {
        return misused("the repository has no default publisher; name one with -p");
    }
    let publisher: Publisher = named
        .parse()
        .map_err(|error: zones_ips::fmri::FmriProblem| Trouble::Failed(error.to_string()))?;
    let known = repository.publishers()?;
    if !known.contains(&publisher) {
        repository.add_publisher(&publisher)?;
    }
    if repository.configuration().get("publisher", "prefix") == Some("") {
        repository.set("publisher", "prefix", &[publisher.as_str()])?;
    }
    Ok(repository.publisher(&publisher)?)
}

fn open(path: &Path) -> Result<RootFd, Trouble> {
    RootFd::open(path)
        .map_err(|error| Trouble::Failed(format!("cannot open `{}`: {error}", path.display())))
}

/// Splits a root and publishes it, or compares it with an image.
fn take(given: &Given, path: &Path, store: Option<&Store>) -> Outcome {
    let begun = Instant::now();
    let root = open(path)?;
    let Some(store) = store else {
        return differences(&root, given.get("compare").unwrap_or_default());
    };
    let split = split(&root, &Reasons::exclusions())?;
    if given.has("v") {
        left_out(&split);
    }
    let (left, all) = (split.left_out.len(), split.tree.nodes.len());
    let published = publish(&root, split, store)?;
    let mut rows = Vec::new();
    for (what, packages) in [("new", &published.new), ("changed", &published.changed)] {
        let row = |it: &zones_ips::Fmri| {
            let version = it.version().map(|it| it.short().to_string());
            let (name, version) = (it.stem().to_string(), version.unwrap_or_default());
            [what.to_owned(), name, version]
        };
        rows.extend(packages.iter().map(row));
    }
    if !rows.is_empty() {
        let columns = [("STATE", 9), ("NAME", 40), ("VERSION", 0)];
        print!(
            "{}",
            plain(&Table { columns, rows }.text(Format::Default, true))
        );
    }
    println!(
        "{} new, {} changed, {} unchanged packages; {left} of {all} names left out; {:.2} s",
        published.new.len(),
        published.changed.len(),
        published.unchanged,
        begun.elapsed().as_secs_f64()
    );
    Ok(OK)
}

fn left_out(split: &Split) {
    let rows = split.left_out.iter();
    let rows = rows
        .map(|(path, why)| [path.clone(), why.clone()])
        .collect();
    let columns = [("LEFT OUT", 40), ("REASON", 0)];
    print!(
        "{}",
        plain(&Table { columns, rows }.text(Format::Default, true))
    );
}

/// Prints where an image differs from the root; a difference without a reason is a failure.
fn differences(root: &RootFd, image: &str) -> Outcome {
    let own = Tree::read(root)?;
    let other = Tree::read(&open(Path::new(image))?)?;
    let (reasoned, bare): (Vec<_>, Vec<_>) = compare(&own, &other, &Reasons::exceptions())
        .into_iter()
        .partition(|it| it.reason.is_some());
    for difference in &bare {
        println!("{difference}");
    }
    println!(
        "{} names compared: {} differences, {} more with a known reason",
        own.nodes.len(),
        bare.len(),
        reasoned.len()
    );
    Ok(super::status(bare.is_empty()))
}
