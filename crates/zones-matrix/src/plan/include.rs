//! `[[include]]`: cells outside the product.

use super::image::Platform;
use crate::config::filter::Include;
use crate::config::{Matrix, Problems};

/// Platform, option and scenario, as places in their lists.
pub(super) type Place = (usize, usize, usize);

/// The cell that an include means; a fault when it means none or several.
pub(super) fn place(
    include: &Include,
    matrix: &Matrix,
    platforms: &[Platform],
    problems: &mut Problems<'_>,
) -> Option<Place> {
    let get = |key: &str| {
        let found = include.cell.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.value.as_str())
    };
    let option = get("option").and_then(|name| position(&matrix.options, |o| o.name == name));
    let scenario = get("scenario").and_then(|name| position(&matrix.scenarios, |s| s.name == name));
    let on_platform = |platform: &&(usize, &Platform)| {
        let keys = include
            .cell
            .iter()
            .filter(|(key, _)| key != "option" && key != "scenario");
        let mut keys = keys.map(|(key, value)| platform.1.value(key) == Some(&value.value));
        keys.all(|fits| fits)
    };
    let platforms: Vec<(usize, &Platform)> = platforms.iter().enumerate().collect();
    let meant: Vec<usize> = platforms
        .iter()
        .filter(on_platform)
        .map(|(at, _)| *at)
        .collect();
    match (meant.as_slice(), option, scenario) {
        ([platform], Some(option), Some(scenario)) => Some((*platform, option, scenario)),
        (meant, ..) => {
            let message = format!(
                "the include names no single cell: {} platforms",
                meant.len()
            );
            let hint = "name a value on every axis, `option` and `scenario`";
            problems.add(include.at, message).hint(hint);
            None
        }
    }
}

fn position<T>(list: &[T], is: impl Fn(&T) -> bool) -> Option<usize> {
    list.iter().position(is)
}
