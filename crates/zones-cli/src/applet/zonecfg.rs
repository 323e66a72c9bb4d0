//! `zonecfg`: describes a zone. The session itself is in `zones-config`; this is its terminal.
//!
//! Source: zonecfg(8). Exit status: 0 everything done and saved, 1 an error was seen or something
//! is not saved, 2 wrong usage.

mod arguments;
mod console;
mod drive;
mod editor;
mod host;

use std::io::{self, IsTerminal as _};

use zones_config::help;
use zones_config::session::{Input, Mode, Session};
use zones_store::Layout;
use zones_types::{ZoneName, ZoneState};

use arguments::{Arguments, Commands, Target, UsageError};
use console::Console;
use host::Host;

/// Runs `zonecfg` with the arguments that follow its name; the exit status comes back.
///
/// `probe` says in which state the kernel holds a zone; `None` leaves the word to the index.
pub(crate) fn run(
    layout: &Layout,
    args: &[String],
    probe: &dyn Fn(&ZoneName) -> Option<ZoneState>,
) -> u8 {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let mut console = Console::new(&mut out, &mut err);
    match arguments::parse(args) {
        Ok(arguments) => with_zone(layout, arguments, probe, &mut console),
        Err(error) => usage(&error, &mut console),
    }
}

fn usage(error: &UsageError, console: &mut Console<'_>) -> u8 {
    match error {
        UsageError::Help => console.out(&help::verbose()),
        UsageError::Empty => {
            console.err(help::USAGE);
            console.err(&help::commands(help::Scope::Both));
        }
        UsageError::Wrong(what) => {
            console.err(&format!("zonecfg: {what}"));
            console.err(help::USAGE);
        }
    }
    2
}

fn with_zone(
    layout: &Layout,
    arguments: Arguments,
    probe: &dyn Fn(&ZoneName) -> Option<ZoneState>,
    console: &mut Console<'_>,
) -> u8 {
    let host = Host::new(layout.clone(), probe, arguments.live);
    let zone = match arguments.target {
        Target::HelpOnly(subject) => return print_help(subject.as_deref(), console),
        Target::Name(name) => match name.parse::<ZoneName>() {
            Ok(zone) => zone,
            Err(error) => {
                console.err(&error.to_string());
                console.err(help::zone_name_syntax());
                return 2;
            }
        },
        Target::Uuid(uuid) => match host.store().find_uuid(&uuid) {
            Ok(Some(entry)) => entry.name,
            Ok(None) => {
                console.err(&format!("{uuid}: No such zone configured"));
                return 1;
            }
            Err(error) => {
                console.error(&error);
                return 1;
            }
        },
    };
    if zone.is_reserved() {
        let prefix = if zone.as_str().starts_with("SYS") {
            "SYS"
        } else {
            "SUNW"
        };
        console.err(&format!(
            "{zone}: zones beginning with {prefix} are read-only."
        ));
        return 1;
    }
    if arguments.live
        && let Err(message) = host.begin_live(&zone, console)
    {
        console.err(&message);
        return 1;
    }
    session(layout, zone, arguments.commands, &host, console)
}

fn print_help(subject: Option<&str>, console: &mut Console<'_>) -> u8 {
    match help::help(subject, help::Scope::Both) {
        Ok(text) => {
            console.out(&text);
            0
        }
        Err(text) => {
            console.err(&text);
            1
        }
    }
}

fn session(
    layout: &Layout,
    zone: ZoneName,
    commands: Commands,
    host: &Host<'_>,
    console: &mut Console<'_>,
) -> u8 {
    let terminal = io::stdin().is_terminal();
    let (input, text) = match commands {
        Commands::Arguments(text) => (Input::Arguments, Some(text)),
        Commands::File(file) if file == "-" && terminal => (Input::Terminal, None),
        Commands::File(file) if file == "-" => (Input::StdinFile, None),
        Commands::File(file) => match drive::read_file(&file) {
            Ok(text) => (Input::File(file), Some(text)),
            Err(message) => {
                console.err(&message);
                return 1;
            }
        },
        Commands::Stdin if terminal => (Input::Terminal, None),
        Commands::Stdin => (Input::Pipe, None),
    };
    let is_file = matches!(input, Input::File(_));
    console.page = input == Input::Terminal && io::stdout().is_terminal();
    let mode = Mode {
        can_ask: terminal && !is_file,
        read_only: !host.is_live() && !host::can_write(layout),
        alternate_root: !layout.is_host(),
        live: host.is_live(),
        input: input.clone(),
    };
    let (session, reply) = Session::begin(zone, mode, host);
    let mut driver = drive::Driver::new(session, host, console);
    driver.handle(reply);
    match (text, input) {
        (Some(text), Input::File(_)) => driver.run_file(&text),
        (Some(text), _) => driver.run_arguments(&text),
        (None, Input::Terminal) => driver.run_terminal(),
        (None, _) => driver.run_stdin(&mut io::stdin().lock()),
    }
    let status = driver.status();
    // The process ends: a long configuration is not taken apart piece by piece before that.
    std::mem::forget(driver);
    status
}
