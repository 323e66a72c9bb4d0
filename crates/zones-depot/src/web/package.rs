//! One package: what it says of itself, its versions, its manifest.

use std::collections::BTreeMap;
use std::io::Write;

use zones_ips::{ActionKind, Fmri, Manifest, Version};
use zones_repository::Store;

use super::html::{self, Html};
use crate::http::reply::{Content, Reply, escape};
use crate::op::{size_text, sizes};
use crate::site::{Answered, Call, Site};

/// `NAME` shows the newest version, `NAME@VERSION` that one.
pub(super) fn page(site: &Site, call: &mut Call<'_, '_>, name: &str) -> Answered {
    let (store, fmri, versions) = find(site, call, name)?;
    let manifest = store.manifest(&fmri).map_err(|error| site.refuse(&error))?;
    let mut html = Html::default();
    facts(site, &mut html, &fmri, &manifest);
    requirements(site, &mut html, &store, &manifest);
    html.raw("<h2>Versions</h2>\n<ul>\n");
    for version in versions.iter().rev() {
        let text = version.to_string();
        let path = format!("{}@{text}", fmri.stem());
        html.raw("<li>");
        html.link(&site.page_path(store.publisher(), "package", &path), &text)
            .raw("</li>\n");
    }
    html.raw("</ul>\n");
    Ok(site.wrap(fmri.stem().as_str(), Some(store.publisher()), &html))
}

/// The package that a path names, complete, and all its versions.
fn find(
    site: &Site,
    call: &Call<'_, '_>,
    name: &str,
) -> Result<(Store, Fmri, Vec<Version>), Reply> {
    let wrong = |error| Reply::refusal(400, &format!("{error}"));
    let fmri: Fmri = name.parse().map_err(wrong)?;
    let store = site.store(fmri.publisher().or_else(|| call.publisher()))?;
    let listing = site.listing(&store)?;
    let versions: Vec<Version> = listing.versions(fmri.stem()).into_iter().cloned().collect();
    let missing = || Reply::refusal(404, &format!("There is no package '{name}'."));
    let wanted = match fmri.version() {
        Some(version) => versions.iter().find(|known| *known == version),
        None => versions.last(),
    };
    let version = wanted.ok_or_else(missing)?.clone();
    let fmri = fmri.of(store.publisher().clone()).at(version);
    Ok((store, fmri, versions))
}

fn facts(site: &Site, html: &mut Html, fmri: &Fmri, manifest: &Manifest) {
    let value = |name: &str| manifest.set_value(name).unwrap_or_default().to_owned();
    let (size, packed) = sizes(manifest);
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for action in manifest.actions() {
        *kinds.entry(action.word()).or_default() += 1;
    }
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let state = match (manifest.is("pkg.obsolete"), manifest.is("pkg.renamed")) {
        (true, _) => "obsolete",
        (_, true) => "renamed",
        _ => "",
    };
    let rows = [
        ("Summary", value("pkg.summary")),
        ("Description", value("pkg.description")),
        ("State", state.to_owned()),
        (
            "Version",
            fmri.version().map(Version::short).unwrap_or_default(),
        ),
        ("Human version", value("pkg.human-version")),
        ("Size", size_text(size)),
        ("Packed", size_text(packed)),
        ("Actions", kinds.join(", ")),
        ("FMRI", fmri.to_string()),
    ];
    html.raw("<dl>\n");
    for (label, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        html.raw("<dt>")
            .text(label)
            .raw("</dt><dd>")
            .text(value)
            .raw("</dd>\n");
    }
    html.raw("</dl>\n<p>");
    let (Some(publisher), Some(version)) = (fmri.publisher(), fmri.version()) else {
        return;
    };
    let name = format!("{}@{version}", fmri.stem());
    html.link(&site.page_path(publisher, "manifest", &name), "Manifest")
        .raw(" · ");
    let raw = site.operation_path(publisher, "manifest/0", &name);
    html.link(&raw, "raw manifest").raw(" · ");
    html.link(&site.operation_path(publisher, "info/0", &name), "info")
        .raw(" · ");
    html.link(
        &site.operation_path(publisher, "p5i/0", fmri.stem().as_str()),
        "p5i",
    )
    .raw("</p>\n");
}

fn requirements(site: &Site, html: &mut Html, store: &Store, manifest: &Manifest) {
    let mut depends = manifest.of_kind(ActionKind::Depend).peekable();
    if depends.peek().is_none() {
        return;
    }
    html.raw("<h2>Dependencies</h2>\n<table>\n<tr><th>Type</th><th>Package</th></tr>\n");
    for action in depends {
        html.raw("<tr>")
            .cell(action.get("type").unwrap_or_default())
            .raw("<td>");
        for text in action.values("fmri") {
            match text.parse::<Fmri>() {
                Ok(fmri) => {
                    let stem = fmri.stem().as_str();
                    let path = site.page_path(store.publisher(), "package", stem);
                    html.link(&path, text.strip_prefix("pkg:/").unwrap_or(text));
                }
                Err(_) => {
                    html.text(text);
                }
            }
            html.raw(" ");
        }
        html.raw("</td></tr>\n");
    }
    html.raw("</table>\n");
}

/// The manifest, line by line.
pub(super) fn manifest(site: &Site, call: &mut Call<'_, '_>, name: &str) -> Answered {
    let (store, fmri, _) = find(site, call, name)?;
    let manifest = store.manifest(&fmri).map_err(|error| site.refuse(&error))?;
    let mut frame = Html::default();
    frame.raw("<pre>\u{1}</pre>\n");
    let whole = site.wrap(&fmri.to_string(), Some(store.publisher()), &frame);
    let Content::Bytes(bytes) = &whole.content else {
        return Ok(whole);
    };
    // The frame is small; the manifest may be large and is written as it is escaped.
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (head, tail) = text.split_once('\u{1}').unwrap_or((&text, ""));
    let (head, tail) = (head.to_owned(), tail.to_owned());
    let body = move |out: &mut dyn Write| {
        out.write_all(head.as_bytes())?;
        for action in manifest.actions() {
            writeln!(out, "{}", escape(&action.to_string()))?;
        }
        out.write_all(tail.as_bytes())
    };
    let reply = Reply::new(
        200,
        "text/html;charset=utf-8",
        Content::Stream(Box::new(body)),
    );
    Ok(reply
        .with("Content-Security-Policy", html::POLICY)
        .cached(whole.caching))
}
