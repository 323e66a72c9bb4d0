//! What can go wrong with a zone, said once.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use zones_types::Refusal;

/// Why an operation on a zone failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The state does not allow it.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Another daemon of this zone runs.
    #[error("another zoneadmd of this zone is running")]
    Busy,
    /// The zone went away meanwhile.
    #[error("the zone is gone")]
    Gone,
    /// A file of the host.
    #[error("cannot {what} `{}`", path.display())]
    #[allow(missing_docs)]
    File {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A step inside the kernel.
    #[error("cannot {what}")]
    #[allow(missing_docs)]
    Kernel { what: &'static str, source: Errno },
    /// The configuration cannot be read.
    #[error("{0}")]
    Store(String),
    /// It was booted and did not come up.
    #[error("{0}")]
    NotUp(String),
    /// The configuration cannot be booted.
    #[error(transparent)]
    Plan(#[from] crate::plan::PlanError),
    /// Numbers ran out.
    #[error(transparent)]
    Id(#[from] crate::ids::IdError),
    /// Its brand cannot be used.
    #[error(transparent)]
    Brand(#[from] zones_brand::BrandError),
    /// The program cannot be copied where a privileged zone may see it.
    #[error(
        "cannot run the zone from a sealed memory file (is sysctl vm.memfd_noexec 2?); \
         remove attr `privileged` or allow such files"
    )]
    #[allow(missing_docs)]
    Seal { source: io::Error },
    /// Its programs cannot be run here.
    #[error(transparent)]
    Emulator(#[from] zones_brand::NoEmulator),
    /// The owners of the zone's files cannot be changed; what was done stays and is gone on with.
    #[error(transparent)]
    Owners(#[from] crate::owners::WalkError),
    /// The daemon was there before the zone became privileged.
    #[error("the zone has become privileged while zoneadmd ran; halt it and boot it again")]
    NotSealed,
    /// A hook of its brand cannot be run.
    #[error(transparent)]
    HookStart(#[from] zones_brand::HookError),
    /// A hook of its brand failed; the last lines that it said.
    #[error("brand hook {hook} failed: {end}{}", lines(tail))]
    #[allow(missing_docs)]
    Hook {
        hook: zones_brand::Hook,
        end: zones_brand::HookEnd,
        tail: Vec<String>,
    },
    /// A limit cannot be set.
    #[error("cannot limit the zone")]
    Limit(#[from] zones_cgroup::CgroupError),
    /// The network cannot be made.
    #[error("cannot plumb the network: {0}")]
    Network(String),
    /// A file system cannot be given to a running zone, or taken from it.
    #[error("{0}")]
    Mount(String),
    /// A running zone cannot be changed like that.
    #[error("{0}")]
    Apply(String),
    /// A process of the stage said why.
    #[error("unable to boot zone: {0}")]
    Stage(String),
    /// The daemon does not answer.
    #[error("zoneadmd does not answer")]
    NoDaemon,
}

impl EngineError {
    pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }

    pub(crate) fn kernel(what: &'static str) -> impl FnOnce(Errno) -> Self {
        move |source| Self::Kernel { what, source }
    }

    /// The message with all its causes, one after the other.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }
}

fn lines(tail: &[String]) -> String {
    tail.iter().map(|line| format!("\n{line}")).collect()
}

/// An error with all its causes, one after the other.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
