//! One plan being carried out.

use zones_sys::RootFd;

use super::{ApplyError, Content, Options, Progress, Report};
use crate::plan::Plan;

pub(super) struct Run<'a> {
    plan: &'a Plan,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        _root: &'a RootFd,
        _content: &'a dyn Content,
        _options: &'a Options,
        _progress: &'a (dyn Fn(Progress) + Sync),
    ) -> Self {
        Self { plan }
    }

    pub(super) fn all(self) -> Result<Report, ApplyError> {
        let _ = self.plan;
        Ok(Report::default())
    }
}
