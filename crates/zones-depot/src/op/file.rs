//! `file`: payloads, packed, by the hash of what they unpack to.

use std::fs::File;
use std::io::{self, Read};

use zones_ips::hash::Hasher;
use zones_ips::{Algorithm, Digest};
use zones_repository::RepositoryError;

use super::FOREVER;
use crate::http::head::Method;
use crate::http::reply::{Content, Reply, Served};
use crate::site::{Answered, Call, Site};

/// `file/0/HASH` and `file/1/HASH`.
pub(super) fn get(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let served = find(site, call)?;
    Ok(Reply::new(200, "application/data", Content::File(served)).cached(FOREVER))
}

/// `file/2/HASH`: asked by HEAD, it says what the packed form hashes to, so that a publisher sees
/// whether it has to be sent.
pub(super) fn get_with_attributes(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let served = find(site, call)?;
    let mut attributes = Vec::new();
    if call.request.head.method == Method::Head {
        let failed = |error: io::Error| {
            site.logs.error(&format!("cannot read a payload: {error}"));
            Reply::refusal(500, "The payload cannot be read.")
        };
        attributes = hashes(&served.file).map_err(failed)?;
    }
    let mut reply = Reply::new(200, "application/data", Content::File(served)).cached(FOREVER);
    for (at, attribute) in attributes.into_iter().enumerate() {
        reply = reply.with(format!("X-Ipkg-Attr-{at}"), attribute);
    }
    Ok(reply)
}

fn find(site: &Site, call: &Call<'_, '_>) -> Result<Served, Reply> {
    let text = call.argument();
    let missing = || {
        let message = format!("No file could be found for the specified hash name: '{text}'.");
        Reply::refusal(404, &message)
    };
    let digest = digest(&text).ok_or_else(missing)?;
    // A payload is the same whoever published it, so that without a publisher any will do.
    let stores = site.stock.named(call.publisher());
    for store in stores.map_err(|error| site.refuse(&error))? {
        match store.payload(&digest) {
            Ok(file) => return Served::new(file).map_err(|_| missing()),
            Err(RepositoryError::NoPayload(_)) => {}
            Err(error) => return Err(site.refuse(&error)),
        }
    }
    Err(missing())
}

/// A name of a payload: 40 or 64 hexadecimal digits, small ones.
pub(super) fn digest(text: &str) -> Option<Digest> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let algorithm = match text.len() {
        40 => Algorithm::Sha1,
        64 => Algorithm::Sha256,
        _ => return None,
    };
    let digest = Digest::parse(algorithm, text).ok()?;
    text.bytes().all(is_hex).then_some(digest)
}

fn hashes(file: &File) -> io::Result<Vec<String>> {
    let mut sha1 = Hasher::new(Algorithm::Sha1);
    let mut sha512 = Hasher::new(Algorithm::Sha512t256);
    let mut chunk = vec![0; 64 * 1024];
    let mut file = file;
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            count => {
                sha1.update(&chunk[..count]);
                sha512.update(&chunk[..count]);
            }
        }
    }
    Ok(vec![
        format!("chash={}", sha1.finish()),
        format!("pkg.content-hash=gzip:sha512t_256:{}", sha512.finish()),
    ])
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn only_hashes_are_names() {
        assert!(digest(&"0f".repeat(20)).is_some());
        assert!(digest(&"0f".repeat(32)).is_some());
        for text in [
            "",
            "../../../etc/passwd",
            &"0F".repeat(20),
            &"0g".repeat(20),
            &"0f".repeat(21),
        ] {
            assert!(digest(text).is_none(), "{text}");
        }
    }
}
