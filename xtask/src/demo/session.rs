//! Commands as a user types them, with what they print and how long they took.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::shell::{Outcome, capture, has};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a console that said something may be silent before it counts as ready.
const SILENCE: Duration = Duration::from_millis(600);

pub(super) struct Session {
    zones: PathBuf,
    root: PathBuf,
    timings: Vec<(String, Duration)>,
}

/// A program that we talk to.
pub(super) struct Talk {
    child: Child,
    stdin: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    text: String,
}

impl Session {
    pub(super) fn new(zones: PathBuf, root: PathBuf) -> Self {
        Self {
            zones,
            root,
            timings: Vec::new(),
        }
    }

    /// A command with what it prints.
    pub(super) fn show(&mut self, applet: &str, label: &str, args: &[&str]) -> Outcome {
        self.run(label, applet, args, true).map(|_| ())
    }

    /// The same with another root of the host.
    pub(super) fn show_at(
        &mut self,
        root: &Path,
        applet: &str,
        label: &str,
        args: &[&str],
    ) -> Outcome {
        self.elsewhere(root, |it| it.show(applet, label, args))
    }

    /// See [`Self::capture`] and [`Self::show_at`].
    pub(super) fn capture_at(
        &mut self,
        root: &Path,
        applet: &str,
        label: &str,
        args: &[&str],
    ) -> Outcome<String> {
        self.elsewhere(root, |it| it.capture(applet, label, args))
    }

    fn elsewhere<T>(&mut self, root: &Path, work: impl FnOnce(&mut Self) -> T) -> T {
        let own = std::mem::replace(&mut self.root, root.to_owned());
        let done = work(self);
        self.root = own;
        done
    }

    /// A command that may fail: whether it succeeded, and what it prints.
    pub(super) fn try_show(
        &mut self,
        applet: &str,
        label: &str,
        args: &[&str],
    ) -> Outcome<(bool, String)> {
        println!("# {applet} {}", args.join(" "));
        let out = self.timed(label, applet, args)?;
        let mut text = String::from_utf8_lossy(&out.stdout).into_owned();
        text += &last_of_progress(&String::from_utf8_lossy(&out.stderr));
        print!("{text}");
        Ok((out.status.success(), text))
    }

    /// What a command prints, not shown.
    pub(super) fn capture(&mut self, applet: &str, label: &str, args: &[&str]) -> Outcome<String> {
        self.run(label, applet, args, false)
    }

    pub(super) fn zoneadm(&mut self, label: &str, args: &[&str]) -> Outcome {
        self.run(label, "zoneadm", args, true).map(|_| ())
    }

    pub(super) fn zonecfg(&mut self, label: &str, args: &[&str]) -> Outcome {
        self.run(label, "zonecfg", args, true).map(|_| ())
    }

    /// Runs a command line in the zone and returns what it prints.
    pub(super) fn zlogin(&mut self, label: &str, line: &str) -> Outcome<String> {
        self.run(label, "zlogin", &[super::ZONE, line], true)
    }

    /// The same for a long script: not shown.
    pub(super) fn quiet_zlogin(&mut self, label: &str, script: &str) -> Outcome<String> {
        println!("# zlogin {} ... ({label})", super::ZONE);
        self.run(label, "zlogin", &[super::ZONE, script], false)
    }

    pub(super) fn try_quietly(&self, args: &[&str]) {
        let (applet, rest) = (args[0], &args[1..]);
        let _ = capture(self.command(applet).args(rest));
    }

    fn command(&self, applet: &str) -> Command {
        let mut command = self.plain(applet);
        // The root of pkg(1) is that of an image.
        if applet == "pkg" {
            command.env("ZONES_ROOT", &self.root);
        } else {
            command.arg("-R").arg(&self.root);
        }
        command
    }

    /// A command that has nothing to do with zones.
    pub(super) fn plain(&self, applet: &str) -> Command {
        let mut command = Command::new(&self.zones);
        command.arg(applet).env("TERM", "dumb");
        command
    }

    fn run(&mut self, label: &str, applet: &str, args: &[&str], show: bool) -> Outcome<String> {
        if show {
            println!("# {applet} {}", args.join(" "));
        }
        let out = self.timed(label, applet, args)?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&out.stderr).into_owned();
        if show {
            print!("{text}{}", last_of_progress(&complaint));
        }
        if out.status.success() {
            Ok(text)
        } else {
            let words = args.join(" ");
            Err(format!(
                "`{applet} {words}` ended with {}: {}",
                out.status,
                complaint.trim()
            ))
        }
    }

    fn timed(&mut self, label: &str, applet: &str, args: &[&str]) -> Outcome<Output> {
        let mut command = self.command(applet);
        command.args(args);
        let started = Instant::now();
        let out = capture(&mut command).map_err(|error| format!("cannot run {applet}: {error}"))?;
        self.timings.push((label.to_owned(), started.elapsed()));
        Ok(out)
    }

    /// Types the lines on a terminal, each after a prompt.
    pub(super) fn type_lines(&mut self, label: &str, args: &[&str], lines: &[String]) -> Outcome {
        println!("# {}", args.join(" "));
        let started = Instant::now();
        let mut talk = Talk::start(self.on_terminal(args))?;
        for line in lines {
            talk.wait_for("> ")?;
            talk.say(&format!("{line}\n"))?;
        }
        let outcome = talk.end();
        self.timings.push((label.to_owned(), started.elapsed()));
        outcome
    }

    /// By script(1), which gives a program a terminal; by a pipe where the host has no script.
    fn on_terminal(&self, args: &[&str]) -> Command {
        let (applet, rest) = (args[0], &args[1..]);
        let mut plain = self.command(applet);
        plain.args(rest);
        if !has("script") {
            return plain;
        }
        let mut line = String::new();
        let words = std::iter::once(plain.get_program()).chain(plain.get_args());
        for word in words {
            line += &format!("'{}' ", word.to_string_lossy());
        }
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.env("TERM", "dumb");
        command
    }

    /// `zlogin -C`, left open.
    pub(super) fn console(&mut self, zone: &str) -> Outcome<Talk> {
        println!("# zlogin -C {zone} &");
        let mut command = self.command("zlogin");
        command.args(["-C", zone]);
        Talk::start(command)
    }

    /// Waits until the console is quiet, types a command there, leaves by `~.`.
    pub(super) fn finish_console(&mut self, mut talk: Talk) -> Outcome {
        talk.wait_for("console]")?;
        talk.wait_for_silence();
        talk.say("\n")?;
        talk.wait_for_silence();
        talk.say("\n~.")?;
        let started = Instant::now();
        let outcome = talk.end();
        self.timings
            .push(("leave the console by ~.".to_owned(), started.elapsed()));
        outcome
    }

    pub(super) fn print_timings(&self) {
        println!("\n{:<32} {:>12}", "step", "ms");
        for (label, took) in &self.timings {
            println!("{label:<32} {:>12.1}", took.as_secs_f64() * 1000.0);
        }
        println!();
    }
}

impl Talk {
    fn start(mut command: Command) -> Outcome<Self> {
        let failed = |error| format!("cannot start a session: {error}");
        let (mut reader, writer) = std::io::pipe().map_err(failed)?;
        let twin = writer.try_clone().map_err(failed)?;
        command.stdin(Stdio::piped()).stdout(twin).stderr(writer);
        let mut child = command.spawn().map_err(failed)?;
        // The command holds the writing ends; without them the reader sees the end.
        drop(command);
        let stdin = child.stdin.take();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            stdin,
            output,
            text: String::new(),
        })
    }

    fn say(&mut self, text: &str) -> Outcome {
        let stdin = self.stdin.as_mut().ok_or("the session is closed")?;
        let written = stdin.write_all(text.as_bytes());
        written
            .and_then(|()| stdin.flush())
            .map_err(|error| format!("cannot type: {error}"))
    }

    /// Waits until what came since the last answer has `mark` in it, and shows it.
    fn wait_for(&mut self, mark: &str) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        while !self.text.contains(mark) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.text += &String::from_utf8_lossy(&bytes),
                Err(_) => {
                    self.show();
                    return Err(format!("no `{mark}` came within {PATIENCE:?}"));
                }
            }
        }
        self.show();
        Ok(())
    }

    fn wait_for_silence(&mut self) {
        while let Ok(bytes) = self.output.recv_timeout(SILENCE) {
            self.text += &String::from_utf8_lossy(&bytes);
        }
        self.show();
    }

    fn end(mut self) -> Outcome {
        self.stdin = None;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.text += &String::from_utf8_lossy(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("the session did not end within {PATIENCE:?}"));
                }
            }
        }
        self.show();
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the session ended with {status}")),
            Err(error) => Err(format!("cannot wait for the session: {error}")),
        }
    }

    fn show(&mut self) {
        print!("{}", plain(&self.text));
        let _ = std::io::stdout().flush();
        self.text.clear();
    }
}

/// A session that failed half-way must not go on.
impl Drop for Talk {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Without what only a terminal understands.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' => {}
            '\u{1b}' => {
                letters.next();
                for letter in letters.by_ref() {
                    if letter.is_ascii_alphabetic() {
                        break;
                    }
                }
            }
            letter => out.push(letter),
        }
    }
    out
}

/// Progress lines write over themselves; only the last of each is worth showing.
fn last_of_progress(text: &str) -> String {
    let last = |line: &str| line.rsplit('\r').next().unwrap_or_default().to_owned() + "\n";
    text.lines().map(last).collect()
}
