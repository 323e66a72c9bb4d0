//! What a cell gets: limits, time, network, clock, process 1, retries.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zones_types::Bytes;

use super::reader::{At, Section};

/// Which networks a cell sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Loopback only.
    None,
    /// The host and other cells of the run.
    Local,
    /// The outside too.
    Full,
}

/// Which time a cell sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clock {
    /// The host's, uptime included.
    Shared,
    /// The host's wall time; uptime starts near zero.
    Isolated,
    /// A wall time of its own, by interposition.
    Fake(jiff::Timestamp),
}

/// Who is process 1 of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Boot {
    /// The init of the platform, with the services that it starts.
    #[default]
    Init,
    /// One of ours, which only buries the dead: nothing runs but the steps.
    None,
}

/// How long a retry waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// The same each time.
    Fixed,
    /// Twice as long each time.
    Exponential,
}

/// What is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RetryOn {
    /// A step or check failed.
    Fail,
    /// The test bed failed.
    Error,
    /// The time was up.
    Timeout,
}

/// When a cell is run again, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// Attempts after the first.
    pub count: u32,
    /// What is tried again.
    pub on: Vec<RetryOn>,
    /// How the delay grows.
    pub backoff: Backoff,
    /// Delay before the first retry.
    pub delay: Duration,
    /// Whether the delay is shortened at random, so that retries spread.
    pub jitter: bool,
}

/// What a pass on a retry counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlakyResult {
    /// The cell is listed as flaky and the run fails.
    Fail,
    /// The cell is listed as flaky.
    Pass,
}

/// Settings of one cell, all known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Memory the cell may use, and what the scheduler counts.
    pub memory: Bytes,
    /// Disk the cell may use beyond its image; unset where nobody limits it, since counting costs
    /// time.
    pub disk: Option<Bytes>,
    /// Processes and threads the cell may have.
    pub tasks: u32,
    /// Networks.
    pub network: Network,
    /// Time for all steps and checks of one attempt.
    pub timeout: Duration,
    /// A step that takes longer is marked slow.
    pub slow_after: Duration,
    /// Retries.
    pub retries: Retries,
    /// What a pass on a retry counts as.
    pub flaky_result: FlakyResult,
    /// Time.
    pub clock: Clock,
    /// Process 1.
    pub boot: Boot,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory: Bytes(512 << 20),
            disk: None,
            tasks: 512,
            network: Network::None,
            timeout: Duration::from_secs(600),
            slow_after: Duration::from_secs(120),
            retries: Retries {
                count: 0,
                on: vec![RetryOn::Error, RetryOn::Timeout],
                backoff: Backoff::Exponential,
                delay: Duration::from_secs(2),
                jitter: true,
            },
            flaky_result: FlakyResult::Fail,
            clock: Clock::Isolated,
            boot: Boot::Init,
        }
    }
}

/// Settings that say only what they change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Changes {
    memory: Option<Bytes>,
    disk: Option<Bytes>,
    tasks: Option<u32>,
    network: Option<Network>,
    timeout: Option<Duration>,
    slow_after: Option<Duration>,
    retries: Option<RetryChanges>,
    flaky_result: Option<FlakyResult>,
    clock: Option<Clock>,
    boot: Option<Boot>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct RetryChanges {
    count: Option<u32>,
    on: Option<Vec<RetryOn>>,
    backoff: Option<Backoff>,
    delay: Option<Duration>,
    jitter: Option<bool>,
}

pub(super) const NETWORKS: [(&str, Network); 3] = [
    ("none", Network::None),
    ("local", Network::Local),
    ("full", Network::Full),
];
const BACKOFFS: [(&str, Backoff); 2] = [
    ("fixed", Backoff::Fixed),
    ("exponential", Backoff::Exponential),
];
const RETRIED: [(&str, RetryOn); 3] = [
    ("fail", RetryOn::Fail),
    ("error", RetryOn::Error),
    ("timeout", RetryOn::Timeout),
];
const FLAKY: [(&str, FlakyResult); 2] = [("fail", FlakyResult::Fail), ("pass", FlakyResult::Pass)];
const BOOTS: [(&str, Boot); 2] = [("init", Boot::Init), ("none", Boot::None)];
const CLOCKS: [(&str, Clock); 2] = [("shared", Clock::Shared), ("isolated", Clock::Isolated)];

impl Changes {
    /// Reads the table `key` of a section; absent is no change.
    pub(crate) fn below(section: &Section<'_, '_>, key: &'static str) -> Self {
        section.table(key).map(Self::read).unwrap_or_default()
    }

    /// Reads a whole table of settings.
    pub(crate) fn read(section: Section<'_, '_>) -> Self {
        let changes = Self {
            memory: section.bytes("memory"),
            disk: section.bytes("disk"),
            tasks: section.number("tasks"),
            network: section.word("network", &NETWORKS),
            timeout: section.duration("timeout"),
            slow_after: section.duration("slow-after"),
            retries: section.table("retries").map(RetryChanges::read),
            flaky_result: section.word("flaky-result", &FLAKY),
            clock: clock(&section),
            boot: section.word("boot", &BOOTS),
        };
        section.finish();
        changes
    }

    /// A change of the clock alone.
    pub(crate) fn with_clock(mut self, clock: Option<Clock>) -> Self {
        self.clock = clock.or(self.clock);
        self
    }

    /// Puts the changes over what was there.
    pub(crate) fn apply(&self, settings: &mut Settings) {
        fn put<T: Clone>(to: &mut T, from: Option<&T>) {
            if let Some(from) = from {
                to.clone_from(from);
            }
        }
        put(&mut settings.memory, self.memory.as_ref());
        settings.disk = self.disk.or(settings.disk);
        put(&mut settings.tasks, self.tasks.as_ref());
        put(&mut settings.network, self.network.as_ref());
        put(&mut settings.timeout, self.timeout.as_ref());
        put(&mut settings.slow_after, self.slow_after.as_ref());
        put(&mut settings.flaky_result, self.flaky_result.as_ref());
        put(&mut settings.clock, self.clock.as_ref());
        put(&mut settings.boot, self.boot.as_ref());
        if let Some(retries) = &self.retries {
            let old = &mut settings.retries;
            put(&mut old.count, retries.count.as_ref());
            put(&mut old.on, retries.on.as_ref());
            put(&mut old.backoff, retries.backoff.as_ref());
            put(&mut old.delay, retries.delay.as_ref());
            put(&mut old.jitter, retries.jitter.as_ref());
        }
    }
}

impl RetryChanges {
    fn read(section: Section<'_, '_>) -> Self {
        let on = section.texts("on").map(|words| {
            let known = words
                .iter()
                .filter_map(|word| section.one_of("on", word, &RETRIED));
            known.collect()
        });
        let changes = Self {
            count: section.number("count"),
            on,
            backoff: section.word("backoff", &BACKOFFS),
            delay: section.duration("delay"),
            jitter: section.flag("jitter"),
        };
        section.finish();
        changes
    }
}

/// `clock = "shared"`, `"isolated"` or `{ fake = "2038-01-19T03:14:00Z" }`.
pub(crate) fn clock(section: &Section<'_, '_>) -> Option<Clock> {
    if let Some(table) = section.maybe_table("clock") {
        let wanted = "a time such as \"2038-01-19T03:14:00Z\"";
        let fake = table.parsed("fake", wanted, |text| text.parse().ok());
        let fake = table.need("fake", fake);
        table.finish();
        return fake.map(Clock::Fake);
    }
    let text: At<String> = section.text("clock")?;
    let found = CLOCKS.iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        let message = format!("`{}.clock` cannot be `{}`", section.name(), text.value);
        let hint = "known: shared, isolated, { fake = \"2038-01-19T03:14:00Z\" }";
        section.fault(text.at, message, hint);
    }
    found.map(|(_, clock)| clock.clone())
}

fn name_of<T: PartialEq>(value: &T, table: &[(&'static str, T)]) -> &'static str {
    let found = table.iter().find(|(_, known)| known == value);
    found.map_or("", |(name, _)| name)
}

impl Network {
    /// As the file writes it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        name_of(self, &NETWORKS)
    }
}

impl Clock {
    /// As the file writes it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Fake(time) => json!({ "fake": time.to_string() }),
            known => json!(name_of(known, &CLOCKS)),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Settings {
    /// For the plan: bytes and milliseconds.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let retries = &self.retries;
        let on: Vec<&str> = retries.on.iter().map(|on| name_of(on, &RETRIED)).collect();
        json!({
            "memory": self.memory.0,
            "disk": self.disk.map(|it| it.0),
            "tasks": self.tasks,
            "network": name_of(&self.network, &NETWORKS),
            "timeout-ms": millis(self.timeout),
            "slow-after-ms": millis(self.slow_after),
            "retries": {
                "count": retries.count,
                "on": on,
                "backoff": name_of(&retries.backoff, &BACKOFFS),
                "delay-ms": millis(retries.delay),
                "jitter": retries.jitter,
            },
            "flaky-result": name_of(&self.flaky_result, &FLAKY),
            "clock": self.clock.to_json(),
            "boot": name_of(&self.boot, &BOOTS),
        })
    }

    /// The part that can change what a step does; steps run apart when it differs.
    pub(crate) fn shaping(&self) -> Value {
        json!({
            "memory": self.memory.0,
            "disk": self.disk.map(|it| it.0),
            "tasks": self.tasks,
            "network": name_of(&self.network, &NETWORKS),
            "clock": self.clock.to_json(),
            "boot": name_of(&self.boot, &BOOTS),
        })
    }
}
