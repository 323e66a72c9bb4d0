//! `pkg verify`, `pkg fix`, `pkg revert`.

use zones_image::Image;
use zones_image::check::{self, Report, Target};
use zones_image::plan::Package;
use zones_ips::{ActionKind, Fmri, ImagePathRef};

use super::change::{apply_plan, tracker};
use super::text::{is_asked, patterns};
use super::{Call, NOTHING, Outcome, Stop, failed, usage};
use crate::report::{FAILURE, OK};

/// Compares the packages asked for.
fn look(call: &Call<'_>, image: &Image, packages: &[Package]) -> Result<Report, Stop> {
    let asked = match call.words.has("path") {
        true => Vec::new(),
        false => patterns(call.words.operands.iter().map(String::as_str))?,
    };
    for (word, pattern) in call.words.operands.iter().zip(&asked) {
        if !packages
            .iter()
            .any(|it| pattern.match_fmri(&it.fmri).is_some())
        {
            return Err(failed(format!("'{word}' matches no installed packages")));
        }
    }
    let tracker = tracker(&call.words)?;
    let is_wanted = |fmri: &Fmri| is_asked(&asked, fmri);
    let report = image.verify(packages, &is_wanted, &|event| tracker.tell(event));
    tracker.planned();
    Ok(report?)
}

/// Adds the packages whose signatures are not what the image asks for.
fn signatures(image: &Image, packages: &[Package], report: &mut Report) -> Result<(), Stop> {
    let is_wanted = |it: &&Package| report.packages.iter().any(|own| own.fmri == it.fmri);
    let wanted: Vec<Package> = packages.iter().filter(is_wanted).cloned().collect();
    for (fmri, why) in image.unproved(&wanted)? {
        let Some(own) = report.packages.iter_mut().find(|it| it.fmri == fmri) else {
            continue;
        };
        let manifest = wanted
            .iter()
            .find(|it| it.fmri == fmri)
            .map(|it| &it.manifest);
        let mut actions = manifest.into_iter().flat_map(|it| it.actions());
        let first = actions.position(|it| it.kind() == ActionKind::Signature);
        own.items.push(check::ItemReport {
            action: first.unwrap_or(usize::MAX),
            label: "signature".to_owned(),
            findings: vec![check::Finding {
                severity: check::Severity::Error,
                text: why.to_string(),
            }],
        });
    }
    Ok(())
}

/// Keeps what concerns these paths.
fn of_paths(report: &mut Report, packages: &[Package], paths: &[String]) {
    for package in &mut report.packages {
        let own = packages.iter().find(|it| it.fmri == package.fmri);
        package.items.retain(|item| {
            let path = own.and_then(|it| it.manifest.actions().get(item.action)?.get("path"));
            path.is_some_and(|path| paths.iter().any(|it| it.trim_start_matches('/') == path))
        });
    }
}

pub(super) fn verify(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    let image = call.image()?;
    let packages = image.packages(&|_| {})?;
    let mut status = OK;
    if !words.has("unpackaged-only") {
        let mut report = look(call, &image, &packages)?;
        signatures(&image, &packages, &mut report)?;
        if words.has("path") {
            of_paths(&mut report, &packages, &words.operands);
        }
        if !report.is_clean() {
            status = FAILURE;
        }
        if words.value("parsable").is_some() {
            println!("{}", parsable(&report));
        } else if !words.has("quiet") {
            show(call, &report.lines(words.has("verbose")));
        }
    }
    if words.has("unpackaged") || words.has("unpackaged-only") {
        println!("UNPACKAGED CONTENTS");
        for path in image.unpackaged(&packages)? {
            println!("\t{path}");
        }
    }
    Ok(status)
}

fn parsable(report: &Report) -> serde_json::Value {
    let rows = report.packages.iter().map(|package| {
        let items = package.items.iter().map(|item| {
            let findings = item.findings.iter();
            let texts: Vec<_> = findings
                .map(|it| format!("{}: {}", it.severity.label(), it.text))
                .collect();
            (item.label.clone(), serde_json::json!(texts))
        });
        let items: serde_json::Map<_, _> = items.collect();
        (package.fmri.to_string(), serde_json::Value::Object(items))
    });
    serde_json::Value::Object(rows.collect())
}

fn show(call: &Call<'_>, lines: &[String]) {
    let skip = usize::from(call.words.has("no-headers"));
    lines.iter().skip(skip).for_each(|line| println!("{line}"));
}

pub(super) fn fix(call: &Call<'_>) -> Outcome {
    let (mut image, lock) = call.locked()?;
    let outcome = (|| {
        let packages = image.packages(&|_| {})?;
        let report = look(call, &image, &packages)?;
        if report.is_clean() && image.interrupted()?.is_none() {
            return Ok(NOTHING);
        }
        let planned = image.plan_repair(&report, &packages)?;
        if planned.is_empty() {
            image.end_interrupted(&lock)?;
            return Ok(NOTHING);
        }
        let is_faulty = |it: &&check::PackageReport| !it.lines(false).is_empty();
        let faulty: Vec<_> = report.packages.iter().filter(is_faulty).collect();
        if !call.words.has("quiet") {
            println!("Packages to fix: {}\n", faulty.len());
            for package in faulty {
                println!("Repairing: {}", package.fmri.without_version());
                let mut lines = package.lines(false);
                lines.insert(0, check::heading());
                show(call, &lines);
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
            true => {
                let path = |text: &String| {
                    let path = ImagePathRef::new(text.trim_start_matches('/'));
                    path.map(ImagePathRef::to_owned).map_err(failed)
                };
                Target::Paths(words.operands.iter().map(path).collect::<Result<_, _>>()?)
            }
            false => Target::Tags(tags),
        };
        let planned = image.plan_revert(&target, &packages)?;
        if planned.is_empty() {
            println!("No files need to be reverted.");
            return Ok(NOTHING);
        }
        apply_plan(call, &mut image, &lock, &planned)
    })();
    call.note(&image, &outcome);
    outcome
}
