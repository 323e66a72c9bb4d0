//! kill -9 of every verb that works on files, on layers and on subvolumes: the next command finds a
//! state that has a name, repairs it, and nothing is left.
//!
//! With strace(1) a round dies before one system call that changes something, and the rounds are
//! spread over all of them; without it they are spread over time. `ZONES_KILL_ROUNDS=100` is the
//! acceptance.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::bed::{Bed, CALLS};
use support::image::{Ground, ROOMY, on};
use support::verbs::{Line, Verb};
use support::{Host, err, has_tool};

fn rounds() -> usize {
    let asked = std::env::var("ZONES_KILL_ROUNDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(8)
}

/// When a round dies.
#[derive(Debug, Clone)]
enum Moment {
    /// Before this call of these.
    Call(String, usize),
    After(Duration),
}

/// The moments of a verb, in order, or their whole duration.
fn moments(host: &Host, bed: &Bed, verb: &Verb) -> Vec<Moment> {
    (verb.prepare)(bed);
    let line = (verb.line)(bed);
    let begun = Instant::now();
    let mut moments = Vec::new();
    if has_tool("strace") {
        let log = host.path().join("trace");
        let all = [&["-o", log.to_str().unwrap(), "-e", CALLS][..]].concat();
        let output = bed.traced(&all, &line).output().unwrap();
        assert!(output.status.success(), "{}: {}", verb.name, err(&output));
        let mut counts = BTreeMap::new();
        for line in fs::read_to_string(&log).unwrap().lines() {
            let Some((call, _)) = line.split_once('(') else {
                continue;
            };
            let count = counts.entry(call.to_owned()).or_insert(0);
            *count += 1;
            moments.push(Moment::Call(call.to_owned(), *count));
        }
    } else {
        let output = bed.command(&line).output().unwrap();
        assert!(output.status.success(), "{}: {}", verb.name, err(&output));
        let whole = begun.elapsed();
        let steps = u32::try_from(rounds()).unwrap();
        moments.extend((0..steps).map(|step| Moment::After(whole * step / steps)));
    }
    (verb.after)(bed);
    moments
}

fn kill(bed: &Bed, line: &Line, moment: &Moment) {
    match moment {
        Moment::Call(call, number) => {
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let trace = format!("trace={call}");
            let options = ["-o", "/dev/null", "-e", &trace, "-e", &inject];
            let _ = bed.traced(&options, line).output().unwrap();
        }
        Moment::After(time) => {
            let mut command = bed.command(line);
            let command = command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            std::thread::sleep(*time);
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// Kills all verbs, so many rounds each; `share` of them.
fn kill_all(name: &'static str, grounds: &'static [Ground], share: usize) {
    on(name, grounds, ROOMY, move |host| {
        let bed = Bed::two(host, grounds[0], grounds[1]);
        bed.lay();
        let rounds = (rounds() / share).max(4);
        for verb in bed.verbs("ZONES_KILL_VERB") {
            let moments = moments(host, &bed, verb);
            bed.assert_clean(verb.name);
            let count = moments.len();
            for round in 0..rounds.min(count) {
                let moment = &moments[round * count / rounds.min(count)];
                (verb.prepare)(&bed);
                kill(&bed, &(verb.line)(&bed), moment);
                let round = format!("{}: {round} of {count}: {moment:?}", verb.name);
                println!("{round}");
                (verb.after)(&bed);
                bed.assert_clean(&round);
            }
        }
        assert_eq!(host.leftovers(), Vec::<String>::new());
    });
}

#[test]
fn on_layers() {
    kill_all("on_layers", &[Ground::Ext4, Ground::Btrfs], 1);
}

#[test]
fn on_subvolumes() {
    kill_all("on_subvolumes", &[Ground::Btrfs, Ground::Ext4], 2);
}
