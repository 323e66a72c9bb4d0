//! Search as operations and pages ask for it.

use zones_ips::Fmri;
use zones_repository::Store;

use crate::http::reply::Reply;
use crate::site::Site;

/// One question.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) text: String,
    pub(crate) is_case_sensitive: bool,
    /// At most so many answers.
    pub(crate) most: Option<usize>,
    /// So many answers are left out first.
    pub(crate) skipped: usize,
    /// Packages are asked for, not actions.
    pub(crate) packages: bool,
}

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub(crate) fmri: Fmri,
    /// The attribute that matched.
    pub(crate) index: String,
    /// The word at the head of the action.
    pub(crate) action: String,
    /// The value that matched.
    pub(crate) value: String,
    /// The whole action.
    pub(crate) line: String,
}

/// Answers a question. The error is the reply that refuses it.
pub(crate) fn run(_site: &Site, _store: &Store, _asked: &Asked) -> Result<Vec<Hit>, Reply> {
    let message = "Search functionality is temporarily unavailable.";
    Err(Reply::refusal(503, message))
}
