//! The packages of one publisher, in pages.

use super::html::Html;
use crate::site::{Answered, Call, Site};

/// Rows of a page.
const ROWS: usize = 200;

pub(super) fn page(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let store = site.store(call.publisher())?;
    let listing = site.listing(&store)?;
    let publisher = store.publisher();
    let target = call.request.target;
    let filter = target
        .value("filter")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let start = target
        .value("start")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut packages = listing.packages();
    packages.retain(|(stem, _)| stem.as_str().to_ascii_lowercase().contains(&filter));
    let count = packages.len();
    let mut html = Html::default();
    let path = site.page_path(publisher, "catalog.shtml", "");
    html.raw("<form action=\"")
        .text(&path)
        .raw("\"><input name=\"filter\" aria-label=\"Filter\" ");
    html.raw("placeholder=\"Part of a name\" value=\"")
        .text(&filter)
        .raw("\"> ");
    html.raw("<button>Filter</button></form>\n<p class=\"quiet\">")
        .text(&count.to_string());
    html.raw(" packages</p>\n<table>\n<tr><th>Package</th><th>Version</th><th>Summary</th></tr>\n");
    for (stem, versions) in packages.iter().skip(start).take(ROWS) {
        let Some(newest) = versions.last() else {
            continue;
        };
        let summary = listing.value(stem, newest, "pkg.summary");
        let state = match listing.value(stem, newest, "pkg.obsolete") {
            Some(value) if value == "true" => " (obsolete)",
            _ if listing.value(stem, newest, "pkg.renamed").as_deref() == Some("true") => {
                " (renamed)"
            }
            _ => "",
        };
        html.raw("<tr><td>");
        html.link(
            &site.page_path(publisher, "package", stem.as_str()),
            stem.as_str(),
        );
        html.raw("</td>").cell(&newest.short()).raw("<td>");
        html.text(&summary.unwrap_or_default())
            .text(state)
            .raw("</td></tr>\n");
    }
    html.raw("</table>\n<p>");
    let turn = |html: &mut Html, to: usize, text: &str| {
        let filter = crate::http::percent::encode(&filter);
        html.link(&format!("{path}?start={to}&filter={filter}"), text);
    };
    if start > 0 {
        turn(&mut html, start.saturating_sub(ROWS), "‹ back");
        html.raw(" ");
    }
    if start.saturating_add(ROWS) < count {
        turn(&mut html, start + ROWS, "on ›");
    }
    html.raw("</p>\n");
    Ok(site.wrap(&format!("Packages of {publisher}"), Some(publisher), &html))
}
