//! One session of zonecfg: commands go in; lines, questions and effects come out as values.
//!
//! A session does no input or output. What it must know of the host it asks an [`Env`]; what must
//! be written it hands out as an [`Effect`] and learns the outcome through [`Session::acted`].
//!
//! Differs: `cancel` undoes everything that was typed in the resource, also values that are
//! resource controls; a command file with a mistake changes nothing (classic zonecfg saved what
//! stood before the mistake); a syntax error in the file is found before its first command runs.

mod create;
mod edit;
mod leave;
mod list;
mod resource;
mod set;

use std::collections::HashMap;
use std::sync::Arc;

use zones_types::{ZoneName, ZoneState};

use crate::check::Context;
use crate::command::{Command, Scope, Statement, Verb};
use crate::diag::{Code, Diag};
use crate::form::Form;
use crate::hashes::{Hashing, Places};
use crate::table::Resource;
use crate::{Reason, ZoneConfig, help};

/// What a session must know of the host.
pub trait Env {
    /// Names of the installed brands.
    fn brands(&self) -> Vec<String>;
    /// Names that `create -t` takes.
    fn templates(&self) -> Vec<String>;
    /// The state of a zone; `None` when it is not configured.
    fn state(&self, zone: &ZoneName) -> Option<ZoneState>;
    /// The committed configuration; the error is the whole message.
    fn load(&self, zone: &ZoneName) -> Result<Option<ZoneConfig>, String>;
    /// What `create -t` copies; the error is the whole message.
    fn template(&self, name: &ZoneName) -> Result<Option<ZoneConfig>, String>;
    /// The configuration of the detached zone at a path; the error is the whole message.
    fn detached(&self, path: &str) -> Result<ZoneConfig, String>;
    /// The document of a zone that does not stand in the index; the error is the whole message.
    fn unregistered(&self, _: &ZoneName) -> Result<Option<ZoneConfig>, String> {
        Ok(None)
    }
    /// The zone that has this uuid.
    fn uuid_owner(&self, _: &str) -> Option<ZoneName> {
        None
    }
    /// What the brand's own check says of a configuration that is fine otherwise; the error are the
    /// lines to show.
    fn check(&self, _config: &ZoneConfig) -> Result<(), Vec<String>> {
        Ok(())
    }
}

/// Where the commands come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A terminal.
    Terminal,
    /// Standard input that is no terminal.
    Pipe,
    /// `-f -` and no terminal.
    StdinFile,
    /// `-f FILE`
    File(String),
    /// The arguments.
    Arguments,
}

/// How a session behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// Where the commands come from.
    pub input: Input,
    /// Whether questions can be asked: standard input is a terminal.
    pub can_ask: bool,
    /// Whether the configuration cannot be written.
    pub read_only: bool,
    /// `-R`: another root than that of the host.
    pub alternate_root: bool,
    /// `-r`: the configuration of the running zone, not the one on disk.
    pub live: bool,
}

/// Where a line goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// Standard output, through a pager when it is a terminal.
    Pager,
}

/// Something to print; `text` has no newline at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where to.
    pub stream: Stream,
    /// What.
    pub text: String,
}

/// Something to do for the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write the configuration; `old` is the name it had in the index, if it was there.
    Commit {
        /// What to write.
        config: Arc<ZoneConfig>,
        /// Its name in the index.
        old: Option<ZoneName>,
    },
    /// Change the running zone.
    Apply(Arc<ZoneConfig>),
    /// Remove the configuration of this zone.
    Delete(ZoneName),
    /// Write `text` to `file`.
    Export {
        /// As it was typed.
        file: String,
        /// The commands, or JSON.
        text: String,
    },
}

/// What the session waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The next command.
    Command,
    /// An answer to this question, default no: [`Session::answer`].
    Ask(String),
    /// The outcome of this effect: [`Session::acted`].
    Act(Effect),
    /// Nothing: the session is over.
    Leave,
}

/// What a step of the session brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// To print, in this order.
    pub lines: Vec<Line>,
    /// What to do then.
    pub next: Next,
}

/// What to do when an answer or an outcome comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pending {
    /// `create` over an existing zone.
    Create(Box<ZoneConfig>),
    Delete,
    Revert,
    Reload,
    RemoveAll(Resource),
    LeaveResource,
    LeaveUnsaved,
    Commit {
        leaving: bool,
    },
    Deleted,
    Exported(String),
}

/// The resource that is open.
#[derive(Debug, Clone)]
struct Open {
    form: Form<'static>,
    /// Which resource of its kind it replaces.
    at: Option<usize>,
    /// Where the elements of its list stand by their hash, once something was added to it.
    seen: Option<Places>,
}

/// One session; see the module.
pub struct Session<'e> {
    env: &'e dyn Env,
    mode: Mode,
    zone: ZoneName,
    /// The name in the index, if the zone stands there.
    stored: Option<ZoneName>,
    /// Shared with the effect that writes it: a long one is not copied for that.
    config: Option<Arc<ZoneConfig>>,
    /// Why there is no configuration, when it is not simply missing.
    broken: Option<String>,
    open: Option<Open>,
    dirty: bool,
    failed: bool,
    warned_host: bool,
    /// Where the resources of a kind stand by their keys, once that was asked.
    keys: HashMap<Resource, Places>,
    hash: Hashing,
    pending: Option<Pending>,
    /// The line of the statement that runs, until its first error named it.
    line: Option<usize>,
    lines: Vec<Line>,
    next: Next,
}

/// Commands that make no sense on the configuration of a running zone.
const STORED_ONLY: [Verb; 3] = [Verb::Create, Verb::Delete, Verb::Revert];

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("zone", &self.zone)
            .field("open", &self.open)
            .field("dirty", &self.dirty)
            .finish_non_exhaustive()
    }
}

impl<'e> Session<'e> {
    /// Begins a session on `zone`; what the reply brings is to be printed before the first prompt.
    #[must_use]
    pub fn begin(zone: ZoneName, mode: Mode, env: &'e dyn Env) -> (Self, Reply) {
        let mut session = Self {
            stored: env.state(&zone).map(|_| zone.clone()),
            env,
            mode,
            zone,
            config: None,
            broken: None,
            open: None,
            dirty: false,
            failed: false,
            warned_host: false,
            keys: HashMap::new(),
            hash: Hashing::default(),
            pending: None,
            line: None,
            lines: Vec::new(),
            next: Next::Command,
        };
        session.load();
        session.greet();
        let reply = session.reply();
        (session, reply)
    }

    /// Runs one command.
    pub fn run(&mut self, statement: &Statement<'_>) -> Reply {
        self.line = Some(statement.line);
        let command = &statement.command;
        if self.allows(command) {
            self.dispatch(command);
        }
        self.line = None;
        self.reply()
    }

    /// Takes the answer to the last question; `None` when the terminal gave none.
    pub fn answer(&mut self, yes: Option<bool>) -> Reply {
        match (self.pending.take(), yes) {
            (Some(pending), Some(true)) => self.confirmed(pending),
            (Some(pending), None) => {
                self.mode.can_ask = false;
                self.refuse(&pending);
            }
            _ => {}
        }
        self.reply()
    }

    /// Takes the outcome of the last effect; the error is the message without its subject.
    pub fn acted(&mut self, outcome: Result<(), String>) -> Reply {
        match self.pending.take() {
            Some(Pending::Commit { leaving }) => self.committed(outcome, leaving),
            Some(Pending::Deleted) => self.deleted(outcome),
            Some(Pending::Exported(file)) => {
                if let Err(why) = outcome {
                    self.error(format!("opening file {file}: {why}"));
                }
            }
            _ => {}
        }
        self.reply()
    }

    /// Reports text that is no command.
    pub fn syntax_error(&mut self, diag: &Diag) -> Reply {
        self.failed = true;
        let token = &diag.token;
        if let Input::File(file) = &self.mode.input {
            let (line, column) = (diag.line, diag.column);
            let at = format!("zonecfg: {file}: line {line}, column {column}: {diag}");
            self.say(
                Stream::Err,
                format!("syntax error on line {line} at '{token}'"),
            );
            self.say(Stream::Err, at);
        } else {
            self.say(Stream::Err, format!("syntax error at '{token}'"));
            self.say(Stream::Err, format!("column {}: {diag}", diag.column));
        }
        match diag.command.and_then(Verb::named) {
            Some(verb) => self.say(Stream::Err, help::usage_of(verb)),
            None if diag.code == Code::UnknownCommand && diag.meant.is_none() => {
                self.say(Stream::Err, help::commands(self.scope()));
            }
            None => {}
        }
        self.reply()
    }

    /// The prompt of an interactive session.
    #[must_use]
    pub fn prompt(&self) -> String {
        let live = if self.mode.live { " (live)" } else { "" };
        match self.resource() {
            Some(resource) => format!("zonecfg:{}{live}:{resource}> ", self.zone),
            None => format!("zonecfg:{}{live}> ", self.zone),
        }
    }

    /// The resource that is open.
    #[must_use]
    pub fn resource(&self) -> Option<Resource> {
        self.open.as_ref().map(|open| open.form.resource)
    }

    /// Whether an error was seen, or something is not saved: exit status 1.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed || self.dirty
    }

    /// Whether an error was seen: a command file stops then.
    #[must_use]
    pub fn saw_error(&self) -> bool {
        self.failed
    }

    /// The configuration in memory.
    #[must_use]
    pub fn config(&self) -> Option<&ZoneConfig> {
        self.config.as_deref()
    }

    fn scope(&self) -> Scope {
        if self.open.is_some() {
            Scope::Resource
        } else {
            Scope::Global
        }
    }

    fn load(&mut self) {
        self.keys.clear();
        self.broken = None;
        match self.env.load(&self.zone) {
            Ok(Some(config)) => {
                let brand = config.brand_or_default();
                let known = self.knows_brand(brand.as_str()) || self.zone.is_global();
                if known {
                    self.config = Some(Arc::new(config));
                    return;
                }
                self.broken = Some(format!(
                    "Zone {} uses non-existent brand \"{brand}\".  Unable to continue",
                    self.zone
                ));
            }
            Ok(None) if self.zone.is_global() => {
                self.config = Some(Arc::new(ZoneConfig::blank(self.zone.clone())));
            }
            Ok(None) => {}
            Err(message) => self.broken = Some(message),
        }
    }

    fn greet(&mut self) {
        let session = matches!(self.mode.input, Input::Terminal | Input::Pipe);
        if self.mode.read_only && self.mode.input != Input::Arguments {
            self.say(
                Stream::Err,
                "WARNING: you do not have write access to this zone's configuration file;\n\
                 going into read-only mode.",
            );
        }
        if !session || self.config.is_some() {
            return;
        }
        // Not an error yet: whoever leaves at once leaves with status 0.
        match self.broken.clone() {
            Some(message) => self.say(Stream::Err, message),
            None => {
                self.say(Stream::Err, format!("{}: {}", self.zone, Reason::NoZone));
                if !self.mode.read_only {
                    self.say_hint();
                }
            }
        }
    }

    fn say_hint(&mut self) {
        self.say(Stream::Out, "Use 'create' to begin configuring a new zone.");
    }

    /// Whether the command makes sense in this scope and mode; says so when not.
    fn allows(&mut self, command: &Command<'_>) -> bool {
        let spec = command.verb().spec();
        let inner = matches!(command, Command::AddValue(..) | Command::RemoveValue { .. });
        let outer = matches!(
            command,
            Command::AddResource(_) | Command::RemoveResource { .. }
        );
        let scope = match spec.scope {
            Scope::Both if outer => Scope::Global,
            scope => scope,
        };
        match (scope, self.scope()) {
            (Scope::Global, Scope::Resource) if spec.verb == Verb::Revert => self.error(
                "You can only use revert in the global scope.\n\
                 Use 'cancel' to cancel changes to a resource specification.",
            ),
            (Scope::Global, Scope::Resource) => self.error(format!(
                "The {} command only makes sense in the global scope.",
                spec.name
            )),
            (Scope::Resource, Scope::Global) => self.error(format!(
                "The {} command only makes sense in the resource scope.",
                spec.name
            )),
            (Scope::Both, Scope::Global) if inner => self.error(format!(
                "Cannot {} a resource-specific property from the global scope.",
                spec.name
            )),
            _ if self.mode.live && STORED_ONLY.contains(&spec.verb) => self.error(format!(
                "The {} command cannot be used with -r: it is about the stored configuration.",
                spec.name
            )),
            _ if !self.mode.live && spec.verb == Verb::Reload => {
                self.error("The reload command only makes sense with -r.");
            }
            _ if spec.changes && self.mode.read_only => {
                self.error(format!(
                    "{}: cannot {} in read-only mode.",
                    self.zone, spec.name
                ));
            }
            _ => return true,
        }
        false
    }

    fn dispatch(&mut self, command: &Command<'_>) {
        match command {
            Command::AddResource(resource) => self.add_resource(*resource),
            Command::AddValue(prop, value) => self.add_value(*prop, value),
            Command::Cancel => self.open = None,
            Command::Clear(prop) => self.clear(*prop),
            Command::Commit => self.commit(),
            Command::Create { force, origin } => self.create(*force, origin),
            Command::Delete { force } => self.delete(*force),
            Command::End => self.end(),
            Command::Exit { force } => self.exit(*force),
            Command::Export { file, format } => self.export(file.as_deref(), *format),
            Command::Help(subject) => self.help(subject.as_deref()),
            Command::Info {
                subject,
                filters,
                format,
            } => self.info(*subject, filters, *format),
            Command::Reload { force } => self.reload(*force),
            Command::RemoveResource {
                force,
                resource,
                filters,
            } => self.remove_resource(*force, *resource, filters),
            Command::RemoveValue { force, prop, value } => self.remove_value(*force, *prop, value),
            Command::Revert { force } => self.revert(*force),
            Command::Select(resource, filters) => self.select(*resource, filters),
            Command::Set { force, prop, value } => self.set(*force, *prop, value),
            Command::Verify => {
                self.verified();
            }
        }
    }

    fn confirmed(&mut self, pending: Pending) {
        match pending {
            Pending::Create(config) => self.begin_config(*config),
            Pending::Delete => self.delete_now(),
            Pending::Revert | Pending::Reload => self.revert_now(),
            Pending::RemoveAll(resource) => self.remove_at(resource, None),
            Pending::LeaveResource => self.leave_saving(),
            Pending::LeaveUnsaved => self.next = Next::Leave,
            Pending::Commit { .. } | Pending::Deleted | Pending::Exported(_) => {}
        }
    }

    /// Asks when that is possible, else refuses.
    fn ask(&mut self, question: impl Into<String>, pending: Pending) {
        if self.mode.can_ask {
            self.pending = Some(pending);
            self.next = Next::Ask(question.into());
        } else {
            self.refuse(&pending);
        }
    }

    fn refuse(&mut self, pending: &Pending) {
        let ignored =
            |command: &str| format!("-F not specified:\n{command} command ignored, exiting.");
        match pending {
            Pending::Create(_) => self.error(format!(
                "Zone exists, input not from terminal and {}",
                ignored("create")
            )),
            Pending::Delete => {
                self.error(format!("Input not from terminal and {}", ignored("delete")));
            }
            Pending::Revert => {
                self.error(format!("Input not from terminal and {}", ignored("revert")));
            }
            Pending::Reload => {
                self.error(format!("Input not from terminal and {}", ignored("reload")));
            }
            Pending::RemoveAll(_) => {
                self.error(
                    "There are multiple instances of this resource.  Either qualify the resource \
                     to\nremove a single instance or use the -F option to remove all instances.",
                );
                return;
            }
            Pending::LeaveResource => self.error("Resource incomplete."),
            Pending::LeaveUnsaved => self.error("Configuration not saved."),
            Pending::Commit { .. } | Pending::Deleted | Pending::Exported(_) => return,
        }
        self.next = Next::Leave;
    }

    fn context(&self) -> Context {
        Context {
            ip_type: self
                .config
                .as_ref()
                .map(|config| config.ip_type)
                .unwrap_or_default(),
            host: self.zone.is_global(),
        }
    }

    /// Whether the running zone takes a change of this; says so when not.
    fn live_takes(&mut self, what: &str, live: bool) -> bool {
        if self.mode.live && !live {
            let zone = &self.zone;
            self.error(format!(
                "Zone {zone} is running; {what} cannot be changed with -r.  Change the stored \
                 configuration\nwithout -r, then reboot the zone."
            ));
        }
        live || !self.mode.live
    }

    fn knows_brand(&self, brand: &str) -> bool {
        self.env.brands().iter().any(|known| known == brand)
    }

    /// Whether there is a configuration to work on; says so when not.
    fn has_config(&mut self) -> bool {
        if self.config.is_some() {
            return true;
        }
        let message = match &self.broken {
            Some(message) => message.clone(),
            None => format!("{}: {}", self.zone, Reason::NoZone),
        };
        self.error(message);
        false
    }

    fn say(&mut self, stream: Stream, text: impl Into<String>) {
        let text = text.into();
        self.lines.push(Line { stream, text });
    }

    /// Prints text that ends with a newline, unless it is empty.
    fn print(&mut self, stream: Stream, text: &str) {
        if let Some(text) = text.strip_suffix('\n') {
            self.say(stream, text);
        }
    }

    /// Says what is wrong; in a command file, where, once for each line.
    fn error(&mut self, text: impl Into<String>) {
        self.failed = true;
        if let Some(line) = self.line {
            match &self.mode.input {
                Input::File(file) => {
                    let place = format!("On line {line} of {file}:");
                    self.say(Stream::Err, place);
                    self.line = None;
                }
                Input::StdinFile => {
                    self.say(Stream::Err, format!("On line {line}:"));
                    self.line = None;
                }
                Input::Terminal | Input::Pipe | Input::Arguments => {}
            }
        }
        self.say(Stream::Err, text);
    }

    fn fail(&mut self, subject: impl std::fmt::Display, reason: Reason) {
        self.error(format!("{subject}: {reason}"));
    }

    fn reply(&mut self) -> Reply {
        Reply {
            lines: std::mem::take(&mut self.lines),
            next: std::mem::replace(&mut self.next, Next::Command),
        }
    }
}

#[cfg(test)]
mod tests;
