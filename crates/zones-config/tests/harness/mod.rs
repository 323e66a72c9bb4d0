//! A host in memory, and a driver that writes a session down as a transcript.
// Each test file uses its part.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeMap;

use zones_config::session::{Effect, Env, Input, Mode, Next, Reply, Session, Stream};
use zones_config::{ZoneConfig, parse};
use zones_types::{ZoneName, ZoneState};

#[derive(Default)]
pub struct Host {
    pub zones: RefCell<BTreeMap<ZoneName, (ZoneState, ZoneConfig)>>,
}

impl Host {
    pub fn act(&self, effect: Effect) -> Result<(), String> {
        let mut zones = self.zones.borrow_mut();
        match effect {
            Effect::Commit { config, old } => {
                let before = old.and_then(|old| zones.remove(&old));
                let state = before.map_or(ZoneState::Configured, |(state, _)| state);
                zones.insert(config.name.clone(), (state, (*config).clone()));
            }
            Effect::Apply(_) => {}
            Effect::Delete(name) => {
                zones.remove(&name);
            }
            Effect::Export { file, .. } => return Err(format!("no file {file} in a test")),
        }
        Ok(())
    }
}

impl Env for Host {
    fn brands(&self) -> Vec<String> {
        ["debian", "native", "lx", "lipkg"]
            .map(str::to_owned)
            .to_vec()
    }

    fn templates(&self) -> Vec<String> {
        Vec::new()
    }

    fn state(&self, zone: &ZoneName) -> Option<ZoneState> {
        self.zones.borrow().get(zone).map(|(state, _)| *state)
    }

    fn load(&self, zone: &ZoneName) -> Result<Option<ZoneConfig>, String> {
        Ok(self
            .zones
            .borrow()
            .get(zone)
            .map(|(_, config)| config.clone()))
    }

    fn template(&self, name: &ZoneName) -> Result<Option<ZoneConfig>, String> {
        if name.is_reserved() && ["SYSdefault", "SYSblank"].contains(&name.as_str()) {
            let mut config = ZoneConfig::blank(name.clone());
            config.brand = "debian".parse().ok();
            return Ok(Some(config));
        }
        self.load(name)
    }

    fn detached(&self, _: &str) -> Result<ZoneConfig, String> {
        Err("invalid path to detached zone".to_owned())
    }
}

/// Runs `text` as a session of `zone`. On a terminal each line is shown behind its prompt, and a
/// line that answers a question is the next one of the text.
pub fn transcript(host: &Host, zone: &str, input: &Input, text: &str) -> String {
    let terminal = *input == Input::Terminal;
    let mode = Mode {
        can_ask: terminal,
        read_only: false,
        alternate_root: false,
        live: false,
        input: input.clone(),
    };
    let (session, reply) = Session::begin(zone.parse().unwrap(), mode, host);
    let mut run = Run {
        host,
        session,
        out: String::new(),
        over: false,
        answers: Vec::new(),
    };
    if let Input::File(_) = input {
        run.handle(reply);
        run.file(text);
    } else {
        let mut lines: Vec<&str> = text.lines().rev().collect();
        run.handle(reply);
        while let Some(line) = lines.pop().filter(|_| !run.over) {
            if terminal {
                run.out += &format!("{}{line}\n", run.session.prompt());
            }
            run.answers = lines.iter().map(|line| (*line).to_owned()).collect();
            let before = run.answers.len();
            for parsed in parse(line) {
                if run.over {
                    break;
                }
                let reply = match parsed {
                    Ok(statement) => run.session.run(&statement),
                    Err(diag) => run.session.syntax_error(&diag),
                };
                run.handle(reply);
            }
            lines.truncate(lines.len() - (before - run.answers.len()));
        }
    }
    if !run.over {
        let reply = run.session.finish();
        run.handle(reply);
    }
    run.out += &format!("exit {}\n", u8::from(run.session.has_failed()));
    run.out
}

struct Run<'a> {
    host: &'a Host,
    session: Session<'a>,
    out: String,
    over: bool,
    answers: Vec<String>,
}

impl Run<'_> {
    fn handle(&mut self, mut reply: Reply) {
        loop {
            for line in &reply.lines {
                let mark = if line.stream == Stream::Err { "! " } else { "" };
                for text in line.text.split('\n') {
                    self.out += &format!("{mark}{text}\n");
                }
            }
            reply = match reply.next {
                Next::Command => return,
                Next::Leave => {
                    self.over = true;
                    return;
                }
                Next::Ask(question) => {
                    let answer = self.answers.pop();
                    let shown = answer.as_deref().unwrap_or("^D");
                    self.out += &format!("{question} (y/[n])? {shown}\n");
                    self.session.answer(answer.map(|answer| answer == "y"))
                }
                Next::Act(effect) => {
                    let outcome = self.host.act(effect);
                    self.session.acted(outcome)
                }
            };
        }
    }

    fn file(&mut self, text: &str) {
        let (good, bad): (Vec<_>, Vec<_>) = parse(text).partition(Result::is_ok);
        for diag in bad.into_iter().filter_map(Result::err) {
            let reply = self.session.syntax_error(&diag);
            self.handle(reply);
        }
        for statement in good.into_iter().flatten() {
            if self.over || self.session.saw_error() {
                return;
            }
            let reply = self.session.run(&statement);
            self.handle(reply);
        }
    }
}
