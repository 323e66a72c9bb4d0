//! Publication: transactions over HTTP. Source: pkgsend(1).
//!
//! All refusals are 400: clients take 404 for an operation that is not served.

use std::io::Read;

use zones_ips::manifest::MANIFEST_LEN_MAX;
use zones_ips::quote::quote;
use zones_ips::{Action, ActionKind, Fmri};
use zones_repository::{Content as Payload, Listing, RepositoryError, Store, Transaction};

use super::file::digest;
use crate::http::reply::{Caching, Content, Reply};
use crate::site::{Answered, Call, Site};

fn done() -> Reply {
    Reply::new(200, "", Content::Empty).cached(Caching::Never)
}

fn wrong(message: &str) -> Reply {
    Reply::refusal(400, message)
}

/// The store that an FMRI belongs to, and the FMRI with its publisher.
fn store_of(site: &Site, call: &Call<'_, '_>, make: bool) -> Result<(Store, Fmri), Reply> {
    let text = call.argument();
    let fmri: Fmri = text.parse().map_err(|error| wrong(&format!("{error}")))?;
    let named = match (call.publisher(), fmri.publisher()) {
        (Some(path), Some(own)) if path != own => {
            let message = format!("Illegal FMRI '{text}': the path names publisher '{path}'");
            return Err(wrong(&message));
        }
        (path, own) => own.or(path).cloned(),
    };
    let refused = |error: RepositoryError| site.refuse_upload(&error);
    let store = match named {
        Some(publisher) if make => site.stock.add_publisher(&publisher).map_err(refused)?,
        other => site.stock.store(other.as_ref()).map_err(refused)?,
    };
    let fmri = fmri.of(store.publisher().clone());
    Ok((store, fmri))
}

/// `open/0/FMRI`: begins a package.
pub(super) fn open(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let (store, fmri) = store_of(site, call, true)?;
    let begun = store
        .begin(&fmri)
        .map_err(|error| site.refuse_upload(&error))?;
    Ok(done().with("Transaction-ID", begun.id()))
}

/// `append/0/FMRI`: begins to add signatures to a package.
pub(super) fn append(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let (store, fmri) = store_of(site, call, false)?;
    let begun = store
        .begin_append(&fmri)
        .map_err(|error| site.refuse_upload(&error))?;
    Ok(done().with("Transaction-ID", begun.id()))
}

/// The open transaction of this name, of whichever publisher.
fn transaction(site: &Site, call: &Call<'_, '_>, name: &str) -> Result<Transaction, Reply> {
    // The name itself is percent-encoded; decoding the path has taken that away.
    let id = match name.contains('%') {
        true => name.to_owned(),
        false => quote(name),
    };
    let stores = site.stock.named(call.publisher());
    for store in stores.map_err(|error| site.refuse_upload(&error))? {
        match store.transaction(&id) {
            Ok(found) => return Ok(found),
            Err(RepositoryError::UnknownTransaction(_)) => {}
            Err(error) => return Err(site.refuse_upload(&error)),
        }
    }
    Err(site.refuse_upload(&RepositoryError::UnknownTransaction(id)))
}

/// `add/0/ID/TYPE`: one action in headers, its content as the body.
pub(super) fn add(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let Some((kind, name)) = call.args.split_last() else {
        return Err(wrong("A transaction and the type of an action are needed."));
    };
    let transaction = transaction(site, call, &name.join("/"))?;
    let pairs = attributes(call)?;
    let pairs = pairs
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let message = || format!("unknown action type '{kind}'");
    let kind = ActionKind::named(kind).ok_or_else(|| wrong(&message()))?;
    let action = Action::new(kind, None, pairs).map_err(|error| wrong(&error.to_string()))?;
    let content = match action.kind().row().has_payload {
        true => {
            let mut bytes = Vec::new();
            read(call, u64::MAX, &mut bytes)?;
            Some(Payload::from(bytes))
        }
        false => None,
    };
    let added = transaction.add(action, content.as_ref());
    added.map_err(|error| site.refuse_upload(&error))?;
    Ok(done())
}

/// `file/1/ID`: a payload that is packed already.
pub(super) fn file(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let transaction = transaction(site, call, &call.argument())?;
    let pairs = attributes(call)?;
    let name = pairs.iter().find(|(key, _)| key == "basename");
    let name = name.and_then(|(_, value)| digest(value));
    let message = "A payload needs a header X-IPkg-SetAttr0: basename=HASH.";
    let name = name.ok_or_else(|| wrong(message))?;
    let added = transaction.add_packed(name, &mut *call.request.body);
    added.map_err(|error| site.refuse_upload(&error))?;
    Ok(done())
}

/// `manifest/1/ID`: the whole manifest.
pub(super) fn manifest(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let transaction = transaction(site, call, &call.argument())?;
    let mut bytes = Vec::new();
    read(call, MANIFEST_LEN_MAX as u64, &mut bytes)?;
    let set = transaction.set_manifest(&bytes);
    set.map_err(|error| site.refuse_upload(&error))?;
    Ok(done())
}

/// `close/0/ID`: publishes.
pub(super) fn close(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let transaction = transaction(site, call, &call.argument())?;
    let listing = match call.request.head.header("x-ipkg-add-to-catalog") {
        Some("0") => Listing::Later,
        _ => Listing::Now,
    };
    let fmri = transaction
        .close(listing)
        .map_err(|error| site.refuse_upload(&error))?;
    if let (Listing::Now, Ok(store)) = (listing, site.stock.store(fmri.publisher())) {
        site.index_later(store);
    }
    Ok(done()
        .with("Package-FMRI", fmri.to_string())
        .with("State", "PUBLISHED"))
}

/// `abandon/0/ID`: gives up.
pub(super) fn abandon(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let transaction = transaction(site, call, &call.argument())?;
    let fmri = transaction.fmri().to_string();
    let gone = transaction.abandon();
    gone.map_err(|error| site.refuse_upload(&error))?;
    Ok(done().with("Package-FMRI", fmri).with("State", "ABANDONED"))
}

fn read(call: &mut Call<'_, '_>, most: u64, into: &mut Vec<u8>) -> Result<(), Reply> {
    let mut body = (&mut *call.request.body).take(most.saturating_add(1));
    let read = body.read_to_end(into);
    read.map_err(|error| wrong(&format!("The body cannot be read: {error}.")))?;
    match into.len() as u64 > most {
        true => Err(Reply::refusal(
            413,
            &format!("The body is larger than {most} bytes."),
        )),
        false => Ok(()),
    }
}

/// Attributes of the headers `X-IPkg-SetAttrN: key=value`; a value in brackets is a list.
fn attributes(call: &Call<'_, '_>) -> Result<Vec<(String, String)>, Reply> {
    let headers = call.request.head.with_prefix("x-ipkg-setattr");
    let mut pairs = Vec::new();
    for (_, header) in headers {
        let Some((key, value)) = header.split_once('=') else {
            let message = format!("The attribute '{header}' is not KEY=VALUE.");
            return Err(wrong(&message));
        };
        match list(value) {
            Some(values) => pairs.extend(values.into_iter().map(|value| (key.to_owned(), value))),
            None => pairs.push((key.to_owned(), value.to_owned())),
        }
    }
    Ok(pairs)
}

/// A list as `['a', "b"]`; `None` when it is a plain text.
fn list(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('[')?.strip_suffix(']')?.trim_start();
    let mut values = Vec::new();
    while let Some(quote) = rest.chars().next() {
        if !matches!(quote, '\'' | '"') {
            return None;
        }
        let (mut value, mut letters) = (String::new(), rest[1..].char_indices());
        let end = loop {
            match letters.next()? {
                (_, '\\') => value.push(letters.next()?.1),
                (at, letter) if letter == quote => break at + 2,
                (_, letter) => value.push(letter),
            }
        };
        values.push(value);
        rest = rest[end..].trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    (!values.is_empty()).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn lists_of_values() {
        let rows: &[(&str, Option<&[&str]>)] = &[
            ("['a']", Some(&["a"])),
            ("['a', \"b'c\"]", Some(&["a", "b'c"])),
            ("['a\\'b','c\\\\']", Some(&["a'b", "c\\"])),
            ("['é', 'ü']", Some(&["é", "ü"])),
            ("[]", None),
            ("[a]", None),
            ("['a' 'b']", None),
            ("['a]", None),
            ("['a\\", None),
            ("plain", None),
        ];
        for (text, wanted) in rows {
            let wanted: Option<Vec<String>> =
                wanted.map(|words| words.iter().map(ToString::to_string).collect());
            assert_eq!(list(text), wanted, "{text}");
        }
    }
}
