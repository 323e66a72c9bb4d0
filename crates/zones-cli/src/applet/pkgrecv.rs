//! pkgrecv(1): copy packages between repositories, depots, archives and folders.

use std::path::Path;

use zones_ips::{Fmri, Publisher};
use zones_repository::receive::{self, Received, Selection, Versions, Wanted};
use zones_repository::{Listing, Repository, Source, Target, file_path, source};
use zones_store::Layout;

use super::pkgrepo::{Outcome, Trouble, end, misused, patterns};
use super::pkgsend::http_options;
use crate::getopt::{Given, Known, flag, value};
use crate::report::OK;

const USAGE: &str = "pkgrecv [-s src_uri] [-d (dest_uri|dest_path)] [-m match] [-p publisher ...] \
    [-nrv] [--raw] [--newest] (fmri|pattern) ...\n        \
    pkgrecv [-s src_uri] -d dest_path -a [-m match] [-nrv] (fmri|pattern) ...\n        \
    pkgrecv [-s src_uri] -d dest_path --clone [-p publisher ...] [-nv]";

const OPTIONS: [Known; 14] = [
    value('s', ""),
    value('d', ""),
    value('m', ""),
    value('p', ""),
    value('c', ""),
    flag('n', ""),
    flag('r', ""),
    flag('v', ""),
    flag('a', ""),
    flag('k', ""),
    flag('\0', "raw"),
    flag('\0', "newest"),
    flag('\0', "clone"),
    flag('h', ""),
];

const KEYS: [Known; 2] = [value('\0', "key"), value('\0', "cert")];

/// Words of -m.
const MATCHES: [(&str, Versions); 3] = [
    ("latest", Versions::Latest),
    ("all-versions", Versions::AllVersions),
    ("all-timestamps", Versions::AllTimestamps),
];

pub(crate) fn run(_layout: &Layout, args: &[String]) -> u8 {
    let known: Vec<_> = OPTIONS.into_iter().chain(KEYS).collect();
    let done = match Given::parse(args, &known) {
        Ok(given) if given.has("h") => {
            println!("Usage:\n        {USAGE}");
            Ok(OK)
        }
        Ok(given) => receive(&given),
        Err(why) => Err(Trouble::Usage(why)),
    };
    end("pkgrecv", USAGE, done)
}

fn receive(given: &Given) -> Outcome {
    let named = given.get("s").map(str::to_owned);
    let Some(name) = named.or_else(crate::env::package_source) else {
        return misused("a source repository must be provided");
    };
    let source = source::open(&name, &http_options(given)?)?;
    if given.has("newest") {
        let all = receive::select(source.as_ref(), &Selection::default())?;
        all.iter().for_each(|it| println!("{}", it.fmri));
        return Ok(OK);
    }
    let named = given.get("d").map(str::to_owned);
    let Some(place) = named.or_else(crate::env::package_target) else {
        return misused("a destination must be provided using -d");
    };
    let publishers = given.all("p").map(str::parse);
    let publishers: Result<Vec<Publisher>, zones_ips::fmri::FmriProblem> = publishers.collect();
    let publishers = publishers.map_err(|error| Trouble::Failed(error.to_string()))?;
    let report = |fmri: &Fmri, number: usize, all: usize| {
        if given.has("v") {
            println!("{number}/{all} {}", fmri.short());
        }
    };
    if given.has("clone") {
        return clone(given, source.as_ref(), &place, &publishers, &report);
    }
    if given.words.is_empty() {
        return misused("must specify at least one pkgfmri; '*' means all");
    }
    let mut wanted = receive::select(source.as_ref(), &selection(given)?)?;
    let is_meant = |it: &Wanted| {
        it.fmri
            .publisher()
            .is_some_and(|own| publishers.contains(own))
    };
    wanted.retain(|it| publishers.is_empty() || is_meant(it));
    if given.has("n") {
        println!("Packages to be received: {}", wanted.len());
        wanted.iter().for_each(|it| println!("{}", it.fmri));
        return Ok(OK);
    }
    let done = copy(given, source.as_ref(), &wanted, &place, &report)?;
    say(&done);
    Ok(OK)
}

fn selection(given: &Given) -> Result<Selection, Trouble> {
    let mut versions = Versions::default();
    if let Some(word) = given.get("m") {
        let row = MATCHES.iter().find(|(known, _)| *known == word);
        let Some((_, found)) = row else {
            let names = MATCHES.map(|(name, _)| name).join(", ");
            return misused(format!("invalid match '{word}'; known are {names}"));
        };
        versions = *found;
    }
    Ok(Selection {
        patterns: patterns(&given.words)?,
        versions,
        is_recursive: given.has("r"),
    })
}

fn copy(
    given: &Given,
    source: &dyn Source,
    wanted: &[Wanted],
    place: &str,
    report: &receive::Report<'_>,
) -> Result<Received, Trouble> {
    let path = file_path(place);
    if given.has("a") {
        return Ok(receive::to_archive(
            source,
            wanted,
            Path::new(&path),
            report,
        )?);
    }
    if given.has("raw") {
        return Ok(receive::to_folder(
            source,
            wanted,
            Path::new(&path),
            report,
        )?);
    }
    let target = target(given, place)?;
    // All at once come into the catalog of a folder at the end.
    let listing = match target {
        Target::Folder(_) => Listing::Later,
        Target::Depot(_) => Listing::Now,
    };
    let done = receive::to_target(source, wanted, &target, listing, report)?;
    refresh(&target, wanted)?;
    Ok(done)
}

/// The target; a repository in a new or empty folder is made.
fn target(given: &Given, place: &str) -> Result<Target, Trouble> {
    let is_depot = place.starts_with("http://") || place.starts_with("https://");
    let path = file_path(place);
    let is_new = |path: &Path| match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_depot && is_new(Path::new(&path)) {
        Repository::create(Path::new(&path))?;
    }
    Ok(Target::open(place, &http_options(given)?)?)
}

fn refresh(target: &Target, wanted: &[Wanted]) -> Result<(), Trouble> {
    let Target::Folder(repository) = target else {
        return Ok(());
    };
    let mut publishers: Vec<_> = wanted.iter().filter_map(|it| it.fmri.publisher()).collect();
    publishers.sort();
    publishers.dedup();
    for publisher in publishers {
        repository.publisher(publisher)?.refresh()?;
    }
    Ok(())
}

fn clone(
    given: &Given,
    source: &dyn Source,
    place: &str,
    publishers: &[Publisher],
    report: &receive::Report<'_>,
) -> Outcome {
    if given.has("raw") || given.has("a") || given.has("m") || !given.words.is_empty() {
        return misused("--clone takes whole publishers: no patterns, -a, -m or --raw");
    }
    if given.has("n") {
        let all = Selection {
            versions: Versions::AllTimestamps,
            ..Selection::default()
        };
        let wanted = receive::select(source, &all)?;
        wanted.iter().for_each(|it| println!("{}", it.fmri));
        return Ok(OK);
    }
    let target = target(given, place)?;
    let (done, removed) = receive::clone(source, &target, publishers, report)?;
    say(&done);
    removed.iter().for_each(|fmri| println!("Removed {fmri}"));
    Ok(OK)
}

fn say(done: &Received) {
    let (packages, known) = (done.packages.len(), done.known.len());
    if packages == 0 {
        println!("No packages to receive: {known} are there already.");
        return;
    }
    let (files, bytes) = (done.payloads, done.bytes);
    println!("Received {packages} package(s), {files} file(s), {bytes} bytes.");
}
