//! What the depot has done, for `/metrics` and `status`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// By operation and status: how many, and the microseconds that they took.
type Requests = BTreeMap<(&'static str, u16), (u64, u64)>;

/// Counters; all start at zero.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    open: AtomicUsize,
    accepted: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    slow: AtomicU64,
    broken: AtomicU64,
    bytes: AtomicU64,
    requests: Mutex<Requests>,
}

/// Counts a connection as open for as long as it lives.
#[derive(Debug)]
pub(crate) struct Open<'m>(&'m AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Metrics {
    pub(crate) fn connection(&self) -> Open<'_> {
        self.accepted.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        Open(&self.open)
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// A connection was told that there are too many.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// A connection was closed unheard.
    pub(crate) fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    /// A client was too slow.
    pub(crate) fn slow(&self) {
        self.slow.fetch_add(1, Relaxed);
    }

    /// A client vanished or talked nonsense below HTTP.
    pub(crate) fn broken(&self) {
        self.broken.fetch_add(1, Relaxed);
    }

    pub(crate) fn request(&self, operation: &'static str, status: u16, bytes: u64, took: Duration) {
        self.bytes.fetch_add(bytes, Relaxed);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, sum) = all.entry((operation, status)).or_default();
        *count += 1;
        *sum = sum.saturating_add(took);
    }

    /// Requests of one operation that were answered, whatever the status.
    pub(crate) fn of(&self, operation: &str) -> u64 {
        let all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let of = all.iter().filter(|((name, _), _)| *name == operation);
        of.map(|(_, (count, _))| count).sum()
    }

    /// The text form of Prometheus, version 0.0.4.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        let open = self.open();
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        let single = [
            (
                "connections_open",
                "gauge",
                open as u64,
                "Connections that are open",
            ),
            (
                "connections_total",
                "counter",
                load(&self.accepted),
                "Connections served",
            ),
            (
                "connections_refused_total",
                "counter",
                load(&self.refused),
                "Connections told to wait",
            ),
            (
                "connections_dropped_total",
                "counter",
                load(&self.dropped),
                "Connections closed unheard",
            ),
            (
                "connections_slow_total",
                "counter",
                load(&self.slow),
                "Connections ended by a deadline",
            ),
            (
                "connections_broken_total",
                "counter",
                load(&self.broken),
                "Connections that broke",
            ),
            (
                "sent_bytes_total",
                "counter",
                load(&self.bytes),
                "Bytes of replies, headers too",
            ),
        ];
        for (name, kind, value, help) in single {
            let _ = write!(
                out,
                "# HELP pkg_depot_{name} {help}\n# TYPE pkg_depot_{name} {kind}\n\
                 pkg_depot_{name} {value}\n"
            );
        }
        out += "# HELP pkg_depot_request_seconds Time to answer requests\n\
                # TYPE pkg_depot_request_seconds summary\n";
        let all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for ((operation, status), (count, micros)) in all.iter() {
            let labels = format!("{{operation=\"{operation}\",status=\"{status}\"}}");
            let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
            let _ = write!(
                out,
                "pkg_depot_request_seconds_sum{labels} {seconds}.{rest:06}\n\
                 pkg_depot_request_seconds_count{labels} {count}\n"
            );
        }
        out
    }
}
