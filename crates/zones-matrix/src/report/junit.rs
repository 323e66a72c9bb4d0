//! A run as JUnit XML: a suite for each platform, a case for each cell, one more for each check
//! that failed.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{
    FlakyOrRerun, NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestRerun, TestSuite,
};

use super::why;
use crate::config::FlakyResult;
use crate::journal::Status;
use crate::run::{Attempt, CellRun, Run};
use crate::verdict::{Outcome, Verdict};

/// Why there is no XML.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the run as JUnit XML")]
pub struct JunitError(#[from] quick_junit::SerializeError);

/// The run. Retries are `flakyFailure` and `rerunFailure` elements inside the one case of a cell.
///
/// # Errors
///
/// [`JunitError`] when the XML cannot be written, which needs a text that XML cannot hold.
pub fn junit(run: &Run) -> Result<String, JunitError> {
    let mut report = Report::new(run.head.name.as_str());
    report.set_time(Duration::from_micros(run.micros));
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for cell in &run.cells {
        let platform = cell.info.platform.as_str();
        let suite = suites
            .entry(platform)
            .or_insert_with(|| TestSuite::new(platform));
        suite.add_test_case(case(cell));
        suite.add_test_cases(checks(cell));
    }
    report.add_test_suites(suites.into_values());
    Ok(report.to_string()?)
}

/// `option.scenario`, with the suffix of the id.
fn name(cell: &CellRun) -> String {
    let (option, scenario) = (&cell.info.option, &cell.info.scenario);
    let last = cell.info.id.rsplit('/').next().unwrap_or(scenario);
    format!("{option}.{last}")
}

fn case(cell: &CellRun) -> TestCase {
    let mut case = TestCase::new(name(cell), status(cell));
    case.set_classname(cell.info.platform.as_str());
    case.set_time(Duration::from_micros(cell.micros()));
    case.add_property(Property::new("cell", cell.info.id.as_str()));
    for check in cell.last().into_iter().flat_map(|attempt| &attempt.checks) {
        case.add_property(Property::new(
            format!("check.{}", check.check),
            word(check.status),
        ));
    }
    let logs = cell.last().into_iter().flat_map(|attempt| &attempt.steps);
    let texts: Vec<&str> = logs.map(|step| step.log.text.as_str()).collect();
    let text = texts.concat();
    if !text.is_empty() {
        case.set_system_out(text);
    }
    case
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Fail => "fail",
        Status::Skip => "skip",
    }
}

fn status(cell: &CellRun) -> TestCaseStatus {
    let Some(verdict) = cell.verdict else {
        return skipped("not run");
    };
    let kind = match verdict {
        Verdict::Pass => return passed(cell),
        Verdict::Flaky if cell.info.flaky_result == FlakyResult::Pass => return passed(cell),
        Verdict::Xfail => {
            let reason = cell.info.expect_fail.as_deref().unwrap_or_default();
            return skipped(&format!("expected failure: {reason}"));
        }
        Verdict::Skip | Verdict::Cancelled => return skipped(why(cell)),
        Verdict::Error | Verdict::Blocked => NonSuccessKind::Error,
        Verdict::Fail
        | Verdict::Leftover
        | Verdict::Flaky
        | Verdict::Xpass
        | Verdict::Timeout
        | Verdict::Impure => NonSuccessKind::Failure,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(verdict.name());
    status.set_message(why(cell));
    if verdict == Verdict::Flaky {
        status.set_rerun_kind(FlakyOrRerun::Flaky);
    }
    status.add_reruns(reruns(cell));
    status
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(message);
    status
}

fn passed(cell: &CellRun) -> TestCaseStatus {
    let mut status = TestCaseStatus::success();
    status.add_reruns(reruns(cell));
    status
}

/// The attempts before the one that counts.
fn reruns(cell: &CellRun) -> Vec<TestRerun> {
    let before = cell.attempts.len().saturating_sub(1);
    cell.attempts[..before].iter().map(rerun).collect()
}

fn rerun(attempt: &Attempt) -> TestRerun {
    let kind = match attempt.outcome {
        Some(Outcome::Error | Outcome::Blocked) | None => NonSuccessKind::Error,
        Some(_) => NonSuccessKind::Failure,
    };
    let mut rerun = TestRerun::new(kind);
    rerun.set_time(Duration::from_micros(
        attempt.ended.saturating_sub(attempt.began),
    ));
    rerun.set_message(attempt.reason.as_str());
    if let Some(step) = attempt
        .steps
        .last()
        .filter(|step| !step.log.text.is_empty())
    {
        rerun.set_system_out(step.log.text.as_str());
    }
    rerun
}

/// A case for each check that failed in the last attempt, so that it can be followed by its name.
fn checks(cell: &CellRun) -> Vec<TestCase> {
    let expected = cell.verdict == Some(Verdict::Xfail);
    let checks = cell.last().into_iter().flat_map(|attempt| &attempt.checks);
    let failed = checks.filter(|check| check.status == Status::Fail && !expected);
    let cases = failed.map(|check| {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type("check");
        status.set_message(check.message.as_str());
        let lines = check.findings.iter().map(ToString::to_string);
        status.set_description(lines.collect::<Vec<_>>().join("\n"));
        let mut case = TestCase::new(format!("{}.{}", name(cell), check.check), status);
        case.set_classname(cell.info.platform.as_str());
        case
    });
    cases.collect()
}
