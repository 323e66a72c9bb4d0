//! Properties of an image.

use zones_image::Settings;

use super::text::Table;
use super::{Call, NOTHING, Outcome, Stop, failed, usage};
use crate::report::OK;

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let image = call.image()?;
    let names = &call.words.operands;
    let mut table = Table::new(&["PROPERTY", "VALUE"], &[]);
    for (name, value) in image.settings.properties() {
        if names.is_empty() || names.iter().any(|it| it == name) {
            table.row([name, value]);
        }
    }
    for name in names {
        if !image.settings.properties().any(|(known, _)| known == name) {
            return Err(failed(format!("no such property: {name}")));
        }
    }
    table.print(call)?;
    Ok(OK)
}

fn change(
    call: &Call<'_>,
    change: impl FnOnce(&mut Settings) -> zones_image::Result<()>,
) -> Outcome {
    let (mut image, _lock) = call.locked()?;
    let old = image.settings.text();
    change(&mut image.settings)?;
    if old == image.settings.text() {
        return Ok(NOTHING);
    }
    image.save()?;
    let done = Ok(OK);
    call.note(&image, &done);
    done
}

fn pair<'a>(call: &'a Call<'_>) -> Result<(&'a str, &'a str), Stop> {
    match call.words.operands.as_slice() {
        [name, value] => Ok((name, value)),
        _ => Err(usage("requires a property name and value")),
    }
}

pub(super) fn set(call: &Call<'_>) -> Outcome {
    let Some((name, values)) = call
        .words
        .operands
        .split_first()
        .filter(|(_, it)| !it.is_empty())
    else {
        return Err(usage("requires a property name and at least one value"));
    };
    let value = match values {
        [value] => value.clone(),
        values => {
            let words: Vec<&str> = values.iter().map(String::as_str).collect();
            zones_repository::config::printed(&words)
        }
    };
    change(call, |settings| settings.set_property(name, &value))
}

pub(super) fn add(call: &Call<'_>) -> Outcome {
    let (name, value) = pair(call)?;
    change(call, |settings| settings.add_value(name, value))
}

pub(super) fn remove(call: &Call<'_>) -> Outcome {
    let (name, value) = pair(call)?;
    change(call, |settings| settings.remove_value(name, value))
}

pub(super) fn unset(call: &Call<'_>) -> Outcome {
    if call.words.operands.is_empty() {
        return Err(usage("requires at least one property name"));
    }
    change(call, |settings| {
        let mut names = call.words.operands.iter();
        names.try_for_each(|name| settings.unset_property(name))
    })
}
