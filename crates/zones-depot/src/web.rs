//! Pages for people: packages, versions, manifests, search. No script, and nothing unescaped.

mod catalog;
mod home;
mod html;
mod package;
mod search;

use zones_ips::Publisher;

use crate::http::head::Method;
use crate::http::percent;
use crate::http::reply::{Caching, Content, Reply, Served};
use crate::op::SHORTLY;
use crate::server::Request;
use crate::site::{Answered, Call, Site};
use html::Html;

const STYLE: &[u8] = include_bytes!("web/style.css");

/// What a path that is no operation means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Page {
    Home,
    Catalog,
    Package(String),
    Manifest(String),
    Search,
    Metrics,
    /// A file for the pages, by name.
    File(String),
}

/// The page at `path`, the rest after the publisher if there is one.
pub(crate) fn find(publisher: Option<&Publisher>, path: &[String]) -> Option<Page> {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let page = match (publisher, words.as_slice()) {
        (None, ["" | "index.html" | "index.shtml"]) => Page::Home,
        (None, ["en"] | ["en", "" | "index.shtml"]) => Page::Home,
        (Some(_), [] | [""] | ["en"] | ["en", "" | "index.shtml"]) => Page::Catalog,
        (_, ["en", "catalog.shtml"]) => Page::Catalog,
        (_, ["en", "search.shtml" | "advanced_search.shtml"]) => Page::Search,
        (_, ["en", "package", rest @ ..]) => Page::Package(rest.join("/")),
        (_, ["en", "manifest", rest @ ..]) => Page::Manifest(rest.join("/")),
        (None, ["metrics"]) => Page::Metrics,
        (None, ["style.css" | "robots.txt" | "favicon.ico"]) => Page::File(words[0].to_owned()),
        (None, ["content", name]) => Page::File((*name).to_owned()),
        _ => return None,
    };
    Some(page)
}

/// Answers with a page.
pub(crate) fn run(
    site: &Site,
    request: &mut Request<'_>,
    publisher: Option<Publisher>,
    page: &Page,
) -> Answered {
    if !matches!(request.head.method, Method::Get | Method::Head) {
        let reply = Reply::refusal(405, "Pages can only be read.");
        return Err(reply.with("Allow", "GET, HEAD"));
    }
    request.operation = match page {
        Page::Metrics => "metrics",
        _ => "page",
    };
    let mut call = Call {
        request,
        publisher,
        args: &[],
    };
    match page {
        Page::Metrics => {
            let kind = "text/plain;version=0.0.4;charset=utf-8";
            Ok(Reply::text(kind, site.metrics.text()).cached(Caching::Never))
        }
        Page::File(name) => file(site, name),
        Page::Home => home::page(site, &mut call),
        _ if site.modes.mirror => Err(Reply::refusal(404, "A mirror has no pages.")),
        Page::Catalog => catalog::page(site, &mut call),
        Page::Package(name) => package::page(site, &mut call, name),
        Page::Manifest(name) => package::manifest(site, &mut call, name),
        Page::Search => search::page(site, &mut call),
    }
}

/// A file of the content folder, else a built-in one. Only names that were there at the start are
/// found: no path of a client reaches the file system.
fn file(site: &Site, name: &str) -> Answered {
    let missing = || Reply::refusal(404, &format!("The path '/{name}' was not found."));
    if let Some((_, path)) = site.content.iter().find(|(known, _)| known == name) {
        let file = std::fs::File::open(path).and_then(Served::new);
        let served = file.map_err(|_| missing())?;
        return Ok(Reply::new(200, kind(name), Content::File(served)).cached(SHORTLY));
    }
    match name {
        "style.css" => {
            let content = Content::Fixed(STYLE);
            Ok(Reply::new(200, kind(name), content).cached(SHORTLY))
        }
        "robots.txt" => Ok(Reply::text(kind(name), "User-agent: *\nDisallow: /\n").cached(SHORTLY)),
        _ => Err(missing()),
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "css" => "text/css;charset=utf-8",
        "html" => "text/html;charset=utf-8",
        "ico" => "image/vnd.microsoft.icon",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "svg" => "image/svg+xml",
        "txt" => "text/plain;charset=utf-8",
        _ => "application/octet-stream",
    }
}

impl Site {
    /// The path under which clients see us: `/`, or that of the proxy.
    fn top(&self) -> &str {
        let after = self.base.split_once("://").map_or("", |(_, rest)| rest);
        after.find('/').map_or("/", |at| &after[at..])
    }

    /// The path of a page of a publisher.
    fn page_path(&self, publisher: &Publisher, page: &str, rest: &str) -> String {
        let rest: Vec<String> = rest.split('/').map(percent::encode).collect();
        let slash = if page.ends_with("shtml") { "" } else { "/" };
        format!(
            "{}{publisher}/en/{page}{slash}{}",
            self.top(),
            rest.join("/")
        )
    }

    /// The path of an operation on one package.
    fn operation_path(&self, publisher: &Publisher, operation: &str, argument: &str) -> String {
        let argument = percent::encode(argument);
        format!("{}{publisher}/{operation}/{argument}", self.top())
    }

    /// A whole page around `body`.
    fn wrap(&self, title: &str, publisher: Option<&Publisher>, body: &Html) -> Reply {
        let mut html = Html::default();
        html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        html.raw("<link rel=\"stylesheet\" href=\"")
            .text(self.top())
            .raw("style.css\">\n");
        html.raw("<title>")
            .text(title)
            .raw("</title>\n</head>\n<body>\n<header>");
        html.link(self.top(), "Package repository");
        if let Some(publisher) = publisher {
            html.raw(" <span class=\"at\">›</span> ");
            html.link(
                &self.page_path(publisher, "catalog.shtml", ""),
                publisher.as_str(),
            );
        }
        let search = match publisher {
            Some(publisher) => self.page_path(publisher, "search.shtml", ""),
            None => format!("{}en/search.shtml", self.top()),
        };
        html.raw("<form action=\"")
            .text(&search)
            .raw("\"><input type=\"search\" name=\"token\" ");
        html.raw("aria-label=\"Search\" placeholder=\"Search packages\"> <button>Search</button>");
        html.raw("</form></header>\n<main>\n<h1>")
            .text(title)
            .raw("</h1>\n");
        html.append(body);
        html.raw("</main>\n<footer>")
            .text(concat!("zones ", env!("CARGO_PKG_VERSION")));
        html.raw("</footer>\n</body>\n</html>\n");
        Reply::text("text/html;charset=utf-8", html.into_text())
            .with("Content-Security-Policy", html::POLICY)
            .with("Referrer-Policy", "same-origin")
            .cached(Caching::Seconds(60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_pages() {
        let publisher: Publisher = "example.org".parse().expect("legal");
        let page = |publisher, path: &str| {
            let words: Vec<String> = path.split('/').map(str::to_owned).collect();
            find(publisher, &words)
        };
        let rows = [
            (None, "", Some(Page::Home)),
            (None, "en/catalog.shtml", Some(Page::Catalog)),
            (
                None,
                "en/package/a/b@1",
                Some(Page::Package("a/b@1".to_owned())),
            ),
            (None, "content/x.png", Some(Page::File("x.png".to_owned()))),
            (None, "content/a/b", None),
            (None, "../etc", None),
            (Some(&publisher), "", Some(Page::Catalog)),
            (Some(&publisher), "metrics", None),
            (Some(&publisher), "en/search.shtml", Some(Page::Search)),
        ];
        for (publisher, path, wanted) in rows {
            assert_eq!(page(publisher, path), wanted, "{path}");
        }
    }
}
