//! Variants and facets of an image.

use zones_image::Wanted;
use zones_ips::facet::FacetSource;
use zones_solver::Operation;

use super::text::Table;
use super::{Call, NOTHING, Outcome, Stop, change, failed, usage};
use crate::report::OK;

/// The name with its prefix, which may be left out.
pub(super) fn full(prefix: &str, name: &str) -> String {
    match name
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('.'))
    {
        Some(_) => name.to_owned(),
        None => format!("{prefix}.{name}"),
    }
}

/// `True` or `False`.
pub(super) fn truth(text: &str) -> Result<bool, Stop> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(usage(format!("a facet is True or False, not '{text}'"))),
    }
}

/// Whether a row is asked for: all are when no names are given.
fn is_asked(call: &Call<'_>, prefix: &str, name: &str) -> bool {
    let names = &call.words.operands;
    let is_hit = |it: &String| zones_ips::pattern::glob_matches(&full(prefix, it), name);
    names.is_empty() || names.iter().any(is_hit)
}

pub(super) fn variants(call: &Call<'_>) -> Outcome {
    let image = call.image()?;
    let mut table = Table::new(&["VARIANT", "VALUE"], &[]);
    for (name, value) in image.settings.variants.iter() {
        if is_asked(call, "variant", name) {
            let short = name.strip_prefix("variant.").unwrap_or(name);
            table.row([short, value]);
        }
    }
    if table.is_empty() {
        return Err(failed("no matching variants found"));
    }
    table.print(call)?;
    Ok(OK)
}

pub(super) fn facets(call: &Call<'_>) -> Outcome {
    let image = call.image()?;
    let mut table = Table::new(&["FACET", "VALUE", "SRC"], &[]);
    let own = image
        .settings
        .facets
        .local()
        .map(|row| (row, FacetSource::Local));
    let inherited = image
        .settings
        .facets
        .inherited()
        .map(|row| (row, FacetSource::Parent));
    for ((name, value), source) in own.chain(inherited) {
        if is_asked(call, "facet", name) {
            let short = name.strip_prefix("facet.").unwrap_or(name);
            let value = if value { "True" } else { "False" };
            table.row([short, value, source.as_str()]);
        }
    }
    if table.is_empty() && !call.words.operands.is_empty() {
        return Err(failed("no matching facets found"));
    }
    if !table.is_empty() {
        table.print(call)?;
    }
    Ok(OK)
}

/// The pairs `NAME=VALUE` of the operands.
fn pairs<'a>(call: &'a Call<'_>) -> Result<Vec<(&'a str, &'a str)>, Stop> {
    let words = &call.words.operands;
    if words.is_empty() {
        return Err(usage("at least one NAME=VALUE is required"));
    }
    let pair = |text: &'a String| {
        text.split_once('=')
            .ok_or_else(|| usage(format!("'{text}' is not NAME=VALUE")))
    };
    words.iter().map(pair).collect()
}

pub(super) fn change_variant(call: &Call<'_>) -> Outcome {
    let mut settings = call.image()?.settings;
    let old = settings.text();
    for (name, value) in pairs(call)? {
        settings.variants.set(&full("variant", name), value);
    }
    with(call, settings, &old)
}

pub(super) fn change_facet(call: &Call<'_>) -> Outcome {
    let mut settings = call.image()?.settings;
    let old = settings.text();
    for (name, value) in pairs(call)? {
        let name = full("facet", name);
        if value.eq_ignore_ascii_case("none") {
            settings.facets.unset(&name);
        } else {
            settings.facets.set(&name, truth(value)?);
        }
    }
    with(call, settings, &old)
}

/// The operation that brings an image to other settings.
pub(super) fn with(call: &Call<'_>, settings: zones_image::Settings, old: &str) -> Outcome {
    if settings.text() == old {
        println!("No updates necessary for this image.");
        return Ok(NOTHING);
    }
    let mut wanted = Wanted::new(Operation::ChangeVariant);
    wanted.settings = Some(settings);
    change::run(call, wanted)
}
