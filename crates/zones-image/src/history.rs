//! `history/`: what was done to an image, one XML document for each operation.

use quick_xml::Writer;
use quick_xml::events::{BytesCData, BytesDecl, BytesEnd, BytesStart, Event};
use zones_ips::Timestamp;

use crate::error::{ImageError, Result};
use crate::folder::Folder;

const BELOW: &str = "history";

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// `install`, `update` ...
    pub operation: String,
    /// `pkg`.
    pub client: String,
    /// Version of the client.
    pub version: String,
    /// What was typed.
    pub args: Vec<String>,
    /// Name of the user.
    pub user: String,
    /// Number of the user.
    pub uid: u32,
    /// `Succeeded` or `Failed`, and why, as pkg(1) words it.
    pub result: (String, String),
    /// Packages before.
    pub before: String,
    /// Packages after.
    pub after: String,
    /// What went wrong.
    pub errors: Vec<String>,
}

impl Entry {
    /// The outcome as tables show it.
    #[must_use]
    pub fn outcome(&self) -> String {
        match self.result.1.as_str() {
            "None" => self.result.0.clone(),
            why => format!("{} ({why})", self.result.0),
        }
    }

    fn to_xml(&self) -> std::io::Result<Vec<u8>> {
        let mut xml = Writer::new(Vec::new());
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("ascii"), None)))?;
        xml.write_event(Event::Start(BytesStart::new("history")))?;
        let client = [("name", &*self.client), ("version", &*self.version)];
        xml.write_event(Event::Start(
            BytesStart::new("client").with_attributes(client),
        ))?;
        list(&mut xml, "args", "arg", &self.args)?;
        xml.write_event(Event::End(BytesEnd::new("client")))?;
        let (uid, result) = (
            self.uid.to_string(),
            format!("{}, {}", self.result.0, self.result.1),
        );
        let (start, end) = (self.start.to_string(), self.end.to_string());
        let operation = [
            ("name", &*self.operation),
            ("username", &*self.user),
            ("userid", &*uid),
            ("result", &*result),
            ("start_time", &*start),
            ("end_time", &*end),
        ];
        let head = BytesStart::new("operation").with_attributes(operation);
        xml.write_event(Event::Start(head))?;
        for (name, text) in [("start_state", &self.before), ("end_state", &self.after)] {
            if !text.is_empty() {
                element(&mut xml, name, text)?;
            }
        }
        if !self.errors.is_empty() {
            list(&mut xml, "errors", "error", &self.errors)?;
        }
        xml.write_event(Event::End(BytesEnd::new("operation")))?;
        xml.write_event(Event::End(BytesEnd::new("history")))?;
        Ok(xml.into_inner())
    }

    fn from_xml(text: &str) -> Option<Self> {
        let mut reader = quick_xml::Reader::from_str(text);
        let mut entry = Self {
            start: Timestamp::from_unix(0)?,
            end: Timestamp::from_unix(0)?,
            operation: String::new(),
            client: String::new(),
            version: String::new(),
            args: Vec::new(),
            user: String::new(),
            uid: 0,
            result: (String::new(), String::new()),
            before: String::new(),
            after: String::new(),
            errors: Vec::new(),
        };
        let mut inside = Vec::new();
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    entry.attributes(&start)?;
                    inside.push(start.name().as_ref().to_owned());
                }
                Event::Empty(start) => entry.attributes(&start)?,
                Event::End(_) => {
                    inside.pop();
                }
                Event::CData(data) => {
                    let text = data.into_inner().into_owned();
                    match inside.last().map(String::as_str) {
                        Some("arg") => entry.args.push(text),
                        Some("error") => entry.errors.push(text),
                        Some("start_state") => entry.before = text,
                        Some("end_state") => entry.after = text,
                        _ => {}
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        (!entry.operation.is_empty()).then_some(entry)
    }

    fn attributes(&mut self, start: &BytesStart<'_>) -> Option<()> {
        let name = start.name();
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                .ok()?
                .into_owned();
            match (name.as_ref(), attribute.key.as_ref()) {
                ("client", "name") => self.client = value,
                ("client", "version") => self.version = value,
                ("operation", "name") => self.operation = value,
                ("operation", "username") => self.user = value,
                ("operation", "userid") => self.uid = value.parse().ok()?,
                ("operation", "start_time") => self.start = value.parse().ok()?,
                ("operation", "end_time") => self.end = value.parse().ok()?,
                ("operation", "result") => {
                    let (word, why) = value.split_once(", ").unwrap_or((&*value, "None"));
                    self.result = (word.to_owned(), why.to_owned());
                }
                _ => {}
            }
        }
        Some(())
    }
}

fn element(xml: &mut Writer<Vec<u8>>, name: &str, text: &str) -> std::io::Result<()> {
    xml.write_event(Event::Start(BytesStart::new(name)))?;
    for part in BytesCData::escaped(text) {
        xml.write_event(Event::CData(part))?;
    }
    xml.write_event(Event::End(BytesEnd::new(name)))
}

fn list(
    xml: &mut Writer<Vec<u8>>,
    outer: &str,
    inner: &str,
    texts: &[String],
) -> std::io::Result<()> {
    xml.write_event(Event::Start(BytesStart::new(outer)))?;
    for text in texts {
        element(xml, inner, text)?;
    }
    xml.write_event(Event::End(BytesEnd::new(outer)))
}

/// Adds an entry under the next free name of its second.
pub(crate) fn add(folder: &Folder, entry: &Entry) -> Result<()> {
    let xml = entry
        .to_xml()
        .map_err(|error| ImageError::damaged(&folder.full(BELOW), error))?;
    let free = (1..100)
        .map(|number| format!("{BELOW}/{}-{number:02}.xml", entry.start))
        .find(|name| !folder.has(name));
    let name = free.ok_or_else(|| {
        ImageError::damaged(&folder.full(BELOW), "too many operations in one second")
    })?;
    // Not worth waiting for the disk: what is cut short is left out of lists.
    folder.write_soon(name, &xml)
}

/// All entries, the oldest first; documents that cannot be read are left out.
pub(crate) fn all(folder: &Folder) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for name in folder.names(BELOW)? {
        // What is no file or too large is no entry of ours.
        if let Ok(Some(text)) = folder.text(format!("{BELOW}/{name}")) {
            found.extend(Entry::from_xml(&text));
        }
    }
    Ok(found)
}

/// Forgets everything that was done.
pub(crate) fn purge(folder: &Folder) -> Result<()> {
    folder.remove(BELOW)
}
