//! What can go wrong with a request.

use rustix::io::Errno;

/// A request that the kernel refused, or that it could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{object}`{}", remedy(*source))]
pub struct NetError {
    /// What was tried, as a verb.
    pub doing: &'static str,
    /// With what: a link, an address, a file.
    pub object: String,
    /// The answer of the kernel.
    #[source]
    pub source: Errno,
}

fn remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::OPNOTSUPP => ": this kernel lacks the link type or feature",
        Errno::PERM => ": CAP_NET_ADMIN is needed",
        _ => "",
    }
}

impl NetError {
    pub(crate) fn new(
        doing: &'static str,
        object: impl Into<String>,
    ) -> impl FnOnce(Errno) -> Self {
        let object = object.into();
        move |source| Self {
            doing,
            object,
            source,
        }
    }
}
