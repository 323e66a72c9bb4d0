//! HTTP/1.1 as this depot speaks it. Source: RFC 9110, RFC 9112.

pub(crate) mod body;
pub(crate) mod date;
pub(crate) mod head;
pub(crate) mod percent;
pub(crate) mod range;
pub(crate) mod reply;
pub(crate) mod send;
pub(crate) mod target;
