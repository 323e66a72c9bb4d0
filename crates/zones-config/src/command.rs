//! Commands, and the table of their names, scopes and help.

use std::borrow::Cow;

use crate::diag::Span;
use crate::table::{Prop, Resource};

/// The name of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Verb {
    Add,
    Cancel,
    Clear,
    Commit,
    Create,
    Delete,
    End,
    Exit,
    Export,
    Help,
    Info,
    Reload,
    Remove,
    Revert,
    Select,
    Set,
    Verify,
}

/// Where a command makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Only outside of a resource.
    Global,
    /// Only inside of a resource.
    Resource,
    /// Anywhere.
    Both,
}

/// One row of the table of commands.
#[derive(Debug)]
pub struct VerbSpec {
    /// Which command.
    pub verb: Verb,
    /// Its name.
    pub name: &'static str,
    /// Where it makes sense.
    pub scope: Scope,
    /// Whether it changes the configuration or the files.
    pub changes: bool,
    /// Forms, one a line.
    pub usage: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// All commands, by name.
pub const VERBS: &[VerbSpec] = &[
    row(
        Verb::Add,
        ("add", Scope::Both, true),
        "add <resource-type>\nadd <property-name> <property-value>",
        "Opens a new resource; inside of a resource, appends to a list property.",
    ),
    row(
        Verb::Cancel,
        ("cancel", Scope::Resource, false),
        "cancel",
        "Leaves the resource and drops what was typed since it was opened.",
    ),
    row(
        Verb::Clear,
        ("clear", Scope::Both, true),
        "clear <property-name>",
        "Takes the value of an optional property away.",
    ),
    row(
        Verb::Commit,
        ("commit", Scope::Global, true),
        "commit",
        "Verifies the configuration and writes it to the disk.",
    ),
    row(
        Verb::Create,
        ("create", Scope::Global, true),
        "create [-F] [ -a <path> | -b | -t <template> | -X ]",
        "Starts a new configuration in memory. -F overwrites an existing one, -a takes\n\
         that of a detached zone, -b a blank one, -t a template or another zone, -X the\n\
         document of this zone that is there but not in the index.",
    ),
    row(
        Verb::Delete,
        ("delete", Scope::Global, true),
        "delete [-F]",
        "Deletes the configuration from memory and disk. -F does so without a question.",
    ),
    row(
        Verb::End,
        ("end", Scope::Resource, false),
        "end",
        "Checks the resource and puts it into the configuration.",
    ),
    row(
        Verb::Exit,
        ("exit", Scope::Both, false),
        "exit [-F]",
        "Commits what is not committed and leaves. -F leaves without a question.",
    ),
    row(
        Verb::Export,
        ("export", Scope::Global, false),
        "export [-f <output-file>] [-o json]",
        "Prints the commands that make this configuration again.",
    ),
    row(
        Verb::Help,
        ("help", Scope::Both, false),
        "help [commands] [syntax] [usage] [<command-name>]",
        "Prints help on a subject.",
    ),
    row(
        Verb::Info,
        ("info", Scope::Both, false),
        "info [-o json]\ninfo [<resource-type> [property-name=property-value]*]\n\
         info <property-name>",
        "Shows the configuration, resources of one kind, or one property.",
    ),
    row(
        Verb::Reload,
        ("reload", Scope::Global, true),
        "reload [-F]",
        "With -r: reads the configuration of the running zone again; what is not committed is lost.",
    ),
    row(
        Verb::Remove,
        ("remove", Scope::Both, true),
        "remove [-F] <resource-type> [property-name=property-value]*\n\
         remove [-F] <property-name> <property-value>",
        "Removes resources; inside of a resource, an element of a list property.\n\
         -F removes all without a question and does not mind when there is none.",
    ),
    row(
        Verb::Revert,
        ("revert", Scope::Global, true),
        "revert [-F]",
        "Goes back to what was last committed.",
    ),
    row(
        Verb::Select,
        ("select", Scope::Global, true),
        "select <resource-type> {property-name=property-value}",
        "Opens the one resource that has these values.",
    ),
    row(
        Verb::Set,
        ("set", Scope::Both, true),
        "set [-F] <property-name>=<property-value>",
        "Sets a property; for a list, replaces the whole list.",
    ),
    row(
        Verb::Verify,
        ("verify", Scope::Global, false),
        "verify",
        "Checks that the configuration is complete and consistent.",
    ),
];

const fn row(
    verb: Verb,
    (name, scope, changes): (&'static str, Scope, bool),
    usage: &'static str,
    help: &'static str,
) -> VerbSpec {
    VerbSpec {
        verb,
        name,
        scope,
        changes,
        usage,
        help,
    }
}

impl Verb {
    /// Its row.
    #[must_use]
    pub fn spec(self) -> &'static VerbSpec {
        &VERBS[self as usize]
    }

    /// The command with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        // Sorted; a test sees to that.
        let at = VERBS.binary_search_by_key(&name, |row| row.name).ok()?;
        Some(VERBS[at].verb)
    }
}

/// A value as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// One text.
    Text(Cow<'a, str>),
    /// `[a,b]`; one element in brackets is read as the element itself.
    List(Vec<Element<'a>>),
    /// `(key=value,...)`
    Pairs(Pairs<'a>),
}

/// Keys and values in parentheses.
pub type Pairs<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// An element of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element<'a> {
    /// One text.
    Text(Cow<'a, str>),
    /// `(key=value,...)`
    Pairs(Pairs<'a>),
}

/// `property=value`
pub type Filter<'a> = (Prop, Cow<'a, str>);

/// What `create` starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin<'a> {
    /// The default template.
    Default,
    /// `-b`
    Blank,
    /// `-t NAME`
    Template(Cow<'a, str>),
    /// `-a PATH`
    Detached(Cow<'a, str>),
    /// `-X`
    Unregistered,
}

/// What to name: a resource type or a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A resource type.
    Resource(Resource),
    /// A property.
    Prop(Prop),
}

/// How output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The classic text.
    Classic,
    /// One JSON document.
    Json,
}

/// A command with its arguments. `force` is `-F`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Command<'a> {
    AddResource(Resource),
    AddValue(Prop, Value<'a>),
    Cancel,
    Clear(Prop),
    Commit,
    Create {
        force: bool,
        origin: Origin<'a>,
    },
    Delete {
        force: bool,
    },
    End,
    Exit {
        force: bool,
    },
    Export {
        file: Option<Cow<'a, str>>,
        format: Format,
    },
    Help(Option<Cow<'a, str>>),
    Info {
        subject: Option<Subject>,
        filters: Vec<Filter<'a>>,
        format: Format,
    },
    Reload {
        force: bool,
    },
    RemoveResource {
        force: bool,
        resource: Resource,
        filters: Vec<Filter<'a>>,
    },
    RemoveValue {
        force: bool,
        prop: Prop,
        value: Value<'a>,
    },
    Revert {
        force: bool,
    },
    Select(Resource, Vec<Filter<'a>>),
    Set {
        force: bool,
        prop: Prop,
        value: Value<'a>,
    },
    Verify,
}

impl Command<'_> {
    /// Its name.
    #[must_use]
    pub const fn verb(&self) -> Verb {
        match self {
            Self::AddResource(_) | Self::AddValue(..) => Verb::Add,
            Self::Cancel => Verb::Cancel,
            Self::Clear(_) => Verb::Clear,
            Self::Commit => Verb::Commit,
            Self::Create { .. } => Verb::Create,
            Self::Delete { .. } => Verb::Delete,
            Self::End => Verb::End,
            Self::Exit { .. } => Verb::Exit,
            Self::Export { .. } => Verb::Export,
            Self::Help(_) => Verb::Help,
            Self::Info { .. } => Verb::Info,
            Self::Reload { .. } => Verb::Reload,
            Self::RemoveResource { .. } | Self::RemoveValue { .. } => Verb::Remove,
            Self::Revert { .. } => Verb::Revert,
            Self::Select(..) => Verb::Select,
            Self::Set { .. } => Verb::Set,
            Self::Verify => Verb::Verify,
        }
    }
}

/// A command and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The line of the text, from 1.
    pub line: usize,
    /// Its bytes.
    pub span: Span,
    /// The command.
    pub command: Command<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_stand_where_their_verb_says() {
        for row in VERBS {
            assert_eq!(row.verb.spec().name, row.name);
            assert!(row.usage.starts_with(row.name));
        }
        assert!(VERBS.is_sorted_by_key(|row| row.name));
    }
}
