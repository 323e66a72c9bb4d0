//! A world for plans: files that hold their own names, and variables.

#![allow(clippy::unwrap_used)] // what fails here fails the test that asked

#[allow(dead_code)] // only some test files look at runs
pub(crate) mod sample;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use zones_matrix::{Circumstances, History, Key, Many, Matrix, MatrixError, Plan, World, plan};

/// The worked example.
pub(crate) const ACME: &str = include_str!("../data/acme.toml");

/// Every file is there and holds its name, unless said otherwise.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    /// Other content.
    pub(crate) content: BTreeMap<String, String>,
    /// Names of which there is nothing.
    pub(crate) missing: BTreeSet<String>,
    /// Variables that are set.
    pub(crate) set: BTreeSet<String>,
    /// Version of a package that every image resolves to.
    pub(crate) version: u32,
}

impl World for Fake {
    fn digest(&self, path: &str) -> Result<Option<Key>, String> {
        if self.missing.contains(path) {
            return Ok(None);
        }
        let content = self.content.get(path).map_or(path, String::as_str);
        Ok(Some(Key::of_bytes(content.as_bytes())))
    }

    fn is_set(&self, variable: &str) -> bool {
        self.set.contains(variable)
    }

    fn resolved(&self, _platform: &str) -> Value {
        json!({ "libc6": self.version })
    }
}

/// A day on which nothing of the example is past its date.
pub(crate) fn circumstances() -> Circumstances {
    Circumstances {
        today: "2026-11-21".parse().unwrap(),
        seed: 7,
        many: Many::Refused,
        history: History::default(),
    }
}

/// Plans a text in a world.
pub(crate) fn plan_in(text: &str, world: &Fake) -> Result<Plan, MatrixError> {
    plan(&Matrix::parse(text)?, world, &circumstances())
}

/// Plans the example.
#[allow(dead_code)] // not every test file plans it as it is
pub(crate) fn acme() -> Plan {
    plan_in(ACME, &Fake::default()).unwrap()
}
