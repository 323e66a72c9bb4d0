//! `pkgrepo import-debian`: a configured Debian root becomes packages.

mod site;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use zones_import::{Facts, Rule, Split, Table as Reasons, Tree, compare, imported, publish, split};
use zones_ips::Publisher;
use zones_repository::{Repository, Store};
use zones_store::Layout;
use zones_sys::RootFd;

use self::site::Site;
use super::{Outcome, Trouble, misused, repository};
use crate::applet::zoneadm::plan_mirror;
use crate::getopt::{Given, Known, flag, value};
use crate::plain::plain;
use crate::report::OK;
use crate::table::{Format, Table};

pub(super) const OPTIONS: [Known; 14] = [
    super::SOURCE,
    super::PUBLISHER,
    super::TRIAL,
    flag('v', ""),
    flag('\0', "force"),
    value('\0', "suite"),
    value('\0', "arch"),
    value('\0', "variant"),
    value('\0', "include"),
    value('\0', "mirror"),
    value('\0', "keyring"),
    value('\0', "from-root"),
    flag('\0', "keep"),
    value('\0', "compare"),
];

/// Options of `import-debian` that say what to install, as `zoneadm install` names them.
const CHOICES: [(&str, &str); 6] = [
    ("suite", "--suite"),
    ("arch", "--arch"),
    ("variant", "--variant"),
    ("include", "--include"),
    ("mirror", "-a"),
    ("keyring", "--keyring"),
];

pub(super) fn import(layout: &Layout, given: &Given) -> Outcome {
    if let Some(word) = given.words.first() {
        return misused(format!("unexpected operand '{word}'"));
    }
    let chosen = CHOICES.iter().any(|(name, _)| given.has(name));
    let others = ["keep", "force", "n"].iter().any(|name| given.has(name));
    if given.has("from-root") && (chosen || others) {
        return misused("--from-root takes a root as it is; nothing is chosen, nothing is kept");
    }
    if given.has("n") && given.has("compare") {
        return misused("-n and --compare do not go together");
    }
    let store = match (given.has("compare"), given.has("n")) {
        (true, _) => None,
        (_, true) => known_store(given)?,
        _ => Some(store(given)?),
    };
    if let Some(root) = given.get("from-root") {
        return take(given, Path::new(root), store.as_ref(), &Facts::default());
    }
    if !rustix::process::geteuid().is_root() {
        let text = "only a privileged user may import from a mirror; see --from-root";
        return Err(Trouble::Failed(text.to_owned()));
    }
    from_mirror(layout, given, store.as_ref())
}

/// Installs from a mirror what is to be imported, unless the repository has just that.
fn from_mirror(layout: &Layout, given: &Given, store: Option<&Store>) -> Outcome {
    let mut words = Vec::new();
    for (name, option) in CHOICES {
        for value in given.all(name) {
            words.extend([option.to_owned(), value.to_owned()]);
        }
    }
    let plan = plan_mirror(layout, &words).map_err(Trouble::Failed)?;
    let facts = Facts {
        plan: Some(plan.key()),
        codename: Some(plan.codename.clone()),
    };
    let known = match store {
        Some(store) => imported(store)?.filter(|it| it.is_of(&facts)),
        None => None,
    };
    if given.has("n") {
        trial(&plan, &facts, known.is_some());
        return Ok(OK);
    }
    let is_wanted = ["force", "keep"].iter().any(|name| given.has(name));
    if let (Some(known), false) = (known, is_wanted) {
        println!(
            "Nothing to do: {} is what the mirror has.",
            known.fmri.short()
        );
        return Ok(OK);
    }
    let mut site = Site::new(layout)?;
    let root = site.install(&words)?;
    let status = take(given, &root, store, &facts)?;
    if given.has("keep") {
        site.keep();
        println!("The root is kept in {}", root.display());
    }
    Ok(status)
}

/// Says what would be imported.
fn trial(plan: &zones_debian::Plan, facts: &Facts, is_known: bool) {
    for source in &plan.sources {
        let components = source.components.join(" ");
        println!("Source: {} {} {components}", source.uri, source.suite);
    }
    let (count, arch, codename) = (plan.packages.len(), &plan.arch, &plan.codename);
    println!("Packages: {count} for {arch} of {codename}");
    println!("Plan: {}", facts.plan().unwrap_or_default());
    if is_known {
        println!("The repository has just that.");
    }
}

/// The publisher, if the repository was named and has it.
fn known_store(given: &Given) -> Result<Option<Store>, Trouble> {
    if !given.has("s") {
        return Ok(None);
    }
    let repository = repository(given)?;
    let named = named_publisher(given, &repository)?;
    match repository.publishers()?.contains(&named) {
        true => Ok(Some(repository.publisher(&named)?)),
        false => Ok(None),
    }
}

/// Where to publish: the publisher of -p, made when it is new, or the default one.
fn store(given: &Given) -> Result<Store, Trouble> {
    let mut repository = repository(given)?;
    let publisher = named_publisher(given, &repository)?;
    let known = repository.publishers()?;
    if !known.contains(&publisher) {
        repository.add_publisher(&publisher)?;
    }
    if repository.configuration().get("publisher", "prefix") == Some("") {
        repository.set("publisher", "prefix", &[publisher.as_str()])?;
    }
    Ok(repository.publisher(&publisher)?)
}

fn named_publisher(given: &Given, repository: &Repository) -> Result<Publisher, Trouble> {
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
    named
        .parse()
        .map_err(|error: zones_ips::fmri::FmriProblem| Trouble::Failed(error.to_string()))
}

fn open(path: &Path) -> Result<RootFd, Trouble> {
    RootFd::open(path)
        .map_err(|error| Trouble::Failed(format!("cannot open `{}`: {error}", path.display())))
}

/// Splits a root and publishes it, or compares it with an image.
fn take(given: &Given, path: &Path, store: Option<&Store>, facts: &Facts) -> Outcome {
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
    let published = publish(&root, split, store, facts)?;
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
    let row =
        |what: &str, path: &str, rule: &Rule| [path.to_owned(), what.to_owned(), rule.why.clone()];
    let mut rows = Vec::new();
    let left_out = split.left_out.iter();
    rows.extend(left_out.map(|(path, rule)| row("not", path, rule)));
    let rewritten = split.rewritten.iter();
    rows.extend(rewritten.map(|(path, (rule, _))| row("other content", path, rule)));
    let parted = split.parted.iter();
    rows.extend(parted.map(|(path, rule)| row("single file", path, rule)));
    let columns = [("NAME", 40), ("CARRIED", 13), ("REASON", 0)];
    print!(
        "{}",
        plain(&Table { columns, rows }.text(Format::Default, true))
    );
}

/// Prints where an image differs from the root; a difference without a reason is a failure.
fn differences(root: &RootFd, image: &str) -> Outcome {
    let split = split(root, &Reasons::exclusions())?;
    let image = Tree::read(&open(Path::new(image))?)?;
    let mut counts: BTreeMap<(Rule, &str), usize> = BTreeMap::new();
    let mut bare = 0;
    for difference in compare(&split, &image, &Reasons::exceptions()) {
        match &difference.rule {
            Some(rule) => {
                let row = (rule.clone(), difference.what.word());
                *counts.entry(row).or_default() += 1;
            }
            None => {
                println!("{difference}");
                bare += 1;
            }
        }
    }
    let row = |((rule, word), count): (&(Rule, &str), &usize)| {
        let Rule { glob, why, .. } = rule;
        [
            glob.clone(),
            (*word).to_owned(),
            count.to_string(),
            why.clone(),
        ]
    };
    let rows: Vec<_> = counts.iter().map(row).collect();
    if !rows.is_empty() {
        let columns = [
            ("RULE", 28),
            ("DIFFERENCE", 11),
            ("NAMES", 6),
            ("REASON", 0),
        ];
        print!("{}", Table { columns, rows }.text(Format::Default, true));
    }
    println!(
        "{} names compared: {bare} differences, {} more with a known reason",
        split.tree.nodes.len(),
        counts.values().sum::<usize>()
    );
    Ok(super::status(bare == 0))
}
