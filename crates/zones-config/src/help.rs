//! Help, made from the tables.

use std::fmt::Write as _;

pub use crate::command::Scope;
use crate::command::{VERBS, Verb, VerbSpec};
use crate::table::{GLOBALS, Need, RESOURCES, Shape};

/// The `usage:` block of the program.
pub const USAGE: &str = "\
usage:\tzonecfg help
\tzonecfg -z <zone>
\tzonecfg -z <zone> <command>
\tzonecfg -z <zone> -f <command-file>
\tzonecfg -z <zone> -r [<command> | -f <command-file>]";

const SYNTAX: &str = "\
<zone> := [A-Za-z0-9][A-Za-z0-9_.-]*
\t(except the reserved words 'global' and anything starting with 'SUNW')
\tName must be less than 64 characters.
<net-addr> :=\t<IPv4-address>[/<IPv4-prefix-length>] |
\t\t<IPv6-address>/<IPv6-prefix-length> |
\t\t<hostname>[/<IPv4-prefix-length>]";

const META: &str = "\
help usage\thow the program is called
help commands\tall commands
help syntax\tnames, addresses, resources and their properties
help <command>\tone command";

/// Forms of one command, after `usage:`.
pub(crate) fn usage_of(verb: Verb) -> String {
    format!("usage:\t{}", verb.spec().usage.replace('\n', "\n\t"))
}

/// The commands of a scope.
#[must_use]
pub fn commands(scope: Scope) -> String {
    let mut out = String::from("Commands:");
    for row in VERBS.iter().filter(|row| fits(row, scope)) {
        let _ = write!(out, "\n\t{}", row.usage.replace('\n', "\n\t"));
    }
    out
}

fn fits(row: &VerbSpec, scope: Scope) -> bool {
    row.scope == Scope::Both || scope == Scope::Both || row.scope == scope
}

/// The name rules that are printed after a bad zone name.
#[must_use]
pub fn zone_name_syntax() -> &'static str {
    SYNTAX
        .split_once("<net-addr>")
        .map_or(SYNTAX, |(zone, _)| zone.trim_end())
}

/// Help on a subject; the error is what to say when there is none.
pub fn help(subject: Option<&str>, scope: Scope) -> Result<String, String> {
    match subject {
        None => Ok(format!("{}\n\n{META}", commands(scope))),
        Some("usage") => Ok(USAGE.to_owned()),
        Some("commands") => Ok(commands(Scope::Both)),
        Some("syntax") => Ok(format!("{SYNTAX}\n\n{}", properties())),
        Some(name) => match Verb::named(name) {
            Some(verb) => Ok(format!("{}\n{}", usage_of(verb), verb.spec().help)),
            None => Err(format!("Unknown help subject {name}.  \n{META}")),
        },
    }
}

/// The long text of `zonecfg -?`.
#[must_use]
pub fn verbose() -> String {
    format!(
        "{USAGE}\n\n{}\n\n{SYNTAX}\n\n{}",
        commands(Scope::Both),
        properties()
    )
}

fn properties() -> String {
    let mut out = String::from("Properties of the zone:");
    for row in GLOBALS {
        let _ = write!(out, "\n\t{:18} {}", row.prop, row.help);
    }
    out.push_str("\nResources and their properties (* must be set):");
    for row in RESOURCES {
        let _ = write!(out, "\n\t{:18} {}", row.resource, row.help);
        for prop in row.props {
            let mark = if prop.need == Need::Required {
                '*'
            } else {
                ' '
            };
            let list = match prop.shape {
                Shape::Texts | Shape::Pairs(_) => " (list)",
                Shape::Text | Shape::Size => "",
            };
            let _ = write!(out, "\n\t\t{mark} {:16} {}{list}", prop.prop, prop.help);
        }
    }
    out
}
