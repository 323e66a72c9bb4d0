//! Publication step by step.

use std::path::PathBuf;

use zones_ips::{Action, Fmri, quote};
use zones_repository::Sending;

use super::{Outcome, Parts, Trouble, bundle, listing, misused, target};
use crate::getopt::Given;
use crate::report::OK;

pub(super) fn open(given: &Given) -> Outcome {
    let [name] = given.words.as_slice() else {
        return misused("open requires one package name");
    };
    let fmri: Result<Fmri, _> = name.parse();
    let fmri = fmri.map_err(|error| Trouble::Failed(error.to_string()))?;
    let sending = target(given)?.begin(&fmri)?;
    let id = quote::quote(sending.id());
    if given.has("n") {
        println!("{id}");
    } else {
        println!("export PKG_TRANS_ID={id}");
    }
    Ok(OK)
}

/// The transaction that an operand or `PKG_TRANS_ID` names.
fn resume(given: &Given, named: Option<&String>) -> Result<Sending, Trouble> {
    let named = named.cloned().or_else(crate::env::package_transaction);
    let Some(id) = named else {
        return misused(
            "No transaction ID specified using -s or environment variable PKG_TRANS_ID",
        );
    };
    let id = quote::unquote(&id).unwrap_or(id);
    Ok(target(given)?.resume(&id)?)
}

fn send(given: &Given, mut parts: Parts) -> Outcome {
    let sending = resume(given, None)?;
    for action in std::mem::take(&mut parts.actions) {
        if action.get("name") == Some("pkg.fmri") {
            continue;
        }
        let content = match action.kind().row().has_payload {
            true => parts.content(&action)?,
            false => None,
        };
        sending.add(action, content.as_ref())?;
    }
    Ok(OK)
}

pub(super) fn add(given: &Given) -> Outcome {
    if given.words.is_empty() {
        return misused("No arguments specified for subcommand.");
    }
    let mut parts = Parts::default();
    parts.folders.push(PathBuf::from("."));
    // Each word is one attribute, whatever stands in it.
    let quoted = |word: &String| match word.split_once('=') {
        Some((key, value)) if value.contains([' ', '\t']) => {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{key}=\"{value}\"")
        }
        _ => word.clone(),
    };
    let line = given.words.iter().map(quoted).collect::<Vec<_>>().join(" ");
    let action: Result<Action, _> = line.parse();
    let action = action.map_err(|error| Trouble::Failed(error.to_string()))?;
    parts.actions.push(action);
    send(given, parts)
}

pub(super) fn import(given: &Given) -> Outcome {
    if given.words.is_empty() {
        return misused("No arguments specified for subcommand.");
    }
    let timestamped: Vec<_> = given.all("T").map(str::to_owned).collect();
    let mut parts = Parts::default();
    for path in &given.words {
        parts.bundle(path, &timestamped)?;
    }
    send(given, parts)
}

pub(super) fn include(given: &Given) -> Outcome {
    let timestamped: Vec<_> = given.all("T").map(str::to_owned).collect();
    let mut parts = Parts::default();
    parts.folders.extend(given.all("d").map(PathBuf::from));
    parts.manifests(&given.words)?;
    if !given.has("d") {
        parts.folders.push(PathBuf::from("."));
    }
    bundle::date(&mut parts, &timestamped)?;
    send(given, parts)
}

pub(super) fn close(given: &Given) -> Outcome {
    let sending = resume(given, given.words.first())?;
    if given.has("A") {
        sending.abandon()?;
        println!("ABANDONED");
    } else {
        let fmri = sending.close(listing(given))?;
        println!("{fmri}\nPUBLISHED");
    }
    Ok(OK)
}
