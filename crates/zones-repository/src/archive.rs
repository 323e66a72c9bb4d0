//! Package archives, `.p5p`: a repository in one file. Source: pkg(7), pkgrecv(1), and what the
//! real tools were seen to write.
//!
//! A pax tar archive. The first member is an index of the others, the rest lies as in a repository
//! of version 4, `pkg5.repository` last.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::ArchiveSource;
pub use write::ArchiveWriter;

/// The name of the first member.
const INDEX: &str = "pkg5.index.0.gz";
/// The pax comment of the first member.
const COMMENT: &str = "pkg5.archive.version.0";
/// The last member.
const CONFIGURATION: &str = "pkg5.repository";
/// Bytes of a tar block.
const BLOCK: u64 = 512;

/// Bytes up to the next block.
fn padded(size: u64) -> u64 {
    size.div_ceil(BLOCK) * BLOCK
}
