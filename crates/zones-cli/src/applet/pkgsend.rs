//! pkgsend(1): publish packages. Subcommands stand in one table.

mod bundle;
mod steps;

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use zones_ips::manifest::{MANIFEST_LEN_MAX, Unknown};
use zones_ips::{Action, ActionKind, Manifest};
use zones_repository::{
    Content, HttpOptions, Listing, Repository, RepositoryError, Target, file_path,
};
use zones_store::Layout;

use super::pkgrepo::{Outcome, Trouble, end, misused};
use crate::getopt::{Given, Known, flag, value};
use crate::report::{OK, USAGE};

/// A subcommand.
struct Subcommand {
    name: &'static str,
    usage: &'static str,
    summary: &'static str,
    options: &'static [Known],
    run: fn(&Given) -> Outcome,
}

const TARGET: Known = value('s', "");
const KEY: Known = value('\0', "key");
const CERTIFICATE: Known = value('\0', "cert");

const SUBCOMMANDS: [Subcommand; 9] = [
    Subcommand {
        name: "create-repository",
        usage: "[--set-property section.property=value ...] -s repo_path",
        summary: "make a repository",
        options: &[TARGET, value('\0', "set-property")],
        run: create,
    },
    Subcommand {
        name: "publish",
        usage: "[-b bundle ...] [-d source_dir ...] [-T pattern ...] [--no-catalog] \
                -s repo_uri_or_path [manifest ...]",
        summary: "publish a package from manifests (or standard input) and bundles",
        options: &[
            TARGET,
            KEY,
            CERTIFICATE,
            value('b', ""),
            value('d', ""),
            value('T', ""),
            flag('\0', "no-catalog"),
        ],
        run: publish,
    },
    Subcommand {
        name: "generate",
        usage: "[-T pattern ...] [-u] folder_or_archive ...",
        summary: "print the actions of folders and tar archives",
        options: &[value('T', ""), flag('u', ""), value('\0', "target")],
        run: bundle::generate,
    },
    Subcommand {
        name: "open",
        usage: "[-en] -s repo_uri_or_path pkg_fmri",
        summary: "begin a transaction and print its name",
        options: &[TARGET, KEY, CERTIFICATE, flag('e', ""), flag('n', "")],
        run: steps::open,
    },
    Subcommand {
        name: "add",
        usage: "-s repo_uri_or_path action [attribute=value ...]",
        summary: "add one action to the transaction",
        options: &[TARGET, KEY, CERTIFICATE],
        run: steps::add,
    },
    Subcommand {
        name: "import",
        usage: "[-T pattern ...] -s repo_uri_or_path bundle ...",
        summary: "add the actions of folders and tar archives to the transaction",
        options: &[TARGET, KEY, CERTIFICATE, value('T', "")],
        run: steps::import,
    },
    Subcommand {
        name: "include",
        usage: "[-d source_dir ...] -s repo_uri_or_path [manifest ...]",
        summary: "add the actions of manifests to the transaction",
        options: &[TARGET, KEY, CERTIFICATE, value('d', ""), value('T', "")],
        run: steps::include,
    },
    Subcommand {
        name: "close",
        usage: "[-A] [--no-catalog] [--no-index] -s repo_uri_or_path [trans_id]",
        summary: "publish the package of the transaction, or with -A give it up",
        options: &[
            TARGET,
            KEY,
            CERTIFICATE,
            flag('A', ""),
            flag('\0', "no-catalog"),
            flag('\0', "no-index"),
        ],
        run: steps::close,
    },
    Subcommand {
        name: "help",
        usage: "",
        summary: "print the usage",
        options: &[],
        run: |_| Ok(usage(OK)),
    },
];

pub(crate) fn run(_layout: &Layout, args: &[String]) -> u8 {
    let (mut rest, mut before) = (args, Vec::new());
    // The target may stand before the subcommand, too.
    if let [option, name, after @ ..] = rest
        && option == "-s"
    {
        before = vec![option.clone(), name.clone()];
        rest = after;
    }
    let Some((name, rest)) = rest.split_first() else {
        return usage(USAGE);
    };
    if matches!(name.as_str(), "-?" | "--help" | "-h") {
        return usage(OK);
    }
    let Some(subcommand) = SUBCOMMANDS.iter().find(|known| known.name == name) else {
        eprintln!("pkgsend: unknown subcommand '{name}'");
        return usage(USAGE);
    };
    before.extend_from_slice(rest);
    let done = match Given::parse(&before, subcommand.options) {
        Ok(given) => (subcommand.run)(&given),
        Err(why) => Err(Trouble::Usage(why)),
    };
    let shown = format!("pkgsend {} {}", subcommand.name, subcommand.usage);
    end(&format!("pkgsend {name}"), &shown, done)
}

fn usage(status: u8) -> u8 {
    let mut text = String::from("Usage:\n        pkgsend subcommand [options] [operands]\n\n");
    text += "Subcommands:\n";
    for known in &SUBCOMMANDS {
        text += &format!("{:17} {}\n", known.name, known.summary);
    }
    if status == OK {
        print!("{text}");
    } else {
        eprint!("{text}");
    }
    status
}

fn location(given: &Given) -> Result<String, Trouble> {
    let named = given.get("s").map(str::to_owned);
    match named.or_else(crate::env::package_repository) {
        Some(name) => Ok(name),
        None => misused("A destination package repository must be provided using -s."),
    }
}

/// How to reach depots, with the client certificate of the options.
pub(super) fn http_options(given: &Given) -> Result<HttpOptions, Trouble> {
    let read = |path: &str| {
        std::fs::read(path).map_err(|error| Trouble::Failed(format!("`{path}`: {error}")))
    };
    let mut options = crate::env::http_options()?;
    options.client = match (given.get("cert"), given.get("key")) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
        (None, None) => None,
        _ => return misused("--cert and --key belong together"),
    };
    Ok(options)
}

fn target(given: &Given) -> Result<Target, Trouble> {
    Ok(Target::open(&location(given)?, &http_options(given)?)?)
}

fn listing(given: &Given) -> Listing {
    if given.has("no-catalog") {
        Listing::Later
    } else {
        Listing::Now
    }
}

fn create(given: &Given) -> Outcome {
    let name = location(given)?;
    if name.starts_with("http:") || name.starts_with("https:") {
        return misused("only a repository in a folder can be made");
    }
    let mut repository = Repository::create(Path::new(&file_path(&name)))?;
    for property in given.all("set-property") {
        let split = property.split_once('=').and_then(|(name, value)| {
            let (section, name) = name.split_once(['.', '/'])?;
            Some((section, name, value))
        });
        let Some((section, name, value)) = split else {
            return misused(format!("'{property}' is not section.property=value"));
        };
        repository.set(section, name, &[value])?;
    }
    Ok(OK)
}

/// Actions, and content by payload word, where it is known already.
#[derive(Default)]
struct Parts {
    actions: Vec<Action>,
    content: HashMap<String, Content>,
    folders: Vec<PathBuf>,
}

impl Parts {
    fn bundle(&mut self, path: &str, timestamped: &[String]) -> Result<(), Trouble> {
        let bundle = zones_repository::Bundle::read(Path::new(path), timestamped)?;
        self.actions.extend(bundle.actions);
        self.content.extend(bundle.content);
        Ok(())
    }

    /// The manifests named, or standard input.
    fn manifests(&mut self, words: &[String]) -> Result<(), Trouble> {
        let failed = |name: &str, error: &dyn std::fmt::Display| {
            Trouble::Failed(format!("`{name}`: {error}"))
        };
        let mut texts = Vec::new();
        if words.is_empty() {
            let mut text = String::new();
            let input = std::io::stdin().lock().take(MANIFEST_LEN_MAX as u64);
            let read = { input }.read_to_string(&mut text);
            read.map_err(|error| failed("standard input", &error))?;
            texts.push(("standard input", text));
        }
        for name in words {
            let text = std::fs::read_to_string(name).map_err(|error| failed(name, &error))?;
            // Files that the manifest names may lie beside it.
            self.folders
                .extend(Path::new(name).parent().map(Path::to_owned));
            texts.push((name, text));
        }
        for (name, text) in texts {
            let manifest = Manifest::parse(&text, Unknown::Refused);
            let manifest = manifest.map_err(|error| failed(name, &error))?;
            self.actions.extend(manifest.into_actions());
        }
        Ok(())
    }

    /// The content of an action: from a bundle, else the file of that name below the first folder
    /// that has it.
    fn content(&self, action: &Action) -> zones_repository::Result<Option<Content>> {
        let word = action.payload().unwrap_or(zones_ips::action::NO_HASH);
        if let Some(content) = self.content.get(word) {
            return Ok(Some(content.clone()));
        }
        let mut names = vec![word];
        if word == zones_ips::action::NO_HASH {
            names = action.get("path").into_iter().collect();
        }
        for name in names {
            let places = self.folders.iter().map(|folder| folder.join(name));
            if let Some(found) = places.into_iter().find(|place| place.is_file()) {
                return Ok(Some(found.into()));
            }
        }
        if action.kind() == ActionKind::Signature {
            return Ok(None);
        }
        Err(RepositoryError::Refused(format!(
            "no file for the action {action}; name its folder with -d"
        )))
    }
}

fn publish(given: &Given) -> Outcome {
    let timestamped: Vec<_> = given.all("T").map(str::to_owned).collect();
    let mut parts = Parts::default();
    parts.folders.extend(given.all("d").map(PathBuf::from));
    for bundle in given.all("b") {
        parts.bundle(bundle, &timestamped)?;
    }
    if !given.words.is_empty() || !given.has("b") {
        parts.manifests(&given.words)?;
    }
    if !given.has("d") {
        parts.folders.push(PathBuf::from("."));
    }
    bundle::date(&mut parts, &timestamped)?;
    let actions = std::mem::take(&mut parts.actions);
    let content = |action: &Action| parts.content(action);
    let fmri = target(given)?.publish(Manifest::new(actions), &content, listing(given))?;
    println!("{fmri}\nPUBLISHED");
    Ok(OK)
}
