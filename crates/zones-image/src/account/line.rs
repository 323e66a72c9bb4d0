//! Lines of fields between colons.

use std::collections::HashSet;
use std::ops::Range;

use super::AccountError;

/// Numbers that are given to users and groups without one.
const FREE: Range<u32> = 100..500;

/// The first field.
pub(super) fn name(line: &str) -> &str {
    line.split(':').next().unwrap_or_default()
}

/// The line of `wanted`.
pub(super) fn find<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    text.lines().find(|line| name(line) == wanted)
}

/// The field with this number, the name being 0.
pub(super) fn field(line: &str, number: usize) -> &str {
    line.split(':').nth(number).unwrap_or_default()
}

/// Replaces the line of `wanted`, or adds it at the end; None removes it.
pub(super) fn put(text: &mut String, wanted: &str, line: Option<&str>) {
    let mut result = String::with_capacity(text.len() + 80);
    let mut is_done = false;
    for old in text.lines() {
        let is_named = name(old) == wanted;
        match line {
            Some(line) if is_named && !is_done => {
                result.push_str(line);
                is_done = true;
            }
            _ if is_named => continue,
            _ => result.push_str(old),
        }
        result.push('\n');
    }
    if let Some(line) = line.filter(|_| !is_done) {
        result.push_str(line);
        result.push('\n');
    }
    *text = result;
}

/// The first number of the range that no line has in this field.
pub(super) fn free(text: &str, number: usize) -> Option<u32> {
    let taken: HashSet<u32> = text
        .lines()
        .filter_map(|line| field(line, number).parse().ok())
        .filter(|id| FREE.contains(id))
        .collect();
    FREE.into_iter().find(|id| !taken.contains(id))
}

/// Refuses what would break the line or add one.
pub(super) fn whole<'a>(
    kind: &'static str,
    name: &str,
    field: &'a str,
) -> Result<&'a str, AccountError> {
    if field.contains([':', '\n', '\r', '\0']) {
        return Err(AccountError::Field {
            kind,
            name: name.to_owned(),
            field: field.to_owned(),
        });
    }
    Ok(field)
}
