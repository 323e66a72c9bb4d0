//! Power failures: qemu is killed at random moments while commands write, and what was acknowledged
//! must be there when the guest is booted again with the same disks.
//!
//! The guest says `try FS OBJECT VALUE` before a command and `ack FS OBJECT VALUE` after it
//! returned. Lost is what the guest had not flushed. A disk that lies about flushing is not part
//! of this.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::case::{Machine, Place, Tally, follow};
use super::guest::{Disks, Event, Guest, Init};
use super::share;
use crate::shell::{Outcome, write};

pub(super) const NAME: &str = "power";
pub(super) const TEXT: &str =
    "qemu killed while zonecfg, zoneadm, pkg and beadm write (--cuts, --seed)";

/// File systems in the order of the disks; each keeps its disk over all cuts.
const FILE_SYSTEMS: [&str; 4] = ["ext4", "xfs", "btrfs", "zfs"];

/// The power fails within this time after a random number of commands, below `COMMANDS`.
const LATEST: Duration = Duration::from_secs(2);
const COMMANDS: u64 = 8;

/// How long a boot's checks, or the commands before a cut, may take.
const LIMIT: Duration = Duration::from_secs(3600);

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) cuts: u32,
    pub(super) seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            cuts: 4,
            seed: now.map_or(1, |since| since.as_secs()),
        }
    }
}

/// Cuts, and checks after each.
pub(super) fn run(
    plan: &Plan,
    machine: &Machine<'_>,
    place: &mut Place,
    tally: &mut Tally,
) -> Outcome {
    let seed = plan.seed;
    println!("power: {} cuts, --seed {seed}", plan.cuts);
    let warm = machine.warm(Init::Plain);
    let base = machine.base(warm.as_ref());
    let disks = Disks::create(&place.folder, &base)?;
    let mut random = Random::new(seed);
    let mut model = Model::default();
    let boot = |model: &Model, check: &str, write: &str, seed: u64| -> Outcome<Guest> {
        disks.renew_root(&base)?;
        let files = disks.folder.join("share");
        let variables = [
            ("CHECK", check.to_owned()),
            ("WRITE", write.to_owned()),
            ("SEED", seed.to_string()),
        ];
        share::fill(&files, NAME, &variables)?;
        model.save(&files.join("model"))?;
        disks.share(&files)?;
        machine.begin(Init::Plain, &disks, warm.as_ref())
    };
    let guest = boot(&model, "", "setup", 0)?;
    follow(&guest, LIMIT, place, tally, |line| model.line(line))?;
    guest.cut();
    let mut turn = FILE_SYSTEMS.iter().copied().cycle();
    for _ in 0..random.below(4) {
        turn.next();
    }
    let mut last = "";
    for cut in 0..plan.cuts {
        let next = turn.next().unwrap_or_default();
        let moment = Moment::draw(&mut random);
        let mark = format!("cut {cut}: {next} {moment}");
        place.log(&mark);
        let guest = boot(&model, last, next, random.below(1 << 31))?;
        until_cut(guest, moment, place, tally, &mut model)
            .map_err(|error| format!("{mark}: {error}"))?;
        model.cut(next);
        last = next;
    }
    let guest = boot(&model, last, "", 0)?;
    follow(&guest, LIMIT, place, tally, |line| model.line(line))?;
    tally.notes.push(model.summary(plan.cuts));
    Ok(())
}

/// When the power fails. Counted in commands, because a slow guest does few in any time.
#[derive(Debug, Clone, Copy)]
struct Moment {
    commands: u64,
    after: Duration,
}

impl Moment {
    fn draw(random: &mut Random) -> Self {
        Self {
            commands: random.below(COMMANDS),
            after: random.below_time(LATEST),
        }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.after.as_secs_f64();
        write!(to, "{seconds:.3} s after {} commands", self.commands)
    }
}

/// Reads until the moment, then what was still said.
fn until_cut(
    guest: Guest,
    moment: Moment,
    place: &mut Place,
    tally: &mut Tally,
    model: &mut Model,
) -> Outcome {
    let mut read = |line: &str| {
        place.log(line);
        tally.line(line);
        model.line(line);
    };
    let mut until = Instant::now() + LIMIT;
    // Commands that are still to come, once the writing has begun.
    let mut left = None;
    loop {
        match guest.next(until) {
            Event::Line(line) => {
                read(&line);
                left = match left {
                    None if line == "writing" => Some(moment.commands),
                    Some(count) if count > 0 && line.starts_with("ack ") => Some(count - 1),
                    _ if line.starts_with("vm end") => {
                        return Err("the script ended before the power did".to_owned());
                    }
                    _ => continue,
                };
                if left == Some(0) {
                    until = Instant::now() + moment.after;
                }
            }
            Event::Silence if left == Some(0) => break,
            Event::Silence => return Err("the commands do not end".to_owned()),
            Event::Gone => return Err("the guest went away".to_owned()),
        }
    }
    // What the guest had said when it died counts, though nobody had read it yet.
    for line in guest.cut() {
        read(&line);
    }
    Ok(())
}

/// What is known of every object: its acknowledged value, and one that was being written.
#[derive(Debug, Default)]
struct Model {
    objects: BTreeMap<String, (String, Option<String>)>,
    acknowledged: usize,
    interrupted: usize,
    /// Writes without a sync, by file system: the last that was said.
    lazy: BTreeMap<String, u64>,
    lazy_lost: usize,
}

impl Model {
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let [verb, system, object, value] = words[..] else {
            return;
        };
        let name = format!("{system} {object}");
        match verb {
            "try" => self.objects.entry(name).or_default().1 = Some(value.to_owned()),
            "ack" | "is" => {
                self.acknowledged += usize::from(verb == "ack");
                self.objects.insert(name, (value.to_owned(), None));
            }
            "lazy" => {
                let count = value.parse().unwrap_or(0);
                if object == "said" {
                    self.lazy.insert(system.to_owned(), count);
                } else if self.lazy.get(system).is_some_and(|said| *said > count) {
                    self.lazy_lost += 1;
                }
            }
            _ => {}
        }
    }

    /// Counts what a cut interrupted.
    fn cut(&mut self, system: &str) {
        let start = format!("{system} ");
        let trying = |(name, (_, trying)): &(&String, &(String, Option<String>))| {
            name.starts_with(&start) && trying.is_some()
        };
        self.interrupted += self.objects.iter().filter(trying).count();
    }

    /// One object in each line: file system, object, value, and the value that was being written.
    fn save(&self, to: &Path) -> Outcome {
        let mut text = String::new();
        for (name, (value, trying)) in &self.objects {
            let trying = trying.as_deref().unwrap_or_default();
            text += &format!("{name} {value} {trying}\n");
        }
        write(to, &text)
    }

    fn summary(&self, cuts: u32) -> String {
        format!(
            "{} writes acknowledged, {} cuts inside of one; unsynced writes of a shell were lost in \
             {} of {cuts} cuts",
            self.acknowledged, self.interrupted, self.lazy_lost
        )
    }
}

/// Numbers that a seed repeats: xorshift64*. Source: Vigna, "An experimental exploration of
/// Marsaglia's xorshift generators, scrambled".
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below a bound that is much smaller than all numbers.
    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound.max(1)
    }

    fn below_time(&mut self, bound: Duration) -> Duration {
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.below(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Model, Random};

    #[test]
    fn the_model_keeps_what_was_acknowledged_and_what_was_tried() {
        let mut model = Model::default();
        for line in [
            "is ext4 zone/t1 absent",
            "try ext4 zone/t1 configured",
            "ack ext4 zone/t1 configured",
            "try ext4 zone/t1 installed",
            "lazy ext4 said 7",
            "log line of four",
        ] {
            model.line(line);
        }
        let seen = &model.objects["ext4 zone/t1"];
        assert_eq!(seen.0, "configured");
        assert_eq!(seen.1.as_deref(), Some("installed"));
        model.cut("ext4");
        model.cut("xfs");
        model.line("lazy ext4 seen 5");
        assert_eq!((model.acknowledged, model.interrupted), (1, 1));
        assert_eq!(model.lazy_lost, 1);
    }

    #[test]
    fn a_seed_repeats_and_stays_within_its_bounds() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            let bound = Duration::from_millis(9);
            let times: Vec<Duration> = (0..100).map(|_| random.below_time(bound)).collect();
            assert!(times.iter().all(|time| *time < bound));
            times
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
