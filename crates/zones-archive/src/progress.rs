//! How far a long piece of work is; the caller draws it.

/// A part of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Signed indices of the mirror are fetched and checked. Unit: bytes.
    Index,
    /// Packages are chosen. Unit: packages.
    Resolve,
    /// Packages are fetched. Unit: bytes.
    Fetch,
    /// Packages or an archive are laid down. Unit: bytes read.
    Unpack,
    /// The package database is written. Unit: packages.
    Database,
    /// A folder is copied. Unit: files.
    Copy,
    /// Two trees are compared. Unit: files.
    Compare,
    /// A zone goes out or comes in as a stream. Unit: bytes.
    Stream,
}

/// Where a long piece of work tells how far it is. Called from several threads.
pub trait Progress: Send + Sync {
    /// A phase starts; `total` is 0 if it is not known.
    fn begin(&self, phase: Phase, total: u64) {
        let _ = (phase, total);
    }

    /// `amount` more of the phase is done.
    fn advance(&self, phase: Phase, amount: u64) {
        let _ = (phase, amount);
    }

    /// A phase is over.
    fn end(&self, phase: Phase) {
        let _ = phase;
    }

    /// One sentence for the user or the log, such as a retry.
    fn note(&self, text: &str) {
        let _ = text;
    }

    /// `true` once the user wants to stop; long loops ask.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
