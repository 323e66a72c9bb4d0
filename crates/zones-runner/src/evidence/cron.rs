//! Jobs that run at times. Source: crontab(5), cron(8), anacrontab(5), systemd.timer(5), at(1).

use std::collections::{BTreeMap, BTreeSet};

use zones_matrix::leftovers::Job;

use super::meaning::Page;
use super::services::{TIMER, units};

const LIMIT: u64 = 1 << 20;
/// Folders whose files are jobs, and how the job is called.
const FOLDERS: [(&str, &str); 10] = [
    ("/etc/cron.d", "cron.d/"),
    ("/etc/cron.hourly", "cron.hourly/"),
    ("/etc/cron.daily", "cron.daily/"),
    ("/etc/cron.weekly", "cron.weekly/"),
    ("/etc/cron.monthly", "cron.monthly/"),
    ("/var/spool/cron/crontabs", "crontab of "),
    ("/var/spool/cron", "crontab of "),
    ("/var/spool/cron/atjobs", "at job "),
    ("/var/spool/at", "at job "),
    ("/etc/periodic/daily", "periodic/daily/"),
];

pub(super) fn read(page: &mut Page<'_>) {
    let mut found: BTreeMap<String, Job> = units(page);
    found.retain(|name, _| name.ends_with(TIMER));
    for (folder, word) in FOLDERS {
        for (name, path) in page.names(folder) {
            let entry = page.scene.inventory.files.get(&path);
            let is_file = entry.is_some_and(|entry| {
                use zones_matrix::leftovers::Kind;
                matches!(entry.kind, Kind::File | Kind::Link)
            });
            if is_file && !name.starts_with('.') {
                let job = found.entry(format!("{word}{name}")).or_default();
                job.paths.insert(path);
                job.enabled = true;
            }
        }
    }
    for file in ["crontab", "anacrontab"] {
        let text = page
            .text(&format!("/etc/{file}"), LIMIT)
            .unwrap_or_default();
        for line in text.lines().map(str::trim) {
            let is_job = line.starts_with(|c: char| c.is_ascii_digit() || "*@".contains(c));
            if is_job {
                let words: Vec<&str> = line.split_whitespace().collect();
                let name = format!("{file}: {}", words.join(" "));
                let (paths, enabled) = (BTreeSet::new(), true);
                found.insert(name, Job { paths, enabled });
            }
        }
    }
    page.scene.inventory.cron = found;
}
