//! Plans: what an operation changes in an image, decided whole before anything is fetched or laid.
//!
//! [`plan`] compares everything that is delivered before with everything that is delivered after,
//! over all packages at once. What moves from one package to another is therefore an update, a
//! thing that several packages deliver goes with the last of them, and conflicts are found before
//! the image is touched. It reads the disk only to see what became of editable files, by [`Disk`].
//!
//! Source: pkg(7) and pkg(1), and what their programs were seen to do.

pub(crate) mod chosen;
pub(crate) mod collect;
pub(crate) mod compare;
mod conflict;
pub(crate) mod decide;
pub(crate) mod output;
mod step;
mod tree;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use zones_ips::facet::Facets;
use zones_ips::mediator::{Choice, Setting};
use zones_ips::preserve::{Outcome, Removal};
use zones_ips::variant::Variants;
use zones_ips::{Action, ActionError, Algorithm, Digest, Fmri, ImagePath, ImagePathRef, Manifest};

pub use conflict::Conflict;
pub use output::Numbers;
pub use step::{Item, Step, Way};

/// A package with its manifest. Cheap to copy.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its full name, with publisher and version.
    pub fmri: Fmri,
    /// What it delivers.
    pub manifest: Arc<Manifest>,
}

/// What of its packages an image takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Values such as the architecture.
    pub variants: Variants,
    /// Optional parts that are wanted or not.
    pub facets: Facets,
    /// What the administrator set, by mediator.
    pub mediators: BTreeMap<String, Setting>,
    /// Paths that are not delivered, with all below them.
    pub excluded: Vec<ImagePath>,
    /// Folders below which no package may deliver anything, such as `var/pkg`.
    pub reserved: Vec<ImagePath>,
}

/// What is asked for: the image as it is, and as it shall be.
///
/// Name ALL packages on both sides: those that stay count too, for shared paths, links and
/// conflicts. A package on both sides at one version is compared only where another one changes
/// or where the policies differ.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// All packages that are installed.
    pub installed: &'a [Package],
    /// All packages that shall be installed.
    pub wanted: &'a [Package],
    /// The policy of the image until now.
    pub before: &'a Policy,
    /// The policy from now on.
    pub after: &'a Policy,
}

/// What planning asks of the disk.
pub trait Disk {
    /// Whether a regular file is at the path; links on the way and at the end are none.
    ///
    /// # Errors
    ///
    /// The disk cannot be read.
    fn is_file(&self, path: ImagePathRef<'_>) -> io::Result<bool>;

    /// The digest of the regular file at the path; None when there is none.
    ///
    /// # Errors
    ///
    /// The disk cannot be read.
    fn digest(&self, path: ImagePathRef<'_>, algorithm: Algorithm) -> io::Result<Option<Digest>>;

    /// Bytes of the regular file at the path; None when there is none or nobody knows. It spares
    /// the digest of what cannot be the file that is meant.
    ///
    /// # Errors
    ///
    /// The disk cannot be read.
    fn size(&self, _: ImagePathRef<'_>) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

/// An image that holds nothing yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptyDisk;

impl Disk for EmptyDisk {
    fn is_file(&self, _: ImagePathRef<'_>) -> io::Result<bool> {
        Ok(false)
    }

    fn digest(&self, _: ImagePathRef<'_>, _: Algorithm) -> io::Result<Option<Digest>> {
        Ok(None)
    }
}

/// One package's way: None on one side is "not installed".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The version that goes.
    pub from: Option<Fmri>,
    /// The version that comes.
    pub to: Option<Fmri>,
}

/// A licence that concerns the administrator: new, or with another text than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct License {
    /// The licence action of the coming version.
    pub item: Item,
    /// That of the going version.
    pub from: Option<Item>,
    /// Whether the operation fails without consent.
    pub must_accept: bool,
    /// Whether its text is shown before the operation.
    pub must_display: bool,
}

/// A mediator that chooses something else than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediatorChange {
    /// Its name.
    pub mediator: String,
    /// What it chose.
    pub from: Option<Choice>,
    /// What it chooses now.
    pub to: Option<Choice>,
}

/// Services that want to know of the changes; each named once, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the attributes are")]
pub struct Actuators {
    pub disable_fmri: Vec<String>,
    pub refresh_fmri: Vec<String>,
    pub restart_fmri: Vec<String>,
    pub suspend_fmri: Vec<String>,
    /// Whether a live image must not be changed in place.
    pub reboot_needed: bool,
}

/// Editable files that change, by what happens to them. Paths, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Editables {
    /// Old path and new path.
    pub moved: Vec<(ImagePath, ImagePath)>,
    /// Gone with their packages.
    pub removed: Vec<ImagePath>,
    /// New.
    pub installed: Vec<ImagePath>,
    /// Rewritten, renamed aside, or with a new file beside them.
    pub updated: Vec<ImagePath>,
}

/// What an operation will do. Made by [`plan`], [`crate::check::repair`] or
/// [`crate::check::revert`]; carried out by [`crate::apply::apply`].
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The packages that items speak of.
    pub(crate) packages: Vec<Package>,
    pub(crate) changes: Vec<Change>,
    pub(crate) removals: Vec<Step>,
    pub(crate) installs: Vec<Step>,
    pub(crate) updates: Vec<Step>,
    /// Actions that say something but change no file, in removals, installs and updates.
    pub(crate) silent: [usize; 3],
    /// Folders that nobody delivers any more, deepest first.
    pub(crate) folders_gone: Vec<ImagePath>,
    /// Folders that are there only because something lies in them, and are new, parents first.
    pub(crate) folders_implied: Vec<ImagePath>,
    pub(crate) mediators: Vec<MediatorChange>,
    pub(crate) licenses: Vec<License>,
    pub(crate) actuators: Actuators,
    pub(crate) editables: Editables,
    /// Whether variants or facets differ.
    pub(crate) is_policy_changed: bool,
    /// Whether this repairs packages as they are.
    pub(crate) is_repair: bool,
}

/// Why there is no plan. The image is untouched.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Packages deliver what cannot stand beside each other; all conflicts, as pkg(1) prints them.
    #[error("{}", conflict::joined(.0))]
    Conflicts(Vec<Conflict>),
    /// A manifest has an action that cannot be laid down.
    #[error("the package {fmri} has an action that cannot be installed: {source}")]
    Action {
        /// The package.
        fmri: Box<Fmri>,
        /// What is wrong with the action.
        source: ActionError,
    },
    /// A package delivers below a folder that belongs to the packaging system.
    #[error("the package {fmri} delivers '{path}', which is reserved; it must be corrected")]
    Reserved {
        /// The package.
        fmri: Box<Fmri>,
        /// The path.
        path: ImagePath,
    },
    /// The disk could not be asked about an editable file.
    #[error("cannot look at '{path}' in the image")]
    Disk {
        /// The path.
        path: ImagePath,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Plans the way from what is installed to what is wanted.
///
/// # Errors
///
/// Conflicts between packages, actions that cannot be laid down, and a disk that cannot be read.
pub fn plan(request: &Request<'_>, disk: &dyn Disk) -> Result<Plan, PlanError> {
    let table = collect::Table::of(request)?;
    let conflicts = conflict::find(&table);
    if !conflicts.is_empty() {
        return Err(PlanError::Conflicts(conflicts));
    }
    let mut plan = compare::compare(&table);
    tree::folders(&table, &mut plan)?;
    decide::files(&mut plan, disk)?;
    output::gather(&table, &mut plan);
    Ok(plan)
}

impl Plan {
    /// Whether there is nothing to do: exit 4 of pkg(1).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.mediators.is_empty()
            && self.steps().next().is_none()
            && !self.is_policy_changed
    }

    /// Packages that change, sorted by name.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The steps of removal, in their order.
    #[must_use]
    pub fn removals(&self) -> &[Step] {
        &self.removals
    }

    /// The steps of installation, in their order.
    #[must_use]
    pub fn installs(&self) -> &[Step] {
        &self.installs
    }

    /// The updates, in their order.
    #[must_use]
    pub fn updates(&self) -> &[Step] {
        &self.updates
    }

    /// All steps: removals, installs, updates.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        let rest = self.installs.iter().chain(&self.updates);
        self.removals.iter().chain(rest)
    }

    /// Actions in the three phases as pkg(1) counts them, with those that change no file.
    #[must_use]
    pub fn action_counts(&self) -> [usize; 3] {
        let steps = [&self.removals, &self.installs, &self.updates];
        std::array::from_fn(|at| steps[at].len() + self.silent[at])
    }

    /// Mediators that choose anew, by name.
    #[must_use]
    pub fn mediators(&self) -> &[MediatorChange] {
        &self.mediators
    }

    /// Licences that are new or changed.
    #[must_use]
    pub fn licenses(&self) -> &[License] {
        &self.licenses
    }

    /// Services that want to know.
    #[must_use]
    pub fn actuators(&self) -> &Actuators {
        &self.actuators
    }

    /// Editable files that change.
    #[must_use]
    pub fn editables(&self) -> &Editables {
        &self.editables
    }

    /// The action of an item.
    #[must_use]
    pub fn action(&self, item: Item) -> &Action {
        &self.packages[item.package()].manifest.actions()[item.action()]
    }

    /// The package of an item.
    #[must_use]
    pub fn fmri(&self, item: Item) -> &Fmri {
        &self.packages[item.package()].fmri
    }

    /// The actions whose payload must be there before [`crate::apply::apply`] begins, each payload
    /// once: files that will be written, and licences.
    #[must_use]
    pub fn content(&self) -> Vec<Item> {
        output::content(self)
    }

    /// The label of an action in messages: `file: usr/bin/foo`.
    #[must_use]
    pub fn label(action: &Action) -> String {
        format!("{}: {}", action.word(), action.key().unwrap_or_default())
    }
}

impl Step {
    /// Whether its payload is needed.
    pub(crate) fn needs_content(&self) -> bool {
        self.outcome.is_some_and(Outcome::needs_content)
    }

    /// Whether it deletes, keeps or salvages what goes.
    pub(crate) fn removal(&self) -> Removal {
        self.removal.unwrap_or(Removal::Delete)
    }
}
