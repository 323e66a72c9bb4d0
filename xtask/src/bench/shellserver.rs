//! A shell that runs commands and tells how long they took. One for each view of the machine, so
//! that every command is a plain child of a shell, whatever namespace it has to run in.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::shell::Outcome;

pub(super) struct Server {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a shell; `setup` runs first, in a mount namespace of its own.
    pub(super) fn start(log: &Path, setup: &str) -> Outcome<Self> {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation",
            "slave",
            "bash",
            "--norc",
            "--noprofile",
        ]);
        if setup.is_empty() {
            command = Command::new("bash");
            command.args(["--norc", "--noprofile"]);
        }
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log);
        let file = file.map_err(|error| format!("{}: {error}", log.display()))?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file);
        let mut child = command
            .spawn()
            .map_err(|error| format!("no shell: {error}"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a shell without pipes".to_owned());
        };
        let mut server = Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
        };
        if !setup.is_empty() {
            server.run(setup)?;
        }
        Ok(server)
    }

    /// Runs a line; its output goes nowhere.
    pub(super) fn run(&mut self, line: &str) -> Outcome {
        self.time(line).map(|_| ())
    }

    /// Runs a line and returns the milliseconds that it took.
    pub(super) fn time(&mut self, line: &str) -> Outcome<f64> {
        let script = format!(
            "zs=$EPOCHREALTIME; {{ {line}\n}} >/dev/null </dev/null; zr=$?; \
             echo \"$zr $zs $EPOCHREALTIME\"\n"
        );
        let answer = self.ask(&script)?;
        let mut words = answer.split_whitespace();
        let status = words.next().unwrap_or("?");
        let seconds: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
        match (status, seconds.as_slice()) {
            ("0", [start, end]) => Ok((end - start) * 1000.0),
            _ => Err(format!(
                "`{}` failed ({status})",
                line.chars().take(60).collect::<String>()
            )),
        }
    }

    /// Runs a line and returns what it prints, one line.
    pub(super) fn ask(&mut self, script: &str) -> Outcome<String> {
        let failed = |error| format!("the shell went away: {error}");
        self.stdin.write_all(script.as_bytes()).map_err(failed)?;
        self.stdin.flush().map_err(failed)?;
        let mut answer = String::new();
        match self.stdout.read_line(&mut answer).map_err(failed)? {
            0 => Err("the shell went away".to_owned()),
            _ => Ok(answer.trim_end().to_owned()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
