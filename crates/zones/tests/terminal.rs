//! What a person sees: zlogin and zonecfg on a terminal. script(1) gives the command a terminal of
//! its own; keys go to script's input and the screen comes out of its output.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use support::Host;

/// Why these tests cannot run here.
fn missing() -> Option<&'static str> {
    support::missing()
        .or_else(|| (!support::has_tool("script")).then_some("needs script (package bsdutils)"))
        .or_else(|| (!support::has_tool("stty")).then_some("needs stty (package coreutils)"))
}

const PATIENCE: Duration = Duration::from_secs(20);

/// A command on a terminal of 33 lines and 99 columns.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    seen: String,
}

impl Terminal {
    /// Runs a line of shell, in which `$ZONES` is the program and `$ROOT` the root of the host.
    fn run(host: &Host, line: &str) -> Self {
        let line = format!("stty rows 33 cols 99; {line}");
        let mut child = std::process::Command::new("script")
            .args(["-q", "-e", "-c", &line, "/dev/null"])
            .env("ZONES", support::ZONES)
            .env("ROOT", host.path())
            .env("SHELL", "/bin/sh")
            .env("TERM", "vt100")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (keys, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self {
            child,
            keys,
            screen,
            seen: String::new(),
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// More of the screen; false at its end. `what` is waited for.
    fn look(&mut self, what: &str, limit: Instant) -> bool {
        let left = limit.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap();
        let mut screen = [PollFd::new(&self.screen, PollFlags::IN)];
        let ready = rustix::event::poll(&mut screen, Some(&left)).unwrap();
        assert!(ready > 0, "{what} in time; on the screen:\n{}", self.seen);
        let mut bytes = [0; 4096];
        let count = self.screen.read(&mut bytes).unwrap();
        self.seen += &String::from_utf8_lossy(&bytes[..count]);
        count > 0
    }

    /// Waits until the screen shows this after what was waited for before; what came until then.
    fn wait(&mut self, text: &str) -> String {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let more = self.look(&format!("no {text:?}"), limit);
            assert!(more, "no {text:?} on the screen:\n{}", self.seen);
        }
    }

    /// The rest of the screen and the status.
    fn end(mut self) -> (String, Option<i32>) {
        let limit = Instant::now() + PATIENCE;
        while self.look("no end", limit) {}
        let status = self.child.wait().unwrap().code();
        (std::mem::take(&mut self.seen), status)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn running(name: &str) -> Option<Host> {
    if let Some(reason) = missing() {
        println!("SKIP {name}: {reason}");
        return None;
    }
    let host = Host::new();
    host.install("z", "");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    Some(host)
}

const LOGIN: &str = "\"$ZONES\" zlogin -R \"$ROOT\" z";

#[test]
fn a_shell_has_a_terminal_of_the_zone() {
    let Some(host) = running("a_shell_has_a_terminal_of_the_zone") else {
        return;
    };
    let mut terminal = Terminal::run(&host, LOGIN);
    // The console has the first one.
    terminal.wait("[Connected to zone 'z' pts/1]\r\n");
    terminal.press("echo size $(stty size) tty $(busybox tty) user $(id -un)\r");
    terminal.wait("size 33 99 tty /dev/pts/1 user root");
    // The keys are the shell's: an interrupt ends the command, not the session.
    terminal.press("sh -c 'echo begin$((8+1)); sleep 1000'\r");
    terminal.wait("begin9");
    terminal.press("\x03");
    terminal.wait("# ");
    terminal.press("echo still $((40+2))\r");
    terminal.wait("still 42");
    terminal.press("exit 7\r");
    let (rest, status) = terminal.end();
    assert!(
        rest.contains("[Connection to zone 'z' pts/1 closed]"),
        "{rest}"
    );
    assert_eq!(status, Some(7));
}

#[test]
fn the_escape_leaves_at_the_start_of_a_line_only() {
    let Some(host) = running("the_escape_leaves_at_the_start_of_a_line_only") else {
        return;
    };
    let mut terminal = Terminal::run(&host, LOGIN);
    terminal.wait("[Connected to zone 'z' pts/1]");
    terminal.press("echo a~.b$((1+1))\r");
    terminal.wait("a~.b2");
    terminal.press("~.");
    let (rest, _) = terminal.end();
    assert!(rest.contains("~."), "{rest}");
    assert!(
        rest.contains("[Connection to zone 'z' pts/1 closed]"),
        "{rest}"
    );
    // Another character, and none at all.
    let mut terminal = Terminal::run(&host, &LOGIN.replace("$ROOT\"", "$ROOT\" -e %"));
    terminal.wait("[Connected to zone 'z' pts/");
    terminal.press("\r%.");
    let (rest, _) = terminal.end();
    assert!(rest.contains("closed]"), "{rest}");
    let mut terminal = Terminal::run(&host, &LOGIN.replace("$ROOT\"", "$ROOT\" -E"));
    terminal.wait("[Connected to zone 'z' pts/");
    terminal.press("\r~.\r");
    terminal.press("echo here $((50+5)); exit\r");
    terminal.wait("here 55");
    terminal.end();
}

#[test]
fn the_callers_terminal_is_as_it_was() {
    let Some(host) = running("the_callers_terminal_is_as_it_was") else {
        return;
    };
    let line = format!(
        "stty -g > \"$ROOT/before\"; {LOGIN}; echo status $?; stty -g > \"$ROOT/after\"; echo done"
    );
    for leave in ["exit 3\r", "~."] {
        let mut terminal = Terminal::run(&host, &line);
        terminal.wait("[Connected to zone 'z' pts/");
        terminal.press("echo in $((60+6))\r");
        terminal.wait("in 66");
        terminal.press(leave);
        terminal.wait("done");
        terminal.end();
        let read = |name: &str| std::fs::read_to_string(host.path().join(name)).unwrap();
        assert_eq!(read("before"), read("after"), "after {leave:?}");
    }
    // The zone goes away under the session.
    let mut terminal = Terminal::run(&host, &line);
    terminal.wait("[Connected to zone 'z' pts/");
    host.ok("zoneadm", &["-z", "z", "halt"]);
    terminal.wait("done");
    terminal.end();
    let read = |name: &str| std::fs::read_to_string(host.path().join(name)).unwrap();
    assert_eq!(read("before"), read("after"), "after a halt");
}

#[test]
fn a_command_gets_no_terminal_of_its_own() {
    let Some(host) = running("a_command_gets_no_terminal_of_its_own") else {
        return;
    };
    let line = format!("{LOGIN} 'busybox tty; exit 9'; echo status $?");
    let mut terminal = Terminal::run(&host, &line);
    let screen = terminal.wait("status 9");
    assert!(!screen.contains("Connected"), "{screen}");
    assert!(!screen.contains("/dev/pts"), "{screen}");
}

#[test]
fn the_size_of_the_window_follows() {
    let Some(host) = running("the_size_of_the_window_follows") else {
        return;
    };
    // The terminal's name, so that its size can be changed from outside.
    let line = format!("tty > \"$ROOT/tty\"; {LOGIN}");
    let mut terminal = Terminal::run(&host, &line);
    terminal.wait("[Connected to zone 'z' pts/1]");
    terminal.press("echo size $(stty size)\r");
    terminal.wait("size 33 99");
    let name = std::fs::read_to_string(host.path().join("tty")).unwrap();
    support::tool("stty", &["-F", name.trim(), "rows", "44", "cols", "111"]);
    terminal.press("until test \"$(stty size)\" = '44 111'; do :; done; echo now $((70+7))\r");
    terminal.wait("now 77");
    terminal.press("exit\r");
    let (rest, status) = terminal.end();
    assert_eq!(status, Some(0), "{rest}");
}

fn configuring(name: &str, zone: &str) -> Option<(Host, Terminal)> {
    if let Some(reason) = missing() {
        println!("SKIP {name}: {reason}");
        return None;
    }
    let host = Host::new();
    let terminal = Terminal::run(&host, &format!("\"$ZONES\" zonecfg -R \"$ROOT\" -z {zone}"));
    Some((host, terminal))
}

#[test]
fn the_field_guides_session_is_typed_at_prompts() {
    let name = "the_field_guides_session_is_typed_at_prompts";
    let Some((host, mut terminal)) = configuring(name, "donutshop") else {
        return;
    };
    terminal.wait("donutshop: No such zone configured");
    terminal.wait("Use 'create' to begin configuring a new zone.");
    for (prompt, line) in [
        ("zonecfg:donutshop> ", "create"),
        ("zonecfg:donutshop> ", "set zonepath=/zones/donutshop"),
        ("zonecfg:donutshop> ", "add net"),
        ("zonecfg:donutshop:net> ", "set physical=e1000g0"),
        ("zonecfg:donutshop:net> ", "set address=192.0.2.17"),
        ("zonecfg:donutshop:net> ", "end"),
        ("zonecfg:donutshop> ", "add capped-cpu"),
        ("zonecfg:donutshop:capped-cpu> ", "set ncpus=1.5"),
        ("zonecfg:donutshop:capped-cpu> ", "end"),
        ("zonecfg:donutshop> ", "verify"),
        ("zonecfg:donutshop> ", "commit"),
        ("zonecfg:donutshop> ", "exit"),
    ] {
        terminal.wait(prompt);
        terminal.press(&format!("{line}\r"));
    }
    let (rest, status) = terminal.end();
    assert_eq!(status, Some(0), "{rest}");
    let info = host.ok("zonecfg", &["-z", "donutshop", "info"]);
    assert!(info.contains("[ncpus: 1.50]"), "{info}");
}

#[test]
fn the_tabulator_completes_names_by_scope() {
    let name = "the_tabulator_completes_names_by_scope";
    let Some((host, mut terminal)) = configuring(name, "tab") else {
        return;
    };
    terminal.wait("zonecfg:tab> ");
    terminal.press("cre\t -b\r");
    terminal.wait("zonecfg:tab> ");
    terminal.press("set zonep\t=/zones/tab\r");
    terminal.wait("zonecfg:tab> ");
    terminal.press("set brand=lx\r");
    terminal.wait("zonecfg:tab> ");
    terminal.press("add ne\t\r");
    terminal.wait("zonecfg:tab:net> ");
    terminal.press("set phys\t=eth9\r");
    terminal.wait("zonecfg:tab:net> ");
    terminal.press("cancel\r");
    terminal.wait("zonecfg:tab> ");
    terminal.press("exit\r");
    let (rest, status) = terminal.end();
    assert_eq!(status, Some(0), "{rest}");
    let info = host.ok("zonecfg", &["-z", "tab", "info zonepath"]);
    assert_eq!(info, "zonepath: /zones/tab\n");
}

#[test]
fn unsaved_work_is_asked_about() {
    let Some((host, mut terminal)) = configuring("unsaved_work_is_asked_about", "half") else {
        return;
    };
    terminal.wait("zonecfg:half> ");
    terminal.press("create -b\r");
    terminal.wait("zonecfg:half> ");
    terminal.press("exit\r");
    // It lacks its zonepath, so it cannot be saved.
    terminal.wait("(y/[n])? ");
    terminal.press("\r");
    terminal.wait("zonecfg:half> ");
    // ^C drops a line, ^D leaves like exit.
    terminal.press("set autoboot=tr\x03");
    terminal.wait("zonecfg:half> ");
    terminal.press("\x04");
    terminal.wait("(y/[n])? ");
    terminal.press("y\r");
    let (rest, status) = terminal.end();
    assert_eq!(status, Some(1), "{rest}");
    assert!(!host.path().join("etc/zones/half.xml").exists());
}
