//! Text into commands; goes on after a mistake and reports each one.
//!
//! Source: zonecfg(8) and the grammar of illumos `zonecfg_grammar.y`.
//!
//! Differs: a word is taken whole (the classic lexer took unknown words letter by letter, and
//! `addfs` as `add fs`), a carriage return before a newline is a blank, values that look like
//! keywords need no quotes, a quote must be closed on its line, and `""` inside of a quoted text
//! is one `"`, so that every value can be written.

mod scan;
mod value;

use std::borrow::Cow;

use crate::command::{Command, Filter, Format, Origin, Statement, Subject, VERBS, Value, Verb};
use zones_types::nearest;

use crate::diag::{Code, Diag, Span};
use crate::table::{Prop, Resource};

use scan::Scanner;

/// Filters that a command takes at most.
const FILTERS_MAX: usize = 3;

/// Reads commands one by one; see [`parse`].
#[derive(Debug)]
pub struct Parser<'a> {
    scan: Scanner<'a>,
}

/// The commands in `text`, separated by newlines and `;`.
#[must_use]
pub fn parse(text: &str) -> Parser<'_> {
    Parser {
        scan: Scanner::new(text),
    }
}

/// Where and what, before the line is counted.
struct Fault {
    code: Code,
    span: Span,
    meant: Option<&'static str>,
}

impl Fault {
    fn new(code: Code, span: Span) -> Self {
        Self {
            code,
            span,
            meant: None,
        }
    }
}

type Parsed<T> = Result<T, Fault>;

impl<'a> Iterator for Parser<'a> {
    type Item = Result<Statement<'a>, Diag>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.scan.find_statement() {
            return None;
        }
        let (start, line) = (self.scan.at(), self.scan.line());
        let mut verb = None;
        let parsed = self.command(&mut verb).and_then(|command| {
            self.end()?;
            Ok(command)
        });
        Some(match parsed {
            Ok(command) => Ok(Statement {
                line,
                span: Span {
                    start,
                    end: self.scan.at(),
                },
                command,
            }),
            Err(fault) => {
                let diag = self.diag(&fault, verb);
                self.scan.skip_statement();
                Err(diag)
            }
        })
    }
}

impl<'a> Parser<'a> {
    fn diag(&mut self, fault: &Fault, verb: Option<Verb>) -> Diag {
        let text = self.scan.text();
        let token = &text[fault.span.start..fault.span.end];
        let (line, column) = (self.scan.line(), self.scan.column(fault.span.start));
        Diag {
            code: fault.code,
            span: fault.span,
            line,
            column,
            token: if token.is_empty() { "\\n" } else { token }.to_owned(),
            command: verb.map(|verb| verb.spec().name),
            meant: fault.meant,
        }
    }

    fn command(&mut self, found: &mut Option<Verb>) -> Parsed<Command<'a>> {
        let (word, span) = self.scan.bare();
        if word == "?" {
            *found = Some(Verb::Help);
            return self.help();
        }
        let Some(verb) = Verb::named(word) else {
            return Err(Fault {
                meant: nearest(word, VERBS.iter().map(|row| row.name)),
                ..Fault::new(Code::UnknownCommand, span)
            });
        };
        *found = Some(verb);
        if self.scan.follows_word("-?") {
            self.scan.bare();
            return Ok(Command::Help(Some(Cow::Borrowed(verb.spec().name))));
        }
        match verb {
            Verb::Add => self.add(),
            Verb::Cancel => Ok(Command::Cancel),
            Verb::Clear => Ok(Command::Clear(self.prop()?)),
            Verb::Commit => Ok(Command::Commit),
            Verb::Create => self.create(),
            Verb::Delete => Ok(Command::Delete {
                force: self.force()?,
            }),
            Verb::End => Ok(Command::End),
            Verb::Exit => Ok(Command::Exit {
                force: self.force()?,
            }),
            Verb::Export => self.export(),
            Verb::Help => self.help(),
            Verb::Info => self.info(),
            Verb::Reload => Ok(Command::Reload {
                force: self.force()?,
            }),
            Verb::Remove => self.remove(),
            Verb::Revert => Ok(Command::Revert {
                force: self.force()?,
            }),
            Verb::Select => {
                let resource = self.resource()?;
                Ok(Command::Select(resource, self.filters()?))
            }
            Verb::Set => self.set(),
            Verb::Verify => Ok(Command::Verify),
        }
    }

    fn end(&mut self) -> Parsed<()> {
        let joined = self.scan.is_joined();
        if self.scan.is_end() {
            return Ok(());
        }
        let code = if joined {
            Code::MustBeQuoted
        } else {
            Code::UnexpectedWord
        };
        Err(Fault::new(code, self.scan.token()))
    }

    fn add(&mut self) -> Parsed<Command<'a>> {
        match self.subject()? {
            Subject::Resource(resource) => Ok(Command::AddResource(resource)),
            Subject::Prop(prop) => Ok(Command::AddValue(prop, self.list_value()?)),
        }
    }

    /// The value after a name without `=`.
    fn list_value(&mut self) -> Parsed<Value<'a>> {
        if self.scan.follows(b'=') {
            return Err(Fault::new(Code::UnexpectedEquals, self.scan.token()));
        }
        self.value()
    }

    fn create(&mut self) -> Parsed<Command<'a>> {
        let (mut force, mut origin) = (false, Origin::Default);
        while let Some((option, span)) = self.option() {
            if option == "-F" {
                force = true;
                continue;
            }
            if !["-a", "-b", "-t", "-X"].contains(&option) {
                return Err(Fault::new(Code::UnknownOption, span));
            }
            if origin != Origin::Default {
                return Err(Fault::new(Code::OptionConflict, span));
            }
            origin = match option {
                "-a" => Origin::Detached(self.word()?),
                "-t" => Origin::Template(self.word()?),
                "-X" => Origin::Unregistered,
                _ => Origin::Blank,
            };
        }
        Ok(Command::Create { force, origin })
    }

    fn export(&mut self) -> Parsed<Command<'a>> {
        let (mut file, mut format) = (None, Format::Classic);
        while let Some((option, span)) = self.option() {
            match option {
                "-f" => file = Some(self.word()?),
                "-o" => format = self.format()?,
                _ => return Err(Fault::new(Code::UnknownOption, span)),
            }
        }
        Ok(Command::Export { file, format })
    }

    fn help(&mut self) -> Parsed<Command<'a>> {
        if self.scan.is_end() {
            return Ok(Command::Help(None));
        }
        Ok(Command::Help(Some(self.word()?)))
    }

    fn info(&mut self) -> Parsed<Command<'a>> {
        let mut format = Format::Classic;
        while let Some((option, span)) = self.option() {
            if option != "-o" {
                return Err(Fault::new(Code::UnknownOption, span));
            }
            format = self.format()?;
        }
        let (mut subject, mut filters) = (None, Vec::new());
        if !self.scan.is_end() {
            subject = Some(self.subject()?);
            if matches!(subject, Some(Subject::Resource(_))) {
                filters = self.filters()?;
            }
        }
        Ok(Command::Info {
            subject,
            filters,
            format,
        })
    }

    fn remove(&mut self) -> Parsed<Command<'a>> {
        let force = self.force()?;
        match self.subject()? {
            Subject::Resource(resource) => Ok(Command::RemoveResource {
                force,
                resource,
                filters: self.filters()?,
            }),
            Subject::Prop(prop) => Ok(Command::RemoveValue {
                force,
                prop,
                value: self.list_value()?,
            }),
        }
    }

    fn set(&mut self) -> Parsed<Command<'a>> {
        let force = self.force()?;
        let prop = self.prop()?;
        self.equals()?;
        let value = self.value()?;
        Ok(Command::Set { force, prop, value })
    }

    fn equals(&mut self) -> Parsed<()> {
        if self.scan.take(b'=') {
            return Ok(());
        }
        Err(Fault::new(Code::MissingEquals, self.scan.token()))
    }

    /// Only `-F` is allowed.
    fn force(&mut self) -> Parsed<bool> {
        let mut force = false;
        while let Some((option, span)) = self.option() {
            if option != "-F" {
                return Err(Fault::new(Code::UnknownOption, span));
            }
            force = true;
        }
        Ok(force)
    }

    fn format(&mut self) -> Parsed<Format> {
        let span = self.scan.token();
        match &*self.word()? {
            "json" => Ok(Format::Json),
            _ => Err(Fault::new(Code::UnknownFormat, span)),
        }
    }

    fn option(&mut self) -> Option<(&'a str, Span)> {
        self.scan.follows(b'-').then(|| self.scan.bare())
    }

    fn filters(&mut self) -> Parsed<Vec<Filter<'a>>> {
        let mut filters = Vec::new();
        while !self.scan.is_end() {
            if filters.len() == FILTERS_MAX {
                return Err(Fault::new(Code::TooManyFilters, self.scan.token()));
            }
            let prop = self.prop()?;
            self.equals()?;
            let span = self.scan.token();
            match self.value()? {
                Value::Text(text) => filters.push((prop, text)),
                _ => return Err(Fault::new(Code::SimpleValueExpected, span)),
            }
        }
        Ok(filters)
    }

    /// A name in argument position.
    fn name(&mut self) -> Parsed<(&'a str, Span)> {
        let (word, span) = self.scan.bare();
        if word.is_empty() {
            return Err(Fault::new(Code::MissingName, self.scan.token()));
        }
        Ok((word, span))
    }

    fn prop(&mut self) -> Parsed<Prop> {
        let (word, span) = self.name()?;
        Prop::named(word).ok_or_else(|| Fault {
            meant: nearest(word, Prop::ALL.iter().map(|prop| prop.name())),
            ..Fault::new(Code::UnknownProperty, span)
        })
    }

    fn resource(&mut self) -> Parsed<Resource> {
        let (word, span) = self.name()?;
        Resource::named(word).ok_or_else(|| Fault {
            meant: nearest(word, Resource::ALL.iter().map(|resource| resource.name())),
            ..Fault::new(Code::UnknownResource, span)
        })
    }

    fn subject(&mut self) -> Parsed<Subject> {
        let (word, span) = self.name()?;
        if let Some(resource) = Resource::named(word) {
            return Ok(Subject::Resource(resource));
        }
        if let Some(prop) = Prop::named(word) {
            return Ok(Subject::Prop(prop));
        }
        let resources = Resource::ALL.iter().map(|resource| resource.name());
        let names = resources.chain(Prop::ALL.iter().map(|prop| prop.name()));
        Err(Fault {
            meant: nearest(word, names),
            ..Fault::new(Code::UnknownName, span)
        })
    }
}

#[cfg(test)]
mod tests;
