//! Access log in the combined form, and errors.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use crate::http::date;
use crate::http::head::Head;

/// Where lines go.
pub type Sink = Box<dyn Write + Send>;

/// The two logs of a depot; one that is `None` is not kept.
#[derive(Default)]
pub struct Logs {
    access: Option<Mutex<Sink>>,
    errors: Option<Mutex<Sink>>,
}

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs")
            .field("access", &self.access.is_some())
            .field("errors", &self.errors.is_some())
            .finish()
    }
}

/// One request that was answered.
pub(crate) struct Entry<'e> {
    pub(crate) host: &'e str,
    pub(crate) user: Option<&'e str>,
    pub(crate) head: Option<&'e Head>,
    pub(crate) status: u16,
    /// Bytes of the body that were sent.
    pub(crate) bytes: u64,
}

impl Logs {
    /// Logs to these sinks. A sink gets whole lines.
    #[must_use]
    pub fn new(access: Option<Sink>, errors: Option<Sink>) -> Self {
        Self {
            access: access.map(Mutex::new),
            errors: errors.map(Mutex::new),
        }
    }

    pub(crate) fn access(&self, entry: &Entry<'_>) {
        let Some(sink) = &self.access else { return };
        let header = |name| entry.head.and_then(|head| head.header(name)).unwrap_or("-");
        let request = entry.head.map_or_else(String::new, |head| {
            format!("{} {} HTTP/1.{}", head.verb, head.target, head.minor)
        });
        let line = format!(
            "{} - {} [{}] \"{}\" {} {} \"{}\" \"{}\"\n",
            entry.host,
            clean(entry.user.unwrap_or("-")).replace(' ', "_"),
            date::log_stamp(date::now()),
            clean(&request),
            entry.status,
            entry.bytes,
            clean(header("referer")),
            clean(header("user-agent")),
        );
        write(sink, &line);
    }

    pub(crate) fn error(&self, message: &str) {
        let Some(sink) = &self.errors else { return };
        let stamp = date::log_stamp(date::now());
        write(sink, &format!("[{stamp}] {}\n", clean(message)));
    }
}

/// A log that cannot be written stops nobody.
fn write(sink: &Mutex<Sink>, line: &str) {
    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = sink.write_all(line.as_bytes()).and_then(|()| sink.flush());
}

/// One line stays one line, and a quoted word ends where we end it.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            other if other.is_control() => out.extend(other.escape_default()),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn a_line_cannot_be_forged() {
        assert_eq!(
            clean("a\"b\\c\r\nd\u{1b}[1m"),
            "a\\\"b\\\\c\\r\\nd\\u{1b}[1m"
        );
    }
}
