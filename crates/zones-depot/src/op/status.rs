//! `status`: how the repository is.

use serde_json::{Map, Value, json};

use super::SHORTLY;
use crate::http::reply::Reply;
use crate::site::{Answered, Call, Site};

/// `status/0`.
pub(super) fn status(site: &Site, _call: &mut Call<'_, '_>) -> Answered {
    let repository = site.stock.repository();
    let mut configuration: Map<String, Value> = Map::new();
    for (section, name, value) in repository.configuration().iter() {
        if section == "CONFIGURATION" {
            continue;
        }
        let section = configuration.entry(section).or_insert_with(|| json!({}));
        section[name] = typed(value.trim());
    }
    let mut publishers = Map::new();
    for store in site.stock.stores().map_err(|error| site.refuse(&error))? {
        let status = store.status().map_err(|error| site.refuse(&error))?;
        let row = json!({
            "last-catalog-update": status.updated.map_or_else(String::new, |time| time.to_string()),
            "package-count": status.packages,
            "package-version-count": status.versions,
            "status": "online",
        });
        publishers.insert(store.publisher().to_string(), row);
    }
    let requests = json!({
        "catalog": site.metrics.of("catalog"),
        "file": site.metrics.of("file"),
        "manifests": site.metrics.of("manifest"),
    });
    let all = json!({
        "repository": {
            "configuration": configuration,
            "publishers": publishers,
            "requests": requests,
            "status": "online",
            "version": 4,
        },
        "version": 1,
    });
    let text = serde_json::to_string_pretty(&all).unwrap_or_default() + "\n";
    Ok(Reply::text("application/json", text).cached(SHORTLY))
}

/// Properties are texts on disk; numbers and truth values are what they are here.
fn typed(text: &str) -> Value {
    match text {
        "True" => Value::Bool(true),
        "False" => Value::Bool(false),
        "[]" => json!([]),
        _ => text
            .parse::<u64>()
            .map_or_else(|_| Value::from(text), Value::from),
    }
}
