//! Feeds a session: statements in, lines out, questions asked, effects done.

use std::fs;
use std::io::{self, BufRead};

use zones_config::session::Env as _;
use zones_config::session::{Effect, Next, Reply, Session};
use zones_config::{Known, parse};

use super::console::{Console, words};
use super::editor::{LineEditor, Read};
use super::host::Host;

pub(super) struct Driver<'a, 'c> {
    session: Session<'a>,
    host: &'a Host<'a>,
    console: &'a mut Console<'c>,
    editor: Option<LineEditor>,
    over: bool,
}

impl<'a, 'c> Driver<'a, 'c> {
    pub(super) fn new(
        session: Session<'a>,
        host: &'a Host<'a>,
        console: &'a mut Console<'c>,
    ) -> Self {
        Self {
            session,
            host,
            console,
            editor: None,
            over: false,
        }
    }

    pub(super) fn status(&self) -> u8 {
        u8::from(self.session.has_failed())
    }

    /// Follows a reply to its end: prints, asks and acts until the session wants a command.
    pub(super) fn handle(&mut self, mut reply: Reply) {
        loop {
            for line in &reply.lines {
                self.console.line(line);
            }
            reply = match reply.next {
                Next::Command => return,
                Next::Leave => {
                    self.over = true;
                    return;
                }
                Next::Ask(question) => {
                    let answer = self.ask(&question);
                    self.session.answer(answer)
                }
                Next::Act(effect) => {
                    let outcome = match &effect {
                        Effect::Apply(config) => self.host.apply(config, self.console),
                        _ => self.host.act(&effect),
                    };
                    self.session.acted(outcome)
                }
            };
        }
    }

    /// The operands: every statement is run, whatever happened to the one before.
    pub(super) fn run_arguments(&mut self, text: &str) {
        self.feed(text);
        self.finish();
    }

    /// A command file: nothing runs when something in it is no command, and the first error stops.
    pub(super) fn run_file(&mut self, text: &str) {
        let mut statements = Vec::new();
        for parsed in parse(text) {
            match parsed {
                Ok(statement) => statements.push(statement),
                Err(diag) => {
                    let reply = self.session.syntax_error(&diag);
                    self.handle(reply);
                }
            }
        }
        for statement in &statements {
            if self.over || self.session.saw_error() {
                break;
            }
            let reply = self.session.run(statement);
            self.handle(reply);
        }
        self.finish();
    }

    /// Standard input that is no terminal, line by line: a writer may wait for our answers.
    pub(super) fn run_stdin(&mut self, input: &mut dyn BufRead) {
        let mut number = 0;
        let mut bytes = Vec::new();
        while !self.over {
            bytes.clear();
            match input.read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(_) => number += 1,
            }
            self.feed_line(&String::from_utf8_lossy(&bytes), number);
        }
        self.finish();
    }

    pub(super) fn run_terminal(&mut self) {
        match LineEditor::new() {
            Ok(editor) => self.editor = Some(editor),
            Err(error) => {
                self.console.error(&error);
                return self.run_stdin(&mut std::io::stdin().lock());
            }
        }
        while !self.over {
            let known = Known {
                resource: self.session.resource(),
                brands: self.host.brands(),
                templates: self.host.templates(),
            };
            let prompt = self.session.prompt();
            let read = self
                .editor
                .as_mut()
                .map(|editor| editor.read(&prompt, known));
            match read {
                Some(Read::Line(line)) => self.feed(&line),
                Some(Read::Abandoned) => {}
                // Whoever answers that he does not want to quit gets the prompt again.
                Some(Read::End) | None => self.finish(),
            }
        }
    }

    fn feed(&mut self, text: &str) {
        self.feed_line(text, 1);
    }

    /// Runs the statements of a text whose first line has this number.
    fn feed_line(&mut self, text: &str, first: usize) {
        for parsed in parse(text) {
            if self.over {
                return;
            }
            let reply = match parsed {
                Ok(mut statement) => {
                    statement.line += first - 1;
                    self.session.run(&statement)
                }
                Err(mut diag) => {
                    diag.line += first - 1;
                    self.session.syntax_error(&diag)
                }
            };
            self.handle(reply);
        }
    }

    fn finish(&mut self) {
        if !self.over {
            let reply = self.session.finish();
            self.handle(reply);
        }
    }

    /// Asks until the answer is one; empty is no, the end of the input is none.
    fn ask(&mut self, question: &str) -> Option<bool> {
        let prompt = format!("{question} (y/[n])? ");
        loop {
            let line = match &mut self.editor {
                Some(editor) => match editor.ask(&prompt) {
                    Read::Line(line) => line,
                    Read::Abandoned => continue,
                    Read::End => return None,
                },
                None => {
                    self.console.ask(&prompt);
                    let mut line = String::new();
                    match std::io::stdin().lock().read_line(&mut line) {
                        Ok(0) | Err(_) => return None,
                        Ok(_) => line,
                    }
                }
            };
            match line.trim_start().chars().next() {
                None | Some('n' | 'N') => return Some(false),
                Some('y' | 'Y') => return Some(true),
                Some(_) => {}
            }
        }
    }
}

/// The text of a command file; the error is the classic message.
pub(super) fn read_file(file: &str) -> Result<String, String> {
    let failed = |error: io::Error| format!("could not open file {file}: {}", words(&error));
    let meta = fs::metadata(file).map_err(failed)?;
    if !meta.is_file() {
        return Err(format!("{file} is not a regular file."));
    }
    let bytes = fs::read(file).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("could not open file {file}: byte {at} is no UTF-8 text")
    })
}
