//! What is answered.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;

use super::date;

/// The answer to one request.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The media type; empty for none.
    pub(crate) kind: &'static str,
    pub(crate) caching: Caching,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
}

/// What others may keep, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caching {
    /// Nothing is said.
    Unsaid,
    /// Nobody keeps it.
    Never,
    /// For so many seconds.
    Seconds(u32),
}

/// The body of an answer.
pub(crate) enum Content {
    Empty,
    Bytes(Vec<u8>),
    Fixed(&'static [u8]),
    /// A file, which may be asked for in parts and conditionally.
    File(Served),
    /// Something of unknown length.
    Stream(Writer),
}

/// Writes a body piece by piece.
pub(crate) type Writer = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()>>;

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Fixed(bytes) => write!(f, "Fixed({})", bytes.len()),
            Self::File(served) => write!(f, "File({})", served.size),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// An open file and what validates a copy of it.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) file: File,
    pub(crate) size: u64,
    /// Seconds since 1970.
    pub(crate) modified: u64,
    /// With its quotes.
    pub(crate) tag: String,
}

impl Served {
    /// Errors: it is no regular file, or fstat(2) fails.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let positive = |seconds: i64| u64::try_from(seconds).unwrap_or(0);
        let (mut modified, changed) = (positive(meta.mtime()), positive(meta.ctime()));
        if changed + 2 > date::now() && modified >= changed.saturating_sub(1) {
            // It may change again within the second that its copies would be validated by.
            modified = changed.saturating_sub(2);
        }
        Ok(Self {
            size: meta.len(),
            modified,
            // Not the time of modification: a repository sets that of its catalogs to full seconds.
            tag: format!("\"{:x}.{:x}-{:x}\"", changed, meta.ctime_nsec(), meta.len()),
            file,
        })
    }
}

impl Reply {
    pub(crate) fn new(status: u16, kind: &'static str, content: Content) -> Self {
        Self {
            status,
            kind,
            caching: Caching::Unsaid,
            headers: Vec::new(),
            content,
        }
    }

    /// 200 with a text that is made already.
    pub(crate) fn text(kind: &'static str, text: impl Into<Vec<u8>>) -> Self {
        Self::new(200, kind, Content::Bytes(text.into()))
    }

    /// An error: a small page with the message in its paragraph.
    pub(crate) fn refusal(status: u16, message: &str) -> Self {
        let title = format!("{status} {}", reason(status));
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
             <title>{title}</title></head>\n<body>\n<h2>{title}</h2>\n<p>{}</p>\n</body>\n</html>\n",
            escape(message)
        );
        Self::text("text/html;charset=utf-8", page).status(status)
    }

    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn cached(self, caching: Caching) -> Self {
        Self { caching, ..self }
    }

    pub(crate) fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Text for HTML: nothing in it is a tag, an entity or the end of an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            other => out.push(other),
        }
    }
    out
}

/// The words beside a status.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Error",
    }
}
