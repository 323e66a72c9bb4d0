//! `[[exclude]]`, `[[expect-fail]]` and `[[include]]`: cells less, cells that may fail, cells more.

use jiff::civil::Date;

use super::reader::{At, Section};
use super::settings::{Changes, clock};

/// Values that a cell must have: for each key one of several.
#[derive(Debug, Clone, Default)]
pub(crate) struct When {
    pub(crate) at: usize,
    pub(crate) terms: Vec<Term>,
}

#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub(crate) at: usize,
    pub(crate) key: String,
    pub(crate) values: Vec<At<String>>,
}

impl When {
    pub(crate) fn below(section: &Section<'_, '_>, key: &'static str) -> Self {
        let Some(table) = section.need(key, section.table(key)) else {
            return Self::default();
        };
        let mut terms = Vec::new();
        for entry in table.entries() {
            if let Some(values) = entry.texts() {
                let (key, at) = (entry.name.to_owned(), entry.at);
                terms.push(Term { at, key, values });
            }
        }
        let at = table.at();
        if terms.is_empty() {
            let message = format!("`{}` says nothing", table.name());
            table.fault(
                at,
                message,
                "name an axis, `platform`, `option` or `scenario`",
            );
        }
        Self { at, terms }
    }

    /// Whether a cell with these values is meant.
    pub(crate) fn matches<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.terms.is_empty()
            && self.terms.iter().all(|term| {
                let own = value(&term.key);
                term.values.iter().any(|at| Some(at.value.as_str()) == own)
            })
    }
}

/// `if = "env.NAME"`: only where the variable is set.
#[derive(Debug, Clone)]
pub(crate) struct Condition(pub(crate) String);

impl Condition {
    fn below(section: &Section<'_, '_>) -> Option<Self> {
        section.parsed("if", "\"env.NAME\"", |text| {
            let name = text.strip_prefix("env.")?;
            let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let is_name = !name.is_empty() && name.bytes().all(is_part);
            is_name.then(|| Self(name.to_owned()))
        })
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Exclude {
    pub(crate) when: When,
    pub(crate) only_if: Option<Condition>,
}

pub(crate) fn exclude(section: Section<'_, '_>) -> Exclude {
    let when = When::below(&section, "when");
    let only_if = Condition::below(&section);
    let _: Option<At<String>> = section.text("reason");
    section.finish();
    Exclude { when, only_if }
}

#[derive(Debug, Clone)]
pub(crate) struct ExpectFail {
    pub(crate) when: When,
    pub(crate) reason: String,
    pub(crate) until: Option<At<Date>>,
    pub(crate) only_if: Option<Condition>,
}

pub(crate) fn expect_fail(section: Section<'_, '_>) -> ExpectFail {
    let when = When::below(&section, "when");
    let reason = section.need("reason", section.text("reason"));
    let wanted = "a date such as \"2027-06-30\"";
    let at = section.text("until").map_or(0, |text| text.at);
    let until = section.parsed("until", wanted, |text| text.parse().ok());
    let until = section.need("until", until);
    let only_if = Condition::below(&section);
    section.finish();
    ExpectFail {
        when,
        reason: reason.map(|text| text.value).unwrap_or_default(),
        until: until.map(|value| At { value, at }),
        only_if,
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Include {
    pub(crate) at: usize,
    /// The cell: platform or axes, option, scenario.
    pub(crate) cell: Vec<(String, At<String>)>,
    pub(crate) suffix: Option<At<String>>,
    pub(crate) changes: Changes,
    pub(crate) enabled: bool,
    pub(crate) only_if: Option<Condition>,
    pub(crate) tags: Vec<String>,
}

pub(crate) fn include(section: Section<'_, '_>) -> Include {
    let mut cell = Vec::new();
    if let Some(table) = section.need("cell", section.table("cell")) {
        for entry in table.entries() {
            if let Some(text) = entry.text() {
                cell.push((entry.name.to_owned(), text));
            }
        }
    }
    let changes = Changes::below(&section, "settings").with_clock(clock(&section));
    let include = Include {
        at: section.at(),
        cell,
        suffix: section.text("id-suffix"),
        changes,
        enabled: section.flag("enabled").unwrap_or(true),
        only_if: Condition::below(&section),
        tags: section.words("tags").unwrap_or_default(),
    };
    section.finish();
    include
}
