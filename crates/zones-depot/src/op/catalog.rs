//! `catalog`: what packages there are.

use std::io::Write;

use zones_ips::catalog::BASE;
use zones_ips::version::Timestamp;

use super::REFRESH;
use crate::http::date;
use crate::http::reply::{Content, Reply, Served};
use crate::site::{Answered, Call, Site};

/// `catalog/1/NAME`: one file of the catalog.
pub(super) fn file(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let name = match call.args {
        [] => "",
        [name] => name.as_str(),
        _ => return Err(missing(&call.argument())),
    };
    if name.is_empty() {
        return Err(Reply::refusal(403, "Directory listing not allowed."));
    }
    if !is_catalog_file(name) {
        return Err(missing(name));
    }
    let store = site.store(call.publisher())?;
    let file = store
        .catalog_file(name)
        .map_err(|error| site.refuse(&error))?;
    let served = file
        .and_then(|file| Served::new(file).ok())
        .ok_or_else(|| missing(name))?;
    Ok(Reply::new(200, "text/plain;charset=utf-8", Content::File(served)).cached(REFRESH))
}

fn missing(name: &str) -> Reply {
    let message = format!("The path 'catalog/1/{name}' was not found.");
    Reply::refusal(404, &message)
}

/// Parts and logs, by their names; nothing else of the folder is for clients.
fn is_catalog_file(name: &str) -> bool {
    const FIXED: [&str; 4] = [
        "catalog.attrs",
        "catalog.base.C",
        "catalog.dependency.C",
        "catalog.summary.C",
    ];
    let hour = name
        .strip_prefix("update.")
        .and_then(|rest| rest.strip_suffix("Z.C"));
    let is_log = hour.is_some_and(|hour| {
        hour.len() == 11 && format!("{hour}0000Z").parse::<Timestamp>().is_ok()
    });
    is_log || FIXED.contains(&name)
}

/// `catalog/0`: all packages as lines, for clients of 2008.
pub(super) fn old(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let store = site.store(call.publisher())?;
    let listing = site.listing(&store)?;
    let attrs = &listing.attrs;
    let modified = attrs.modified.second();
    let seconds = u64::try_from(modified.unix_seconds()).unwrap_or(0);
    let iso = modified.civil().to_string();
    let since = call.request.head.header("if-modified-since");
    let is_same = since.is_some_and(|since| {
        since.starts_with(&iso) || date::parse(since).is_some_and(|since| since >= seconds)
    });
    if is_same {
        return Ok(Reply::new(304, "", Content::Empty).cached(REFRESH));
    }
    let count = attrs.version_count;
    let lines = move |out: &mut dyn Write| {
        write!(
            out,
            "S Last-Modified: {iso}\nS prefix: CRSV\nS npkgs: {count}\n"
        )?;
        let Some(base) = listing.part(BASE) else {
            return Ok(());
        };
        base.iter()
            .try_for_each(|(fmri, _)| writeln!(out, "V {}", fmri.without_publisher()))
    };
    let reply = Reply::new(
        200,
        "text/plain;charset=utf-8",
        Content::Stream(Box::new(lines)),
    );
    Ok(reply
        .with("X-Catalog-Type", "full")
        .with("Last-Modified", date::imf(seconds))
        .cached(REFRESH))
}

#[cfg(test)]
mod tests {
    use super::is_catalog_file;

    #[test]
    fn names_of_files() {
        for name in ["catalog.attrs", "catalog.base.C", "update.20261121T12Z.C"] {
            assert!(is_catalog_file(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../x",
            "catalog.attrs/",
            "CATALOG.ATTRS",
            "catalog.base.de_DE",
            "update.2026112112Z.C",
            "update.20261321T12Z.C",
            "update.20261121T12Z.C.tmp",
            "update../../../x.Z.C",
            "lock",
        ] {
            assert!(!is_catalog_file(name), "{name}");
        }
    }
}
