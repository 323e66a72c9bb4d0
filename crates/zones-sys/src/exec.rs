//! Becoming another program.

use std::ffi::{CStr, CString, NulError};
use std::ptr;

use rustix::io::Errno;

use crate::process::last_errno;

/// Arguments or environment, in the form that execve(2) wants.
#[derive(Debug, Clone, Default)]
pub struct CStrings(Vec<CString>);

impl CStrings {
    /// Copies the texts.
    ///
    /// # Errors
    /// When one holds a NUL byte.
    pub fn new<T: Into<Vec<u8>>>(texts: impl IntoIterator<Item = T>) -> Result<Self, NulError> {
        texts
            .into_iter()
            .map(CString::new)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(crate) fn pointers(&self) -> Vec<*const libc::c_char> {
        let pointers = self.0.iter().map(|text| text.as_ptr());
        pointers.chain(std::iter::once(ptr::null())).collect()
    }
}

/// Replaces this process by `path`; comes back only when that failed, with the reason.
#[must_use]
pub fn exec(path: &CStr, args: &CStrings, environ: &CStrings) -> Errno {
    let (args, environ) = (args.pointers(), environ.pointers());
    // SAFETY: both arrays end with a null pointer and, like `path`, outlive the call.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), environ.as_ptr()) };
    last_errno()
}
