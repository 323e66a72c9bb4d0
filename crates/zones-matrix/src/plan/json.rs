//! The plan as JSON, for programs.
//!
//! The form is versioned by `schema`: fields are added without a new number, and never change their
//! meaning. Amounts are bytes, times milliseconds, keys 64 hexadecimal digits.
//!
//! | field | what |
//! |---|---|
//! | `schema`, `kind` | 1, `zones-matrix-plan` |
//! | `name`, `seed`, `key` | the product, the seed, the key of the whole plan |
//! | `counts` | `cells`, `platforms`, `steps`, `executions` (steps with equal beginnings once) |
//! | `platforms` | `id`, `axes`, `brand`, `tags`, `build-packages`, `image` (two keys, `inputs`) |
//! | `artifacts` | `name`, `platform`, `build`, `source` and `outputs`, or `path`, `key` or null |
//! | `cells` | by id: `rank` (order of start), names, `tags`, `settings`, `env`, `services`, |
//! | | `steps` (`name`, `run`, `key`, limits), `checks`, `expect-fail`, `missing`, `key` |

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Plan;
use super::artifact::{Artifact, Source};
use super::cell::{Cell, Step};
use super::image::Platform;

/// Version of the JSON form of a plan.
pub const PLAN_SCHEMA: u32 = 1;

impl Plan {
    /// The whole plan.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut ranks = vec![0; self.cells.len()];
        for (rank, &at) in self.order.iter().enumerate() {
            ranks[at] = rank;
        }
        let cells = self
            .cells
            .iter()
            .zip(ranks)
            .map(|(cell, rank)| self.cell_json(cell, rank));
        json!({
            "schema": PLAN_SCHEMA,
            "kind": "zones-matrix-plan",
            "name": self.name,
            "seed": self.seed,
            "key": self.key().to_string(),
            "counts": {
                "cells": self.cells.len(),
                "platforms": self.platforms.len(),
                "steps": self.steps(),
                "executions": self.prefixes.executions(),
            },
            "platforms": self.platforms.iter().map(platform_json).collect::<Vec<_>>(),
            "artifacts": self.artifacts.iter().map(artifact_json).collect::<Vec<_>>(),
            "cells": cells.collect::<Vec<_>>(),
        })
    }

    fn cell_json(&self, cell: &Cell, rank: usize) -> Value {
        let checks: Vec<String> = cell.checks.iter().map(ToString::to_string).collect();
        let expected = cell.expect_fail.as_ref().map(
            |expected| json!({ "reason": expected.reason, "until": expected.until.to_string() }),
        );
        let steps = cell.steps.iter().map(|step| self.step_json(step));
        json!({
            "id": cell.id,
            "rank": rank,
            "platform": self.platforms[cell.platform].id,
            "option": cell.option,
            "scenario": cell.scenario,
            "tags": cell.tags,
            "settings": cell.settings.to_json(),
            "env": pairs(&cell.env),
            "services": cell.services,
            "steps": steps.collect::<Vec<_>>(),
            "checks": checks,
            "expect-fail": expected,
            "touchstone": cell.touchstone,
            "missing": cell.missing,
            "key": cell.key.to_string(),
        })
    }

    fn step_json(&self, step: &Step) -> Value {
        json!({
            "name": step.name,
            "artifact": step.artifact,
            "run": step.run,
            "key": self.prefixes.nodes[step.node].key.to_string(),
            "timeout-ms": step.timeout.map(millis),
            "slow-after-ms": millis(step.slow_after),
        })
    }
}

fn platform_json(platform: &Platform) -> Value {
    json!({
        "id": platform.id,
        "axes": pairs(&platform.axes),
        "brand": platform.brand,
        "tags": platform.tags,
        "build-packages": platform.build_packages,
        "image": {
            "key": platform.image.key.to_string(),
            "weak": platform.image.weak.to_string(),
            "inputs": platform.image.inputs,
        },
    })
}

fn artifact_json(artifact: &Artifact) -> Value {
    let mut map = Map::new();
    map.insert("name".to_owned(), artifact.name.clone().into());
    map.insert("platform".to_owned(), artifact.platform.clone().into());
    match &artifact.source {
        Source::Path(path) => {
            map.insert("path".to_owned(), path.clone().into());
        }
        Source::Build {
            script,
            sources,
            outputs,
        } => {
            let outputs = outputs
                .iter()
                .map(|output| json!({ "pattern": output.pattern, "required": output.required }));
            map.insert("build".to_owned(), script.clone().into());
            map.insert("source".to_owned(), sources.clone().into());
            map.insert("outputs".to_owned(), outputs.collect());
        }
    }
    map.insert(
        "key".to_owned(),
        artifact.key.map(|key| key.to_string()).into(),
    );
    Value::Object(map)
}

fn pairs(list: &[(String, String)]) -> Value {
    let map: Map<String, Value> = list
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    Value::Object(map)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
