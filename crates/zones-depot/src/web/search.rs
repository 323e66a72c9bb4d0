//! The page of the search.

use super::html::Html;
use crate::search;
use crate::site::{Answered, Call, Site};

/// Rows of a page.
const ROWS: usize = 200;

pub(super) fn page(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let token = call
        .request
        .target
        .value("token")
        .unwrap_or_default()
        .trim()
        .to_owned();
    let store = site.store(call.publisher())?;
    let publisher = store.publisher();
    let mut html = Html::default();
    if token.is_empty() {
        html.raw(
            "<p>Words are found in names, summaries, paths and dependencies; <code>*</code> and ",
        );
        html.raw("<code>?</code> stand for other letters.</p>\n");
        return Ok(site.wrap("Search", Some(publisher), &html));
    }
    let query = search::query(&format!("False_2_{ROWS}_None_{token}"))?;
    let hits = search::run(site, &store, &query)?;
    html.raw("<p class=\"quiet\">");
    html.text(&hits.len().to_string())
        .raw(" hits for ")
        .text(&token)
        .raw("</p>\n<table>\n");
    html.raw("<tr><th>Index</th><th>Action</th><th>Value</th><th>Package</th></tr>\n");
    for hit in hits {
        let word = hit.action.as_ref().map_or("", |action| action.word());
        html.raw("<tr>")
            .cell(&hit.index)
            .cell(word)
            .cell(&hit.value)
            .raw("<td>");
        let version = hit
            .fmri
            .version()
            .map_or_else(String::new, |version| format!("@{version}"));
        let name = format!("{}{version}", hit.fmri.stem());
        html.link(
            &site.page_path(publisher, "package", &name),
            &hit.fmri.short(),
        );
        html.raw("</td></tr>\n");
    }
    html.raw("</table>\n");
    Ok(site.wrap("Search", Some(publisher), &html))
}
