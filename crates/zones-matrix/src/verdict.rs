//! Verdicts: what became of a cell, and what that makes of a run.

use serde::{Deserialize, Serialize};

use crate::config::FlakyResult;

/// What one attempt at a cell came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Steps and checks are fine.
    Pass,
    /// A step or a check failed.
    Fail,
    /// The cell used more memory than it may have.
    Oom,
    /// Steps are fine; something stayed that should be gone.
    Leftover,
    /// A step said so (status 77), or the platform cannot do it.
    Skip,
    /// The time was up.
    Timeout,
    /// The test bed failed, not the product.
    Error,
    /// The image or an artifact is not there.
    Blocked,
    /// The product was in the build environment, or a build wrote outside its folder.
    Impure,
    /// Stopped before its end, or never started.
    Cancelled,
}

/// What a cell is called in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Steps and checks are fine.
    Pass,
    /// Failed.
    Fail,
    /// Something stayed.
    Leftover,
    /// Failed, then passed on a retry.
    Flaky,
    /// Failed as expected.
    Xfail,
    /// Passed against expectation.
    Xpass,
    /// Skipped.
    Skip,
    /// The time was up.
    Timeout,
    /// The test bed failed.
    Error,
    /// Image or artifact is not there.
    Blocked,
    /// The build was not clean.
    Impure,
    /// Stopped.
    Cancelled,
}

/// What a verdict counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counts {
    /// Fine.
    Ok,
    /// A failure of the product.
    Fail,
    /// A failure of its own kind: the product does not clean up.
    Leftover,
    /// As the cell's `flaky-result` says.
    Flaky,
    /// No failure of the product; the cell says nothing about it.
    TestBed,
    /// Not run.
    NotRun,
}

/// One row for each verdict.
struct Row {
    verdict: Verdict,
    name: &'static str,
    /// One character for grids and terminals.
    glyph: char,
    counts: Counts,
}

const fn row(verdict: Verdict, name: &'static str, glyph: char, counts: Counts) -> Row {
    Row {
        verdict,
        name,
        glyph,
        counts,
    }
}

const ROWS: [Row; 12] = [
    row(Verdict::Pass, "pass", '\u{2713}', Counts::Ok),
    row(Verdict::Fail, "fail", '\u{2717}', Counts::Fail),
    row(Verdict::Leftover, "leftover", '\u{25b2}', Counts::Leftover),
    row(Verdict::Flaky, "flaky", '\u{223c}', Counts::Flaky),
    row(Verdict::Xfail, "xfail", 'x', Counts::Ok),
    row(Verdict::Xpass, "xpass", 'X', Counts::Fail),
    row(Verdict::Skip, "skip", '\u{2212}', Counts::Ok),
    row(Verdict::Timeout, "timeout", '\u{29d6}', Counts::Fail),
    row(Verdict::Error, "error", '!', Counts::TestBed),
    row(Verdict::Blocked, "blocked", '\u{25a0}', Counts::TestBed),
    row(Verdict::Impure, "impure", '\u{2623}', Counts::Fail),
    row(Verdict::Cancelled, "cancelled", '\u{25cb}', Counts::NotRun),
];

impl Verdict {
    /// All verdicts, in the order of reports.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.verdict)
    }

    fn row(self) -> &'static Row {
        let found = ROWS.iter().find(|row| row.verdict == self);
        found.unwrap_or(&ROWS[0])
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// One character for grids.
    #[must_use]
    pub fn glyph(self) -> char {
        self.row().glyph
    }

    /// What it counts as.
    #[must_use]
    pub fn counts(self) -> Counts {
        self.row().counts
    }

    /// Whether `--failed` runs the cell again.
    #[must_use]
    pub fn is_retried_by_failed(self) -> bool {
        !matches!(self.counts(), Counts::Ok)
    }
}

/// The verdict of a cell from its attempts, first to last; `None` without any.
///
/// A pass after a failure of the product is flaky; after a failure of the test bed it is a pass,
/// since that says nothing about the product.
#[must_use]
pub fn judge(attempts: &[Outcome], expected_to_fail: bool) -> Option<Verdict> {
    let (last, before) = attempts.split_last()?;
    let failed_before = before.iter().any(|outcome| {
        matches!(
            outcome,
            Outcome::Fail | Outcome::Oom | Outcome::Leftover | Outcome::Timeout
        )
    });
    let verdict = match last {
        Outcome::Pass if failed_before => Verdict::Flaky,
        Outcome::Pass => Verdict::Pass,
        Outcome::Fail | Outcome::Oom => Verdict::Fail,
        Outcome::Leftover => Verdict::Leftover,
        Outcome::Skip => Verdict::Skip,
        Outcome::Timeout => Verdict::Timeout,
        Outcome::Error => Verdict::Error,
        Outcome::Blocked => Verdict::Blocked,
        Outcome::Impure => Verdict::Impure,
        Outcome::Cancelled => Verdict::Cancelled,
    };
    Some(match verdict {
        Verdict::Fail | Verdict::Leftover | Verdict::Timeout if expected_to_fail => Verdict::Xfail,
        Verdict::Pass | Verdict::Flaky if expected_to_fail => Verdict::Xpass,
        verdict => verdict,
    })
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// By itself.
    Complete,
    /// By the user.
    Interrupted,
}

/// The exit status of a bad configuration, from sysexits(3).
pub const EXIT_CONFIG: u8 = 64;

/// The exit status of a run.
///
/// 0: fine. 1: the product failed, or several kinds of failure came together. 2: only the test bed
/// failed. 3: only flaky cells, where that is a failure. 4: only leftovers. 130: interrupted.
#[must_use]
pub fn exit_status(verdicts: impl Iterator<Item = (Verdict, FlakyResult)>, ending: Ending) -> u8 {
    if ending == Ending::Interrupted {
        return 130;
    }
    let (mut fail, mut leftover, mut flaky, mut test_bed) = (false, false, false, false);
    for (verdict, flaky_result) in verdicts {
        match verdict.counts() {
            Counts::Ok | Counts::NotRun => {}
            Counts::Fail => fail = true,
            Counts::Leftover => leftover = true,
            Counts::Flaky => flaky |= flaky_result == FlakyResult::Fail,
            Counts::TestBed => test_bed = true,
        }
    }
    match (fail, leftover, flaky, test_bed) {
        (false, false, false, false) => 0,
        (false, true, false, false) => 4,
        (false, false, true, false) => 3,
        (false, false, _, true) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_from_attempts() {
        use Outcome as O;
        use Verdict as V;
        let cases: [(&[O], bool, Option<V>); 14] = [
            (&[], false, None),
            (&[O::Pass], false, Some(V::Pass)),
            (&[O::Fail, O::Pass], false, Some(V::Flaky)),
            (&[O::Timeout, O::Pass], false, Some(V::Flaky)),
            (&[O::Error, O::Pass], false, Some(V::Pass)),
            (&[O::Error, O::Error], false, Some(V::Error)),
            (&[O::Fail, O::Fail], false, Some(V::Fail)),
            (&[O::Oom], false, Some(V::Fail)),
            (&[O::Leftover], false, Some(V::Leftover)),
            (&[O::Leftover], true, Some(V::Xfail)),
            (&[O::Pass], true, Some(V::Xpass)),
            (&[O::Fail, O::Pass], true, Some(V::Xpass)),
            (&[O::Error], true, Some(V::Error)),
            (&[O::Skip], true, Some(V::Skip)),
        ];
        for (attempts, expected, wanted) in cases {
            assert_eq!(judge(attempts, expected), wanted, "{attempts:?} {expected}");
        }
    }

    #[test]
    fn the_exit_status_tells_kinds_apart() {
        use Verdict as V;
        let cases: [(&[V], u8); 12] = [
            (&[], 0),
            (&[V::Pass, V::Xfail, V::Skip], 0),
            (&[V::Pass, V::Fail], 1),
            (&[V::Xpass], 1),
            (&[V::Timeout], 1),
            (&[V::Impure], 1),
            (&[V::Error, V::Blocked], 2),
            (&[V::Flaky], 3),
            (&[V::Flaky, V::Error], 2),
            (&[V::Leftover, V::Pass], 4),
            (&[V::Leftover, V::Error], 1),
            (&[V::Leftover, V::Fail], 1),
        ];
        for (verdicts, wanted) in cases {
            let all = || verdicts.iter().map(|verdict| (*verdict, FlakyResult::Fail));
            assert_eq!(exit_status(all(), Ending::Complete), wanted, "{verdicts:?}");
            assert_eq!(exit_status(all(), Ending::Interrupted), 130);
        }
        let allowed = [(V::Flaky, FlakyResult::Pass)];
        assert_eq!(exit_status(allowed.into_iter(), Ending::Complete), 0);
    }

    #[test]
    fn names_are_those_of_the_journal() {
        for verdict in Verdict::all() {
            let text = serde_json::to_string(&verdict).unwrap();
            assert_eq!(text, format!("\"{}\"", verdict.name()));
        }
        assert_eq!(Verdict::all().count(), ROWS.len());
    }
}
