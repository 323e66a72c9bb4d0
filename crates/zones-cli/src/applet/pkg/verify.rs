//! `pkg verify`, `pkg fix`, `pkg revert`.

use zones_image::check::{self, PackageReport, Severity, Target};
use zones_image::plan::Package;
use zones_image::{Event, Image};

use super::change::{apply_plan, tracker};
use super::text::{is_asked, patterns};
use super::{Call, NOTHING, Outcome, Stop, failed, usage};
use crate::report::{FAILURE, OK};

/// The installed packages asked for.
fn asked(call: &Call<'_>, image: &Image) -> Result<Vec<Package>, Stop> {
    let asked = patterns(call.words.operands.iter().map(String::as_str))?;
    let packages = image.packages(&|_| {})?;
    for (word, pattern) in call.words.operands.iter().zip(&asked) {
        if !packages.iter().any(|it| pattern.match_fmri(&it.fmri).is_some()) {
            return Err(failed(format!("'{word}' matches no installed packages")));
        }
    }
    let packages = packages.into_iter();
    Ok(packages.filter(|it| is_asked(&asked, &it.fmri)).collect())
}

fn look(call: &Call<'_>, image: &Image, packages: &[Package]) -> Result<check::Report, Stop> {
    let tracker = tracker(&call.words)?;
    let options = image.verify_options(call.words.has("verbose"))?;
    let say = |it: check::Progress<'_>| tracker.tell(Event::Verify(it.fmri, it.done, it.total));
    let report = check::verify(packages, &image.policy(), image.root(), &options, &say);
    tracker.planned();
    Ok(report)
}

pub(super) fn verify(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    let image = call.image()?;
    let by_path = words.has("path");
    let packages = match by_path {
        true => image.packages(&|_| {})?,
        false => asked(call, &image)?,
    };
    let mut status = OK;
    if !words.has("unpackaged-only") {
        let mut report = look(call, &image, &packages)?;
        if by_path {
            report.keep_paths(&words.operands);
        }
        if report.is_faulty() {
            status = FAILURE;
        }
        if !words.has("quiet") {
            print(call, report.packages());
        }
    }
    if words.has("unpackaged") || words.has("unpackaged-only") {
        let found = check::unpackaged(&packages, &image.policy(), image.root());
        println!("UNPACKAGED CONTENTS");
        for path in found {
            println!("\t{path}");
        }
    }
    Ok(status)
}

/// The table of what is wrong.
fn print(call: &Call<'_>, reports: &[PackageReport]) {
    let verbose = call.words.has("verbose");
    let shown: Vec<_> = reports.iter().filter(|it| verbose || it.is_faulty()).collect();
    if shown.is_empty() {
        return;
    }
    if !call.words.has("no-headers") {
        println!("{:<71} {:>7}", "PACKAGE", "STATUS");
    }
    for report in shown {
        let status = if report.is_faulty() { "ERROR" } else { "OK" };
        println!("{:<71} {status:>7}", report.fmri().without_version());
        for item in report.items() {
            let findings = item.findings().iter();
            let findings: Vec<_> =
                findings.filter(|it| verbose || it.severity != Severity::Info).collect();
            if findings.is_empty() {
                continue;
            }
            println!("\t{}", item.label());
            for finding in findings {
                println!("\t\t{}: {}", finding.severity.label(), finding.text);
            }
        }
    }
}

pub(super) fn fix(call: &Call<'_>) -> Outcome {
    let (mut image, lock) = call.locked()?;
    let outcome = (|| {
        let packages = asked(call, &image)?;
        let report = look(call, &image, &packages)?;
        let all = image.packages(&|_| {})?;
        let planned = image.plan_repair(&all, report.packages())?;
        if !report.is_faulty() || planned.is_empty() {
            return Ok(NOTHING);
        }
        let faulty = report.packages().iter().filter(|it| it.is_faulty());
        let faulty: Vec<_> = faulty.cloned().collect();
        if !call.words.has("quiet") {
            println!("Packages to fix: {}\n", faulty.len());
            for report in &faulty {
                println!("Repairing: {}", report.fmri().without_version());
                print(call, std::slice::from_ref(report));
            }
        }
        apply_plan(call, &mut image, &lock, &planned)
    })();
    call.note(&image, &outcome);
    outcome
}

pub(super) fn revert(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    let tags: Vec<String> = words.values("tagged").map(str::to_owned).collect();
    if words.operands.is_empty() && tags.is_empty() {
        return Err(usage("at least one file path or tag name required"));
    }
    let (mut image, lock) = call.locked()?;
    let outcome = (|| {
        let packages = image.packages(&|_| {})?;
        let target = match tags.is_empty() {
            true => Target::Paths(words.operands.clone()),
            false => Target::Tags(tags),
        };
        let planned = image.plan_revert(&packages, &target)?;
        if planned.is_empty() {
            println!("No files need to be reverted.");
            return Ok(NOTHING);
        }
        apply_plan(call, &mut image, &lock, &planned)
    })();
    call.note(&image, &outcome);
    outcome
}
