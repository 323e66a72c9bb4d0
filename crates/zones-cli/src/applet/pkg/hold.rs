//! Packages held back: frozen ones do not move, avoided ones are not pulled in.

use std::collections::BTreeSet;

use zones_image::Frozen;
use zones_ips::{Pattern, Stem, Timestamp, Version};

use super::text::{Table, date, patterns};
use super::{Call, NOTHING, Outcome, Stop, failed};
use crate::report::OK;

pub(super) fn freeze(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    if words.operands.is_empty() {
        return frozen(call);
    }
    let (image, _lock) = call.locked()?;
    let installed = image.installed()?;
    let mut frozen = image.frozen()?;
    for (word, pattern) in words.operands.iter().zip(asked(call)?) {
        let own: Vec<_> = installed
            .iter()
            .filter(|it| pattern.match_stem(it.stem()).is_some())
            .collect();
        let given = match word.rsplit_once('@') {
            Some((_, text)) => Some(text.parse::<Version>().map_err(failed)?),
            None => None,
        };
        if own.is_empty() {
            return Err(failed(format!(
                "'{word}' matches no installed packages; only what is installed can be frozen"
            )));
        }
        for fmri in own {
            let Some(current) = fmri.version() else {
                continue;
            };
            let version = given.clone().unwrap_or_else(|| current.clone().timeless());
            if !current.refines(&version) {
                return Err(failed(format!(
                    "'{word}' does not fit the installed version {}",
                    current.short()
                )));
            }
            let it = Frozen {
                version,
                comment: words.value("comment").map(str::to_owned),
                since: call.client.now.div_euclid(1_000_000),
            };
            println!("{} was frozen at {}", fmri.stem(), it.version.short());
            frozen.insert(fmri.stem().clone(), it);
        }
    }
    if !words.has("trial") {
        image.set_frozen(&frozen)?;
        call.note(&image, &Ok(OK));
    }
    Ok(OK)
}

fn frozen(call: &Call<'_>) -> Outcome {
    let mut table = Table::new(&["NAME", "VERSION", "DATE", "COMMENT"], &[]);
    for (stem, it) in call.image()?.frozen()? {
        let since = Timestamp::from_unix(it.since).unwrap_or_default();
        table.row([
            stem.to_string(),
            it.version.short(),
            date(since),
            it.comment.unwrap_or_else(|| "None".to_owned()),
        ]);
    }
    if !table.is_empty() {
        table.print(call)?;
    }
    Ok(OK)
}

pub(super) fn unfreeze(call: &Call<'_>) -> Outcome {
    if call.words.operands.is_empty() {
        return frozen(call);
    }
    let (image, _lock) = call.locked()?;
    let mut frozen = image.frozen()?;
    let gone = take(&mut frozen.keys().cloned().collect(), &asked(call)?);
    if gone.is_empty() {
        return Ok(NOTHING);
    }
    for stem in &gone {
        println!("{stem} was unfrozen.");
        frozen.remove(stem);
    }
    if !call.words.has("trial") {
        image.set_frozen(&frozen)?;
        call.note(&image, &Ok(OK));
    }
    Ok(OK)
}

pub(super) fn avoid(call: &Call<'_>) -> Outcome {
    if call.words.operands.is_empty() {
        return avoided(call);
    }
    let (image, _lock) = call.locked()?;
    let mut known: BTreeSet<Stem> = image
        .listed()?
        .into_iter()
        .map(|it| it.fmri.stem().clone())
        .collect();
    let installed = image.installed()?;
    let patterns = asked(call)?;
    let added = take(&mut known, &patterns);
    if added.is_empty() {
        return Err(failed(format!(
            "'{}' matches no known packages",
            call.words.operands.join(" ")
        )));
    }
    if let Some(stem) = added.iter().find(|stem| installed.get(stem).is_some()) {
        return Err(failed(format!(
            "cannot avoid '{stem}': it is installed; use: pkg uninstall {stem}"
        )));
    }
    let mut avoided = image.avoided()?;
    avoided.extend(added);
    image.set_avoided(&avoided)?;
    call.note(&image, &Ok(OK));
    Ok(OK)
}

fn avoided(call: &Call<'_>) -> Outcome {
    call.image()?
        .avoided()?
        .iter()
        .for_each(|stem| println!("    {stem}"));
    Ok(OK)
}

pub(super) fn unavoid(call: &Call<'_>) -> Outcome {
    if call.words.operands.is_empty() {
        return avoided(call);
    }
    let (image, _lock) = call.locked()?;
    let mut avoided = image.avoided()?;
    if take(&mut avoided, &asked(call)?).is_empty() {
        return Ok(NOTHING);
    }
    image.set_avoided(&avoided)?;
    call.note(&image, &Ok(OK));
    Ok(OK)
}

fn asked(call: &Call<'_>) -> Result<Vec<Pattern>, Stop> {
    patterns(call.words.operands.iter().map(String::as_str))
}

/// Takes the names that a pattern matches.
fn take(stems: &mut BTreeSet<Stem>, patterns: &[Pattern]) -> Vec<Stem> {
    let is_hit = |stem: &Stem| patterns.iter().any(|it| it.match_stem(stem).is_some());
    let hits: Vec<Stem> = stems.iter().filter(|it| is_hit(it)).cloned().collect();
    stems.retain(|it| !hits.contains(it));
    hits
}
