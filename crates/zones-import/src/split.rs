//! A root split into packages.

mod owners;
mod packages;

use std::collections::BTreeMap;

use zones_ips::{Action, DotSequence, Stem};
use zones_repository::Content;
use zones_sys::RootFd;

use crate::accounts::Accounts;
use crate::alternatives;
use crate::database::{self, Installed};
use crate::depends::World;
use crate::error::{ImportError, Result};
use crate::say::DEVICE;
use crate::table::Table;
use crate::tree::{Tree, cannot_read};

/// A package of a root.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub stem: Stem,
    /// The first part of its version, which Debian's maps to.
    pub component: DotSequence,
    /// All its actions but `pkg.fmri`, in order. The payload word of a file is its hash.
    pub actions: Vec<Action>,
    /// Where the texts of its licences stand, by name of the licence.
    pub(crate) licenses: BTreeMap<String, String>,
}

/// What became of a root.
#[derive(Debug)]
pub struct Split {
    /// The packages, by name.
    pub packages: Vec<Package>,
    /// The machine that it is for, as Debian names it.
    pub architecture: String,
    /// What no package carries, and why.
    pub left_out: BTreeMap<String, String>,
    /// What stands in the root.
    pub tree: Tree,
}

/// Splits the root of a configured Debian system into packages.
///
/// Every name in the root is in a package or in [`Split::left_out`]. Equal roots give equal
/// packages: nothing depends on times or on the order in which folders list their names.
///
/// # Errors
///
/// The root cannot be read, has no database of packages or has half installed ones, or files belong
/// to users without names.
pub fn split(root: &RootFd, exclusions: &Table) -> Result<Split> {
    let tree = Tree::read(root)?;
    let installed = database::read(root, &tree)?;
    let accounts = Accounts::read(root)?;
    let alternatives = alternatives::read(root, &tree)?;
    let mut parts = owners::share(&tree, &installed, &accounts, &alternatives, exclusions)?;
    let world = World::new(&installed);
    let release = database::text(root, "etc/os-release")?.unwrap_or_default();
    let whole = Whole {
        release: packages::release_of(&release),
        architecture: architecture(&installed),
    };
    let packages = packages::make(&installed, &world, &accounts, &mut parts, &whole)?;
    Ok(Split {
        packages,
        architecture: whole.architecture,
        left_out: parts.left_out,
        tree,
    })
}

/// What all packages of a root have in common.
struct Whole {
    /// The version of the distribution.
    release: DotSequence,
    architecture: String,
}

/// The architecture of most packages that have one; another may be installed beside it.
fn architecture(installed: &[Installed]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for package in installed.iter().filter(|it| it.architecture != "all") {
        *counts.entry(&package.architecture).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map_or_else(|| "all".to_owned(), |(name, _)| name.to_owned())
}

/// Architectures that images call as Debian does.
const ARCHITECTURES: [&str; 5] = ["amd64", "i386", "arm64", "riscv64", "s390x"];

/// The attribute that keeps packages out of images of other machines.
pub(crate) fn arch_variant(architecture: &str) -> Option<(&'static str, String)> {
    let is_known = ARCHITECTURES.contains(&architecture);
    is_known.then(|| ("variant.arch", architecture.to_owned()))
}

impl Package {
    /// The content of an action of this package.
    ///
    /// # Errors
    ///
    /// It is no longer there.
    pub fn content(&self, root: &RootFd, action: &Action) -> Result<Option<Content>> {
        if action.get(DEVICE).is_some() {
            return Ok(Some(Content::from(Vec::new())));
        }
        let license = action.get("license").and_then(|it| self.licenses.get(it));
        let Some(path) = license.map(String::as_str).or_else(|| action.get("path")) else {
            return Ok(None);
        };
        let open = || -> Result<_, rustix::io::Errno> {
            let (dir, name) = root.parent(std::path::Path::new(path))?;
            dir.open_file(name)
        };
        let file = open().map_err(cannot_read(path))?;
        Ok(Some(Content::File(std::sync::Arc::new(file))))
    }
}

pub(crate) fn stem(name: &str) -> Result<Stem> {
    name.parse().map_err(|_| ImportError::Name(name.to_owned()))
}
