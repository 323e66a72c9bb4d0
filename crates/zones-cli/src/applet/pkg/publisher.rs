//! Publishers of an image.

use zones_image::{Image, PublisherSettings};
use zones_ips::Publisher;

use super::text::Table;
use super::{Call, Outcome, Stop, failed, usage};
use crate::report::OK;

const HEADS: [&str; 5] = ["PUBLISHER", "TYPE", "STATUS", "P", "LOCATION"];

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let image = call.image()?;
    let words = &call.words;
    if !words.operands.is_empty() {
        for name in &words.operands {
            one(known(&image, name)?);
        }
        return Ok(OK);
    }
    if words.value("format").is_none() {
        people(
            &image,
            words.has("no-headers"),
            words.has("preferred"),
            words.has("enabled"),
        );
        return Ok(OK);
    }
    let heads = [
        "PUBLISHER",
        "STICKY",
        "SYSPUB",
        "ENABLED",
        "TYPE",
        "STATUS",
        "URI",
        "PROXY",
    ];
    let mut table = Table::new(&heads, &[]);
    for it in &image.settings.publishers {
        let truth = |is: bool| if is { "true" } else { "false" }.to_owned();
        let row = |kind: &str, uri: &str, proxy: &str, is_on: bool| {
            let status = if is_on { "online" } else { "disabled" };
            [
                it.prefix.to_string(),
                truth(it.is_sticky),
                truth(false),
                truth(it.is_enabled),
                kind.to_owned(),
                status.to_owned(),
                uri.to_owned(),
                proxy.to_owned(),
            ]
        };
        for origin in &it.origins {
            let proxy = origin.proxy.as_deref().unwrap_or("-");
            table.row(row("origin", &origin.uri, proxy, origin.is_enabled));
        }
        it.mirrors
            .iter()
            .for_each(|uri| table.row(row("mirror", uri, "-", true)));
        if it.origins.is_empty() && it.mirrors.is_empty() {
            table.row(row("-", "-", "-", false));
        }
    }
    table.print(call)?;
    Ok(OK)
}

fn people(image: &Image, is_bare: bool, is_first_only: bool, is_enabled_only: bool) {
    let line = |cells: [&str; 5]| {
        let [name, kind, status, proxied, location] = cells;
        println!("{name:<27} {kind:<8} {status:<6} {proxied} {location}");
    };
    if !is_bare {
        line(HEADS);
    }
    for (at, it) in image.settings.publishers.iter().enumerate() {
        if (is_first_only && at > 0) || (is_enabled_only && !it.is_enabled) {
            continue;
        }
        let mut name = it.prefix.to_string();
        let notes = [(!it.is_sticky, "non-sticky"), (!it.is_enabled, "disabled")];
        let notes: Vec<&str> = notes
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, it)| *it)
            .collect();
        if !notes.is_empty() {
            name += &format!(" ({})", notes.join(", "));
        }
        for origin in &it.origins {
            let status = if origin.is_enabled {
                "online"
            } else {
                "disabled"
            };
            let proxied = if origin.proxy.is_some() { "T" } else { "F" };
            line([&name, "origin", status, proxied, &origin.uri]);
        }
        it.mirrors
            .iter()
            .for_each(|uri| line([&name, "mirror", "online", "F", uri]));
        if it.origins.is_empty() && it.mirrors.is_empty() {
            line([&name, "", "", "", ""]);
        }
    }
}

fn one(it: &PublisherSettings) {
    let row = |label: &str, text: &str| println!("{label:>22}: {text}");
    println!();
    row("Publisher", it.prefix.as_str());
    row("Alias", it.alias.as_deref().unwrap_or_default());
    for origin in &it.origins {
        row("Origin URI", &origin.uri);
        row(
            "Origin Status",
            if origin.is_enabled {
                "Online"
            } else {
                "Disabled"
            },
        );
        if let Some(proxy) = &origin.proxy {
            row("Proxy", proxy);
        }
    }
    it.mirrors.iter().for_each(|uri| row("Mirror URI", uri));
    row("SSL Key", it.ssl_key.as_deref().unwrap_or("None"));
    row("SSL Cert", it.ssl_cert.as_deref().unwrap_or("None"));
    row("Client UUID", &it.uuid);
    row("Enabled", if it.is_enabled { "Yes" } else { "No" });
    for name in &it.approved_ca_certs {
        row("Approved CA", name);
    }
    for name in &it.revoked_ca_certs {
        row("Revoked CA", name);
    }
    for (name, value) in &it.properties {
        row("Property", &format!("{name} = {value}"));
    }
}

fn known<'a>(image: &'a Image, name: &str) -> Result<&'a PublisherSettings, Stop> {
    let found = image.settings.publisher(name);
    found.ok_or_else(|| failed(format!("Unknown publisher '{name}'.")))
}

/// Adds a publisher by name with these origins, or the origins to one that is there.
pub(super) fn add_named(image: &mut Image, name: &str, uris: &[&str]) -> Result<(), Stop> {
    let prefix: Publisher = name.parse().map_err(failed)?;
    if image.settings.publisher(name).is_none() {
        let uuid = zones_store::random_uuid().map_err(failed)?;
        image
            .settings
            .publishers
            .push(PublisherSettings::new(prefix, uuid));
    }
    if let Some(publisher) = image.settings.publisher_mut(name) {
        uris.iter().for_each(|uri| publisher.add_origin(uri, None));
    }
    Ok(())
}

/// Adds the publishers that a repository names, or only this one.
pub(super) fn add_from(image: &mut Image, uri: &str, only: Option<&str>) -> Result<(), Stop> {
    let found = image.publishers_at(uri)?;
    let wanted = found
        .iter()
        .filter(|it| only.is_none_or(|only| only == it.0.as_str()));
    let wanted: Vec<_> = wanted.collect();
    if wanted.is_empty() {
        return Err(failed(format!(
            "The repository at {uri} has no publisher{}.",
            only.map(|it| format!(" '{it}'")).unwrap_or_default()
        )));
    }
    for (prefix, origins) in wanted {
        let uris: Vec<&str> = match origins.is_empty() {
            true => vec![uri],
            false => origins.iter().map(String::as_str).collect(),
        };
        add_named(image, prefix.as_str(), &uris)?;
    }
    Ok(())
}

pub(super) fn set(call: &Call<'_>) -> Outcome {
    let (mut image, _lock) = call.locked()?;
    let outcome = change(call, &mut image);
    call.note(&image, &outcome);
    outcome
}

fn change(call: &Call<'_>, image: &mut Image) -> Outcome {
    let words = &call.words;
    let names = &words.operands;
    if let Some(uri) = words.value("from") {
        let old: Vec<Publisher> = image
            .settings
            .publishers
            .iter()
            .map(|it| it.prefix.clone())
            .collect();
        add_from(image, uri, names.first().map(String::as_str))?;
        let new = image
            .settings
            .publishers
            .iter()
            .map(|it| it.prefix.to_string());
        let new: Vec<String> = new
            .filter(|it| !old.iter().any(|old| old.as_str() == it))
            .collect();
        for name in new {
            settings(call, image, &name)?;
        }
    } else {
        let [name] = names.as_slice() else {
            return Err(usage("requires a publisher name"));
        };
        add_named(image, name, &[])?;
        settings(call, image, name)?;
    }
    if words.has("no-refresh") {
        zones_brand::note_changes(call.layout, image)?;
        image.save()?;
        return Ok(OK);
    }
    // Asked before the settings count, so that a wrong origin changes nothing.
    let fresh: Vec<Publisher> = image
        .enabled()
        .filter(|it| it.origins.iter().any(|it| it.is_enabled))
        .map(|it| it.prefix.clone())
        .filter(|it| words.value("from").is_some() || names.iter().any(|name| name == it.as_str()))
        .collect();
    if !fresh.is_empty() {
        image.refresh(&fresh, words.has("refresh"), &|_| {})?;
    }
    zones_brand::note_changes(call.layout, image)?;
    image.save()?;
    Ok(OK)
}

/// The options that change one publisher.
fn settings(call: &Call<'_>, image: &mut Image, name: &str) -> Result<(), Stop> {
    let words = &call.words;
    let file = |option: &str| {
        words.value(option).map(|path| {
            let path = std::path::absolute(path).map_err(failed)?;
            std::fs::metadata(&path)
                .map_err(|error| failed(format!("cannot read `{}`: {error}", path.display())))?;
            Ok::<_, Stop>(path.display().to_string())
        })
    };
    let (key, cert) = (file("key").transpose()?, file("cert").transpose()?);
    let prefix: Publisher = name.parse().map_err(failed)?;
    let approved = words.values("approve-ca-cert").map(|path| {
        let bytes = std::fs::read(path);
        let bytes = bytes.map_err(|error| failed(format!("cannot read `{path}`: {error}")))?;
        let kept = image.keep_certificate(&prefix, &bytes);
        kept.map_err(|error| failed(format!("`{path}`: {error}")))
    });
    let approved: Vec<String> = approved.collect::<Result<_, _>>()?;
    let Some(it) = image.settings.publisher_mut(name) else {
        return Ok(());
    };
    if let Some(uri) = words.value("origin") {
        it.origins.clear();
        it.add_origin(uri, words.value("proxy"));
    }
    words
        .values("add-origin")
        .for_each(|uri| it.add_origin(uri, words.value("proxy")));
    for uri in words.values("remove-origin") {
        if !it.remove_origin(uri) {
            return Err(failed(format!("Unknown repository origin '{uri}'.")));
        }
    }
    for uri in words.values("add-mirror") {
        if !it.mirrors.iter().any(|known| known == uri) {
            it.mirrors.push(uri.to_owned());
        }
    }
    for uri in words.values("remove-mirror") {
        it.mirrors.retain(|known| uri != "*" && known != uri);
    }
    trust(call, it, approved)?;
    it.is_sticky = (it.is_sticky || words.has("sticky")) && !words.has("non-sticky");
    it.is_enabled = (it.is_enabled || words.has("enable")) && !words.has("disable");
    it.ssl_key = key.or_else(|| it.ssl_key.take());
    it.ssl_cert = cert.or_else(|| it.ssl_cert.take());
    if words.has("reset-uuid") || it.uuid.is_empty() {
        it.uuid = zones_store::random_uuid().map_err(failed)?;
    }
    for text in words.values("set-property") {
        let pair = text.split_once('=');
        let (name, value) = pair.ok_or_else(|| usage(format!("'{text}' is not NAME=VALUE")))?;
        // Those that an image has too take the same values.
        if name.starts_with("signature-") {
            zones_image::Settings::new().set_property(name, value)?;
        }
        it.properties.insert(name.to_owned(), value.to_owned());
    }
    for name in words.values("unset-property") {
        it.properties.remove(name);
    }
    place(call, image, name)
}

/// Certificates that are approved, revoked, or neither any more.
fn trust(call: &Call<'_>, it: &mut PublisherSettings, approved: Vec<String>) -> Result<(), Stop> {
    let words = &call.words;
    for name in approved {
        it.revoked_ca_certs.retain(|known| *known != name);
        if !it.approved_ca_certs.contains(&name) {
            it.approved_ca_certs.push(name);
        }
    }
    let digest = |text: &str| {
        let is_digest = text.len() == 40 && text.bytes().all(|it| it.is_ascii_hexdigit());
        let text = text.to_ascii_lowercase();
        is_digest.then_some(text).ok_or_else(|| {
            usage("a certificate is named by the SHA-1 of its file, 40 hexadecimal digits")
        })
    };
    for name in words.values("revoke-ca-cert") {
        let name = digest(name)?;
        it.approved_ca_certs.retain(|known| *known != name);
        if !it.revoked_ca_certs.contains(&name) {
            it.revoked_ca_certs.push(name);
        }
    }
    for name in words.values("unset-ca-cert") {
        let name = digest(name)?;
        it.approved_ca_certs.retain(|known| *known != name);
        it.revoked_ca_certs.retain(|known| *known != name);
    }
    Ok(())
}

/// `-P`, `--search-before`, `--search-after`.
fn place(call: &Call<'_>, image: &mut Image, name: &str) -> Result<(), Stop> {
    let words = &call.words;
    let list = &mut image.settings.publishers;
    let at = |list: &[PublisherSettings], name: &str| {
        let found = list.iter().position(|it| it.prefix.as_str() == name);
        found.ok_or_else(|| failed(format!("Unknown publisher '{name}'.")))
    };
    let own = at(list, name)?;
    let publisher = list.remove(own);
    let to = if words.has("search-first") {
        Ok(0)
    } else if let Some(other) = words.value("search-before") {
        at(list, other)
    } else if let Some(other) = words.value("search-after") {
        at(list, other).map(|it| it + 1)
    } else {
        Ok(own)
    };
    list.insert(*to.as_ref().unwrap_or(&own), publisher);
    to.map(drop)
}

pub(super) fn unset(call: &Call<'_>) -> Outcome {
    if call.words.operands.is_empty() {
        return Err(usage("at least one publisher must be specified"));
    }
    let (mut image, _lock) = call.locked()?;
    for name in &call.words.operands {
        known(&image, name)?;
    }
    let mut gone = Vec::new();
    image.settings.publishers.retain(|it| {
        let is_gone = call
            .words
            .operands
            .iter()
            .any(|name| name == it.prefix.as_str());
        if is_gone {
            gone.push(it.prefix.clone());
        }
        !is_gone
    });
    zones_brand::note_changes(call.layout, &image)?;
    image.save()?;
    for publisher in &gone {
        image.forget_catalogs(publisher)?;
    }
    call.note(&image, &Ok(OK));
    Ok(OK)
}
