//! The first page: publishers, and how to use the repository.

use super::html::Html;
use crate::site::{Answered, Call, Site};

pub(super) fn page(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let mut html = Html::default();
    let stores = site.stock.stores().map_err(|error| site.refuse(&error))?;
    if site.modes.mirror {
        html.raw("<p>This is a mirror: it has the content of packages, not their names.</p>\n");
        return Ok(site.wrap("Package mirror", None, &html));
    }
    html.raw("<table>\n<tr><th>Publisher</th><th>Packages</th><th>Versions</th>");
    html.raw("<th>Updated</th></tr>\n");
    for store in &stores {
        let status = store.status().map_err(|error| site.refuse(&error))?;
        let updated = status.updated.map(|time| time.second().civil().to_string());
        html.raw("<tr><td>");
        html.link(
            &site.page_path(store.publisher(), "catalog.shtml", ""),
            store.publisher().as_str(),
        );
        html.raw("</td>")
            .cell(&status.packages.to_string())
            .cell(&status.versions.to_string());
        html.cell(&updated.unwrap_or_default().replace('T', " "))
            .raw("</tr>\n");
    }
    html.raw("</table>\n");
    if stores.is_empty() {
        html.raw("<p>Nothing has been published here yet.</p>\n");
    }
    let url = match call.request.head.header("host") {
        _ if !site.base.is_empty() => site.base.clone(),
        Some(host) if call.request.peer.is_tls => format!("https://{host}/"),
        Some(host) => format!("http://{host}/"),
        None => String::new(),
    };
    html.raw("<h2>Use it</h2>\n<pre>");
    for store in &stores {
        html.raw("pkg set-publisher -g ").text(&url).raw(" ");
        html.text(store.publisher().as_str()).raw("\n");
    }
    html.raw("</pre>\n");
    Ok(site.wrap("Package repository", None, &html))
}
