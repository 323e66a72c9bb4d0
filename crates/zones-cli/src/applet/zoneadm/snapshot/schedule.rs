//! Scheduled snapshots: the attribute `snapshot-schedule`, such as `hourly:24 daily:7 weekly:4`.
//!
//! A period has its snapshot when one of its kind was taken in it; of each kind the newest ones
//! stay, as many as the number says. Snapshots that a person took have no kind and are never
//! touched.

use zones_ips::Timestamp;
use zones_storage::{Snapshot, Snapshots};

/// The attribute of the zone.
pub(super) const ATTRIBUTE: &str = "snapshot-schedule";

/// A kind of period, and the number of the one that a second since 1970 is in, in UTC.
type Kind = (&'static str, fn(i64) -> i64);

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Weeks begin on Mondays; 1970 began on a Thursday.
const KINDS: [Kind; 5] = [
    ("frequent", |at| at.div_euclid(HOUR / 4)),
    ("hourly", |at| at.div_euclid(HOUR)),
    ("daily", |at| at.div_euclid(DAY)),
    ("weekly", |at| (at.div_euclid(DAY) + 3).div_euclid(7)),
    ("monthly", month),
];

fn month(at: i64) -> i64 {
    let civil = Timestamp::from_unix(at).unwrap_or_default().civil();
    i64::from(civil.year()) * 12 + i64::from(civil.month())
}

/// What is kept of each kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Schedule(Vec<(usize, usize)>);

impl Schedule {
    /// Reads the value of the attribute.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |word: &str| {
            let all = KINDS.map(|(name, _)| name).join(", ");
            format!("attr {ATTRIBUTE}: `{word}` is not KIND:NUMBER with a kind of {all}")
        };
        let mut found: Vec<(usize, usize)> = Vec::new();
        for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
            let (name, number) = word.split_once(':').ok_or_else(|| wrong(word))?;
            let kind = KINDS.iter().position(|(kind, _)| *kind == name);
            let kind = kind.ok_or_else(|| wrong(word))?;
            let number = number.parse().map_err(|_| wrong(word))?;
            if found.iter().any(|(known, _)| *known == kind) {
                return Err(format!("attr {ATTRIBUTE}: {name} stands there twice"));
            }
            found.push((kind, number));
        }
        Ok(Self(found))
    }

    /// Names and kinds of the snapshots that are to be taken at `now`.
    pub(super) fn due(&self, snapshots: &Snapshots, now: i64) -> Vec<(String, String)> {
        let wanted = self.0.iter().filter(|(_, number)| *number > 0);
        let kinds = wanted.map(|(kind, _)| KINDS[*kind]);
        let missing = kinds.filter(|(name, period)| {
            let mut own = snapshots.all().iter().filter(|it| it.origin == *name);
            !own.any(|it| period(it.created) >= period(now))
        });
        let civil = Timestamp::from_unix(now).unwrap_or_default().civil();
        let stamp = format!(
            "{}{:02}{:02}T{:02}{:02}{:02}Z",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second()
        );
        let named = missing.map(|(kind, _)| {
            let name = format!("{kind}-{stamp}");
            let is_taken = snapshots.find(&name).is_ok();
            let name = if is_taken {
                snapshots.free_name(&format!("{name}."))
            } else {
                name
            };
            (name, kind.to_owned())
        });
        named.collect()
    }

    /// Names of those that are more than the schedule keeps. A kind that it does not name keeps
    /// what it has.
    pub(super) fn surplus(&self, snapshots: &Snapshots) -> Vec<String> {
        let mut names = Vec::new();
        for (kind, number) in &self.0 {
            let own = snapshots.all().iter();
            let mut own: Vec<&Snapshot> = own.filter(|it| it.origin == KINDS[*kind].0).collect();
            own.sort_by_key(|it| std::cmp::Reverse(it.created));
            names.extend(own.iter().skip(*number).map(|it| it.name.clone()));
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use zones_archive::Silent;

    use super::*;

    #[test]
    fn periods_begin_where_clocks_and_calendars_say() {
        let number = |kind: &str, at: i64| {
            let row = KINDS.iter().find(|(name, _)| *name == kind).unwrap();
            row.1(at)
        };
        // 2026-11-21 23:59:59 UTC, a Saturday, and the second after it.
        let last = 1_795_305_599;
        for (kind, is_next) in [("hourly", true), ("daily", true), ("weekly", false)] {
            assert_eq!(
                number(kind, last + 1) > number(kind, last),
                is_next,
                "{kind}"
            );
        }
        // Sunday to Monday; the last day of November to the first of December.
        assert!(number("weekly", last + 1 + DAY) > number("weekly", last + DAY));
        let november = last + 9 * DAY;
        assert!(number("monthly", november + 1) > number("monthly", november));
        assert_eq!(number("monthly", november), number("monthly", last));
    }

    #[test]
    fn a_schedule_is_read_or_refused() {
        assert_eq!(Schedule::parse("").unwrap(), Schedule(Vec::new()));
        let two = Schedule::parse("hourly:24, daily:7").unwrap();
        assert_eq!(two, Schedule(vec![(1, 24), (2, 7)]));
        for bad in [
            "hourly",
            "hourly:x",
            "sometimes:1",
            "daily:1 daily:2",
            "daily:-1",
        ] {
            assert!(Schedule::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_due_is_taken_once_and_old_ones_go_and_those_of_people_stay() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        let schedule = Schedule::parse("hourly:2 daily:1").unwrap();
        let start = 1_795_305_600;
        let mut all = Snapshots::open(folder.path()).unwrap();
        all.create("mine", start, "", &Silent).unwrap();
        for (hours, expected) in [(0, 2), (0, 0), (1, 1), (2, 1), (24, 2)] {
            let now = start + hours * HOUR + 7;
            let due = schedule.due(&all, now);
            assert_eq!(due.len(), expected, "{hours}");
            for (name, kind) in due {
                all.create(&name, now, &kind, &Silent).unwrap();
            }
            for name in schedule.surplus(&all) {
                all.destroy(&name).unwrap();
            }
        }
        let names: Vec<&str> = all.all().iter().map(|it| it.name.as_str()).collect();
        let expected = [
            "mine",
            "hourly-20261122T020007Z",
            "hourly-20261123T000007Z",
            "daily-20261123T000007Z",
        ];
        assert_eq!(names, expected);
    }
}
