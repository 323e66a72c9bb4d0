//! Refresh, rebuild, remove, verify, fix.

use std::path::Path;

use zones_ips::Fmri;
use zones_repository::Refreshed;
use zones_repository::signature::{Certificate, Trust};

use super::{NOTHING, Outcome, Trouble, misused, repository, show, status, stores};
use crate::getopt::Given;
use crate::report::OK;

fn say(command: &str, done: &Refreshed) -> bool {
    for (fmri, why) in &done.unlisted {
        eprintln!("pkgrepo {command}: {fmri}: {why}");
    }
    for id in &done.abandoned {
        println!("Abandoned the transaction {id}: its process died.");
    }
    done.unlisted.is_empty()
}

pub(super) fn refresh(given: &Given) -> Outcome {
    let repository = repository(given)?;
    let mut is_good = true;
    for store in stores(given, &repository)? {
        println!("Initiating repository refresh.");
        if !given.has("no-catalog") {
            is_good &= say("refresh", &store.refresh()?);
        }
        if !given.has("no-index") {
            store.index()?;
        }
    }
    Ok(status(is_good))
}

pub(super) fn rebuild(given: &Given) -> Outcome {
    let repository = repository(given)?;
    let mut is_good = true;
    for store in stores(given, &repository)? {
        println!("Initiating repository rebuild.");
        if !given.has("no-catalog") {
            is_good &= say("rebuild", &store.rebuild()?);
        }
        if !given.has("no-index") {
            store.reindex()?;
        }
    }
    Ok(status(is_good))
}

pub(super) fn remove(given: &Given) -> Outcome {
    if given.words.is_empty() {
        return misused("at least one package pattern must be provided");
    }
    let repository = repository(given)?;
    let packages = show::listed(given)?;
    if packages.is_empty() {
        return Err(Trouble::Failed("no matching packages found".to_owned()));
    }
    println!("Removing {} package(s)", packages.len());
    if given.has("n") {
        packages.iter().for_each(|fmri| println!("\t{fmri}"));
        return Ok(OK);
    }
    for store in stores(given, &repository)? {
        let is_own = |fmri: &&Fmri| fmri.publisher() == Some(store.publisher());
        let own: Vec<_> = packages.iter().filter(is_own).cloned().collect();
        if own.is_empty() {
            continue;
        }
        let done = store.remove(&own)?;
        let (files, bytes) = (done.payloads.len(), done.bytes);
        println!("Removed {files} file(s), {bytes} bytes, that no package needs any more");
        if store.has_index() {
            store.index()?;
        }
    }
    Ok(OK)
}

/// The certificates in a folder.
fn anchors(folder: &str) -> Result<Vec<Certificate>, Trouble> {
    let failed = |error: &dyn std::fmt::Display| Trouble::Failed(format!("`{folder}`: {error}"));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(Path::new(folder)).map_err(|error| failed(&error))? {
        let path = entry.map_err(|error| failed(&error))?.path();
        if path.is_file() {
            let bytes = std::fs::read(&path).map_err(|error| failed(&error))?;
            found.extend(Certificate::read_all(&bytes).map_err(|error| failed(&error))?);
        }
    }
    Ok(found)
}

/// Signatures are proved where trusted certificates are named.
fn trust(given: &Given) -> Result<Trust, Trouble> {
    let Some(folder) = given.get("anchors") else {
        return Ok(Trust::ignoring());
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Ok(Trust {
        anchors: anchors(folder)?,
        now: now.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX)),
        ..Trust::default()
    })
}

pub(super) fn verify(given: &Given) -> Outcome {
    let repository = repository(given)?;
    println!("Initiating repository verification.");
    let mut is_good = true;
    let trust = trust(given)?;
    for store in stores(given, &repository)? {
        for finding in store.verify(&trust)? {
            let whose = match &finding.package {
                Some(fmri) => fmri.to_string(),
                None => store.publisher().to_string(),
            };
            let level = if finding.is_error() { "ERROR" } else { "INFO" };
            println!("{level}: {whose}: {}", finding.kind);
            is_good &= !finding.is_error();
        }
    }
    Ok(status(is_good))
}

pub(super) fn fix(given: &Given) -> Outcome {
    let repository = repository(given)?;
    println!("Initiating repository fix.");
    let mut result = NOTHING;
    for store in stores(given, &repository)? {
        let findings = store.verify(&Trust::ignoring())?;
        if findings.is_empty() {
            continue;
        }
        if given.has("v") {
            for finding in &findings {
                println!("{}", finding.kind);
            }
        }
        let done = store.fix(&findings)?;
        for fmri in &done.packages {
            println!("Removed {fmri}: publish or receive it again.");
        }
        for name in &done.payloads {
            println!("Removed file {name}.");
        }
        for path in &done.modes {
            println!("Everybody can read `{}` again.", path.display());
        }
        if done.is_rebuilt {
            println!("The catalog of {} was made anew.", store.publisher());
        }
        result = OK;
    }
    Ok(result)
}
