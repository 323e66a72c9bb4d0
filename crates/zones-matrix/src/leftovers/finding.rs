//! One thing that should not be there, or not as it is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of thing a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A file, folder, link, device, socket or pipe.
    File,
    /// A configuration file of the administrator or of a package.
    Config,
    /// A user.
    User,
    /// A group.
    Group,
    /// A service, or a link that enables one.
    Service,
    /// A scheduled job.
    Cron,
    /// A package or its state.
    Package,
    /// An alternative.
    Alternative,
    /// A diversion.
    Diversion,
    /// A process.
    Process,
    /// A socket that listens.
    Socket,
    /// An object of interprocess communication.
    Ipc,
    /// A mount.
    Mount,
    /// A rule of the packet filter.
    Rule,
    /// A key of the kernel.
    Key,
    /// A step that was run once more.
    Step,
    /// A library, interpreter or service that should be there.
    Need,
}

/// What happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Was not there, and is.
    Added,
    /// Was there, and is not.
    Removed,
    /// Other content.
    Content,
    /// Other mode, owner, attributes, or state.
    Meta,
    /// Another kind of thing.
    Type,
    /// The same thing under another name.
    Renamed,
    /// A link that leads nowhere now.
    Broken,
    /// A mark that runs as another user.
    Privilege,
    /// An administrator's change is lost.
    Clobbered,
    /// A file holds the same twice: a script appended what was there already.
    Doubled,
    /// It should be there and is not.
    Missing,
    /// It did not do what it should.
    Failed,
}

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Fails the check.
    Fault,
    /// Is listed, and accepted by the policy.
    Note,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// What happened.
    pub class: Class,
    /// Its name; bytes of a path that are no text are written `\xNN`.
    pub name: String,
    /// More, for people: `mode 0755 became 4755`.
    pub detail: String,
    /// The package it belongs or belonged to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How many things it stands for: a tree is one finding.
    pub count: u32,
    /// Whether it fails the check.
    pub weight: Weight,
}

impl Subject {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Config => "config",
            Self::User => "user",
            Self::Group => "group",
            Self::Service => "service",
            Self::Cron => "cron",
            Self::Package => "package",
            Self::Alternative => "alternative",
            Self::Diversion => "diversion",
            Self::Process => "process",
            Self::Socket => "socket",
            Self::Ipc => "ipc",
            Self::Mount => "mount",
            Self::Rule => "rule",
            Self::Key => "key",
            Self::Step => "step",
            Self::Need => "need",
        }
    }
}

impl Class {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Content => "content",
            Self::Meta => "meta",
            Self::Type => "type",
            Self::Renamed => "renamed",
            Self::Broken => "broken",
            Self::Privilege => "privilege",
            Self::Clobbered => "clobbered",
            Self::Doubled => "doubled",
            Self::Missing => "missing",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}",
            self.class.name(),
            self.subject.name(),
            self.name
        )?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        if self.count > 1 {
            write!(f, " ({} things)", self.count)?;
        }
        Ok(())
    }
}
