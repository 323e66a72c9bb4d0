//! pkgrepo(1): manage package repositories. Subcommands stand in one table.

mod care;
mod import;
mod manage;
mod show;

use zones_ips::{Pattern, Publisher};
use zones_repository::{Repository, RepositoryError, Source, Store, file_path, source};
use zones_store::Layout;

use crate::getopt::{Given, Known, flag, value};
use crate::report::{FAILURE, OK, USAGE, fail};
use crate::table::Format;

/// Some of several things could not be done.
pub(crate) const PARTIAL: u8 = 3;
/// There was nothing to do.
pub(crate) const NOTHING: u8 = 4;

/// A subcommand.
struct Subcommand {
    name: &'static str,
    /// What follows the name.
    usage: &'static str,
    /// One line for lists.
    summary: &'static str,
    options: &'static [Known],
    run: fn(&Given) -> Outcome,
}

/// An exit status, or a message for status 1.
pub(crate) type Outcome = Result<u8, Trouble>;

/// Why a command ends.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The command line is wrong.
    Usage(String),
    /// Something failed.
    Failed(String),
}

impl From<RepositoryError> for Trouble {
    fn from(error: RepositoryError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<zones_import::ImportError> for Trouble {
    fn from(error: zones_import::ImportError) -> Self {
        Self::Failed(zones_engine::chain(&error))
    }
}

impl From<zones_store::StoreError> for Trouble {
    fn from(error: zones_store::StoreError) -> Self {
        Self::Failed(zones_engine::chain(&error))
    }
}

/// A wrong command line.
pub(crate) fn misused<T>(why: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Usage(why.into()))
}

const SOURCE: Known = value('s', "");
const PUBLISHER: Known = value('p', "");
const FORMAT: Known = value('F', "");
const NO_HEAD: Known = flag('H', "");
const TRIAL: Known = flag('n', "");

const SUBCOMMANDS: [Subcommand; 18] = [
    Subcommand {
        name: "create",
        usage: "repo_path",
        summary: "make a repository in a folder that is new or empty",
        options: &[value('\0', "version")],
        run: manage::create,
    },
    Subcommand {
        name: "add-publisher",
        usage: "-s repo_path publisher ...",
        summary: "make publishers with empty catalogs",
        options: &[SOURCE],
        run: manage::add_publisher,
    },
    Subcommand {
        name: "remove-publisher",
        usage: "[-n] [--synchronous] -s repo_path publisher ...",
        summary: "remove publishers with all their packages",
        options: &[SOURCE, TRIAL, flag('\0', "synchronous")],
        run: manage::remove_publisher,
    },
    Subcommand {
        name: "get",
        usage: "[-H] [-F format] -s repo_path [section/property ...]",
        summary: "print properties",
        options: &[SOURCE, PUBLISHER, FORMAT, NO_HEAD],
        run: manage::get,
    },
    Subcommand {
        name: "set",
        usage: "-s repo_path section/property=[value] | section/property=([value] ...) ...",
        summary: "change properties",
        options: &[SOURCE, PUBLISHER],
        run: manage::set,
    },
    Subcommand {
        name: "info",
        usage: "[-H] [-F format] [-p publisher ...] -s repo_uri_or_path",
        summary: "print the publishers with counts and times",
        options: &[SOURCE, PUBLISHER, FORMAT, NO_HEAD],
        run: show::info,
    },
    Subcommand {
        name: "list",
        usage: "[-H] [-F format] [-p publisher ...] -s repo_uri_or_path [pattern ...]",
        summary: "print the packages",
        options: &[SOURCE, PUBLISHER, FORMAT, NO_HEAD],
        run: show::list,
    },
    Subcommand {
        name: "contents",
        usage: "[-m] [-t action_type ...] -s repo_uri_or_path [pattern ...]",
        summary: "print manifests, or their actions of some kinds",
        options: &[SOURCE, flag('m', ""), value('t', "")],
        run: show::contents,
    },
    Subcommand {
        name: "diff",
        usage: "[-q] [-p publisher ...] [--strict] -s repo_uri_or_path -s repo_uri_or_path",
        summary: "print the packages that one repository has and another has not",
        options: &[
            SOURCE,
            PUBLISHER,
            flag('q', ""),
            flag('v', ""),
            flag('\0', "strict"),
        ],
        run: show::diff,
    },
    Subcommand {
        name: "search",
        usage: "[-H] [-p publisher ...] -s repo_path query",
        summary: "search the actions of all packages",
        options: &[SOURCE, PUBLISHER, FORMAT, NO_HEAD],
        run: show::search,
    },
    Subcommand {
        name: "refresh",
        usage: "[-p publisher ...] [--no-catalog] [--no-index] -s repo_path",
        summary: "list new packages, repair what was killed, bring the search index up to date",
        options: &REFRESH,
        run: care::refresh,
    },
    Subcommand {
        name: "rebuild",
        usage: "[-p publisher ...] [--no-catalog] [--no-index] -s repo_path",
        summary: "make catalogs and search index anew",
        options: &REFRESH,
        run: care::rebuild,
    },
    Subcommand {
        name: "remove",
        usage: "[-n] [-p publisher ...] -s repo_path pattern ...",
        summary: "remove packages, and payloads that nobody needs any more",
        options: &[SOURCE, PUBLISHER, TRIAL],
        run: care::remove,
    },
    Subcommand {
        name: "verify",
        usage: "[-p publisher ...] [--anchors dir] -s repo_path",
        summary: "prove every manifest, payload, signature and the catalog",
        options: &[
            SOURCE,
            PUBLISHER,
            value('\0', "anchors"),
            value('\0', "disable"),
        ],
        run: care::verify,
    },
    Subcommand {
        name: "fix",
        usage: "[-v] [-p publisher ...] -s repo_path",
        summary: "put right what verify finds; fetches nothing",
        options: &[SOURCE, PUBLISHER, flag('v', "")],
        run: care::fix,
    },
    Subcommand {
        name: "import-debian",
        usage: "[-nv] [-p publisher] [--suite name] [--arch name] [--variant minbase|standard] \
                [--include package,...] [--mirror uri] [--force] [--keep] [--from-root dir] \
                [--compare image_dir] -s repo_path",
        summary: "publish a Debian system as packages without scripts, what changed of it",
        options: &import::OPTIONS,
        run: import::import,
    },
    Subcommand {
        name: "version",
        usage: "",
        summary: "print the version of the software",
        options: &[],
        run: version,
    },
    Subcommand {
        name: "help",
        usage: "[subcommand]",
        summary: "print the usage",
        options: &[],
        run: help,
    },
];

const REFRESH: [Known; 4] = [
    SOURCE,
    PUBLISHER,
    flag('\0', "no-catalog"),
    flag('\0', "no-index"),
];

pub(crate) fn run(_layout: &Layout, args: &[String]) -> u8 {
    let (mut rest, mut before) = (args, Vec::new());
    // The source may stand before the subcommand, too.
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
        eprintln!("pkgrepo: unknown subcommand '{name}'");
        return usage(USAGE);
    };
    if rest.first().is_some_and(|it| it == "-?" || it == "--help") {
        println!(
            "Usage:\n        pkgrepo {} {}",
            subcommand.name, subcommand.usage
        );
        return OK;
    }
    before.extend_from_slice(rest);
    let command = format!("pkgrepo {name}");
    let done = match Given::parse(&before, subcommand.options) {
        Ok(given) => (subcommand.run)(&given),
        Err(why) => Err(Trouble::Usage(why)),
    };
    let shown = format!("pkgrepo {} {}", subcommand.name, subcommand.usage);
    end(&command, &shown, done)
}

/// Prints what is wrong, and gives the exit status.
pub(crate) fn end(command: &str, usage: &str, done: Outcome) -> u8 {
    match done {
        Ok(status) => status,
        Err(Trouble::Failed(why)) => fail(command, why),
        Err(Trouble::Usage(why)) => {
            eprintln!("{command}: {why}\nUsage:\n        {usage}");
            USAGE
        }
    }
}

fn usage(status: u8) -> u8 {
    let mut text = String::from("Usage:\n        pkgrepo subcommand [options] [operands]\n\n");
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

fn version(_: &Given) -> Outcome {
    println!("zones {}", env!("CARGO_PKG_VERSION"));
    Ok(OK)
}

fn help(given: &Given) -> Outcome {
    match given.words.first() {
        None => Ok(usage(OK)),
        Some(name) => match SUBCOMMANDS.iter().find(|known| known.name == name) {
            Some(known) => {
                println!(
                    "{}\nUsage:\n        pkgrepo {} {}",
                    known.summary, known.name, known.usage
                );
                Ok(OK)
            }
            None => misused(format!("unknown subcommand '{name}'")),
        },
    }
}

/// The name of the repository, from -s or `PKG_REPO`.
fn location(given: &Given) -> Result<String, Trouble> {
    let named = given.get("s").map(str::to_owned);
    match named.or_else(crate::env::package_repository) {
        Some(name) => Ok(name),
        None => misused("A package repository location must be provided using -s."),
    }
}

/// The repository in a folder.
fn repository(given: &Given) -> Result<Repository, Trouble> {
    let name = location(given)?;
    if name.starts_with("http:") || name.starts_with("https:") {
        return misused("only a repository in a folder can be changed; name its path");
    }
    Ok(Repository::open(std::path::Path::new(&file_path(&name)))?)
}

/// Any origin.
fn origin(name: &str) -> Result<Box<dyn Source>, Trouble> {
    Ok(source::open(name, &crate::env::http_options()?)?)
}

/// The publishers of -p, or all of them.
fn publishers(given: &Given, known: Vec<Publisher>) -> Result<Vec<Publisher>, Trouble> {
    let mut meant = Vec::new();
    for name in given.all("p").filter(|name| *name != "all") {
        match known.iter().find(|it| it.as_str() == name) {
            Some(publisher) => meant.push(publisher.clone()),
            None => return Err(RepositoryError::UnknownPublisher(name.to_owned()).into()),
        }
    }
    Ok(if meant.is_empty() { known } else { meant })
}

/// What the publishers of -p have in a repository.
fn stores(given: &Given, repository: &Repository) -> Result<Vec<Store>, Trouble> {
    let meant = publishers(given, repository.publishers()?)?;
    let stores = meant.iter().map(|it| repository.publisher(it));
    Ok(stores.collect::<Result<_, _>>()?)
}

/// Patterns of packages.
pub(crate) fn patterns(words: &[String]) -> Result<Vec<Pattern>, Trouble> {
    let patterns = words.iter().map(|word| word.parse());
    let patterns: Result<_, zones_ips::pattern::PatternError> = patterns.collect();
    patterns.map_err(|error| Trouble::Failed(error.to_string()))
}

fn format(given: &Given) -> Result<Format, Trouble> {
    Format::named(given.get("F")).or_else(misused)
}

/// Ends with an error if anything failed.
fn status(is_good: bool) -> u8 {
    if is_good { OK } else { FAILURE }
}
