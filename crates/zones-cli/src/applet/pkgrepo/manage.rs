//! Repositories, publishers, properties.

use std::path::Path;

use zones_ips::Publisher;
use zones_repository::{Repository, RepositoryError, file_path};

use super::{NOTHING, Outcome, PARTIAL, Trouble, format, misused, repository};
use crate::getopt::Given;
use crate::plain::plain;
use crate::report::{FAILURE, OK};
use crate::table::Table;

pub(super) fn create(given: &Given) -> Outcome {
    let [name] = given.words.as_slice() else {
        return misused("one repository location is needed");
    };
    if let Some(version) = given.get("version").filter(|it| *it != "4") {
        return misused(format!("only version 4 can be made, not {version}"));
    }
    if name.contains("://") && !name.starts_with("file:") {
        return misused("only a repository in a folder can be made");
    }
    Repository::create(Path::new(&file_path(name)))?;
    Ok(OK)
}

fn named(words: &[String]) -> Result<Vec<Publisher>, Trouble> {
    if words.is_empty() {
        return misused("at least one publisher must be specified");
    }
    let parsed = words.iter().map(|word| word.parse());
    let parsed: Result<_, zones_ips::fmri::FmriProblem> = parsed.collect();
    parsed.map_err(|error| Trouble::Failed(error.to_string()))
}

/// Some done, some not.
fn mixed(done: usize, all: usize) -> u8 {
    match done {
        _ if done == all => OK,
        0 => FAILURE,
        _ => PARTIAL,
    }
}

pub(super) fn add_publisher(given: &Given) -> Outcome {
    let publishers = named(&given.words)?;
    let mut repository = repository(given)?;
    let known = repository.publishers()?;
    let mut done = 0;
    for publisher in &publishers {
        if known.contains(publisher) {
            let error = RepositoryError::PublisherExists(publisher.to_string());
            eprintln!("pkgrepo add-publisher: {error}");
            continue;
        }
        repository.add_publisher(publisher)?;
        done += 1;
    }
    // The first one becomes the default.
    if known.is_empty() && repository.configuration().get("publisher", "prefix") == Some("") {
        repository.set("publisher", "prefix", &[publishers[0].as_str()])?;
    }
    Ok(mixed(done, publishers.len()))
}

pub(super) fn remove_publisher(given: &Given) -> Outcome {
    let publishers = named(&given.words)?;
    let mut repository = repository(given)?;
    let mut done = 0;
    for publisher in &publishers {
        let store = match repository.publisher(publisher) {
            Ok(store) => store,
            Err(error) => {
                eprintln!("pkgrepo remove-publisher: {error}");
                continue;
            }
        };
        let count = store.status()?.versions;
        println!("Removing publisher {publisher} with {count} package(s)");
        if !given.has("n") {
            repository.remove_publisher(publisher)?;
        }
        done += 1;
    }
    Ok(mixed(done, publishers.len()))
}

pub(super) fn get(given: &Given) -> Outcome {
    let repository = repository(given)?;
    let mut rows = Vec::new();
    for (section, name, value) in repository.configuration().iter() {
        let wanted = |word: &String| {
            let property = format!("{section}/{name}");
            zones_ips::pattern::glob_matches(word, &property)
        };
        if given.words.is_empty() || given.words.iter().any(wanted) {
            let shown = match value {
                "" => "\"\"",
                "[]" => "()",
                value => value,
            };
            rows.push([section.to_owned(), name.to_owned(), shown.to_owned()]);
        }
    }
    if rows.is_empty() {
        return Err(Trouble::Failed("no matching properties found".to_owned()));
    }
    let table = Table {
        columns: [("SECTION", 0), ("PROPERTY", 0), ("VALUE", 0)],
        rows,
    };
    print!("{}", plain(&table.text(format(given)?, !given.has("H"))));
    Ok(OK)
}

pub(super) fn set(given: &Given) -> Outcome {
    if given.words.is_empty() {
        return misused("a property name and value must be provided");
    }
    if given.has("p") {
        return misused(
            "properties of single publishers are not kept; set those of the repository",
        );
    }
    let mut repository = repository(given)?;
    let mut changed = false;
    for word in &given.words {
        let split = word.split_once('=').and_then(|(property, value)| {
            let (section, name) = property.split_once('/')?;
            Some((section, name, value))
        });
        let Some((section, name, value)) = split else {
            return misused(format!("'{word}' is not section/property=value"));
        };
        let list = value.strip_prefix('(').and_then(|it| it.strip_suffix(')'));
        let values: Vec<_> = match list {
            Some(list) => list
                .split_whitespace()
                .map(|it| it.trim_matches('"'))
                .collect(),
            None => Some(value)
                .into_iter()
                .filter(|it| !it.is_empty())
                .collect(),
        };
        let old = repository.configuration().clone();
        repository.set(section, name, &values)?;
        changed |= *repository.configuration() != old;
    }
    Ok(if changed { OK } else { NOTHING })
}
