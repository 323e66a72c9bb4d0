//! What every subcommand begins with: the file, its folder, the plan.

use std::path::{Path, PathBuf};

use zones_matrix::{Circumstances, History, Many, Matrix, Plan, Shard};
use zones_runner::images::{Folder, Freshness, Images, Origins};
use zones_runner::{RunFolder, Site};
use zones_store::Layout;

use super::bad;
use crate::getopt::{Given, Known, flag, value};

/// The file that is meant where none is named.
const FILE: &str = "matrix.toml";

/// `-f FILE`.
pub(super) const FILE_OPTION: Known = value('f', "file");
/// `--offline`: mirrors are not asked, images may be older.
pub(super) const OFFLINE: Known = flag('\0', "offline");
/// `--yes`.
pub(super) const YES: Known = flag('\0', "yes");
/// `--shard K/N`.
pub(super) const SHARD: Known = value('\0', "shard");

/// A matrix file, read.
pub(super) struct Desk {
    pub(super) matrix: Matrix,
    /// Where the file is.
    pub(super) folder: PathBuf,
    pub(super) site: Site,
}

impl Desk {
    /// Reads the file that the options name; what is wrong with it is told, and the exit status
    /// comes back.
    pub(super) fn open(layout: &Layout, given: &Given) -> Result<Self, u8> {
        let path = Path::new(given.get("file").unwrap_or(FILE));
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| {
            bad(format!(
                "cannot read `{}`: {error}; -f names the file",
                path.display()
            ))
        })?;
        let matrix = Matrix::parse(&text).map_err(|error| bad(at(path, &error)))?;
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = std::fs::canonicalize(folder.unwrap_or_else(|| Path::new(".")));
        let folder = folder.map_err(|error| bad(format!("{}: {error}", path.display())))?;
        Ok(Self {
            matrix,
            folder,
            site: Site::of(layout),
        })
    }

    /// The folder of the reports.
    pub(super) fn reports(&self) -> PathBuf {
        self.folder.join(&self.matrix.report.dir)
    }

    /// A run of this matrix by its name; the last one where none is named.
    pub(super) fn run(&self, name: Option<&str>) -> Result<RunFolder, String> {
        let reports = self.reports();
        if let Some(name) = name {
            // A folder is a name, too: that of a run of somewhere else.
            let path = Path::new(name);
            return Ok(match path.parent().filter(|_| name.contains('/')) {
                Some(parent) => {
                    let own = path.file_name().unwrap_or_default().to_string_lossy();
                    RunFolder::new(parent, &own)
                }
                None => RunFolder::new(&reports, name),
            });
        }
        let runs = zones_runner::runs(&reports).map_err(|error| zones_engine::chain(&error))?;
        let folders = runs.iter().rev().map(|run| RunFolder::new(&reports, run));
        // One that was killed before it wrote a word says nothing.
        let mut told = folders.filter(|folder| folder.read().is_ok());
        match told.next() {
            Some(folder) => Ok(folder),
            None => {
                let error = zones_runner::FolderError::Nothing { path: reports };
                Err(error.to_string())
            }
        }
    }

    /// Earlier runs.
    pub(super) fn history(&self) -> History {
        zones_runner::history(&self.site.history(&self.matrix.name))
    }

    /// The golden images of this host.
    pub(super) fn images(&self, layout: &Layout, given: &Given) -> Result<Images, String> {
        let binary = std::env::current_exe().map_err(|error| error.to_string())?;
        let images = Images::open(self.site.folder(), &binary, &layout.cache());
        let images = images.map_err(|error| zones_engine::chain(&error))?;
        Ok(images.with(match given.has("offline") {
            true => Freshness::Offline,
            false => Freshness::Exact,
        }))
    }

    /// The plan; what is wrong is told, and the exit status comes back.
    pub(super) fn plan(&self, layout: &Layout, given: &Given, seed: u64) -> Result<Plan, u8> {
        let many = match given.has("yes") {
            true => Many::Wanted,
            false => Many::Refused,
        };
        let circumstances = Circumstances {
            today: now().date(),
            seed,
            many,
            history: self.history(),
        };
        let origins = match given.has("offline") {
            true => Origins::Unknown,
            false => Origins::Asked(crate::applet::zoneadm::package_host(layout).map_err(bad)?),
        };
        let is_set = |name: &str| crate::env::is_set(name);
        let world = Folder::new(&self.folder, origins, &is_set);
        zones_matrix::plan(&self.matrix, &world, &circumstances).map_err(|error| {
            let path = given.get("file").unwrap_or(FILE);
            bad(at(Path::new(path), &error))
        })
    }
}

/// The time now, in UTC: two hosts that make one plan have one day.
pub(super) fn now() -> jiff::Zoned {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC)
}

pub(super) fn at(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}:\n{error}", path.display())
}

/// Places of the cells that are meant.
pub(super) fn select(plan: &Plan, given: &Given) -> Result<Vec<usize>, u8> {
    let shard: Option<Shard> = match given.get("shard") {
        None => None,
        Some(text) => Some(text.parse().map_err(bad)?),
    };
    let patterns: Vec<&str> = given.words.iter().map(String::as_str).collect();
    plan.select(&patterns, shard).map_err(bad)
}

/// Options and words in any order. `-armhf` after a word is a pattern; `-j` is an option.
pub(super) fn parse(args: &[String], known: &[Known]) -> Result<Given, String> {
    let mut given = Given::parse(args, known)?;
    let is_short = |word: &str| {
        let mut letters = word.chars().skip(1);
        let letter = letters.next();
        let fits = known.iter().any(|row| Some(row.short) == letter);
        word.starts_with('-') && fits && letters.next().is_none()
    };
    let is_word = |word: &&String| !word.starts_with("--") && !is_short(word);
    let mut words = Vec::new();
    loop {
        let rest = std::mem::take(&mut given.words);
        let count = rest.iter().take_while(is_word).count();
        words.extend(rest[..count].iter().cloned());
        if count == rest.len() {
            break;
        }
        given.more(&rest[count..], known)?;
    }
    given.words = words;
    Ok(given)
}
