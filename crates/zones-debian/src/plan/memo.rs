//! What was chosen from the same signed lists by the same request before: nothing of it changes, so
//! the next installation need not read the fifty megabytes of the lists again.
//!
//! A choice is kept under a hash of all that it depends on, the hashes in the signed indices among
//! them. It holds the paragraphs of the chosen packages as the lists have them, behind a hash of
//! its own against damage. The cache is root's alone, as the root is into which the packages go.

use std::collections::BTreeMap;

use super::Request;
use crate::hash::Hasher;
use crate::index::Offer;
use crate::release::Release;
use crate::sources::Source;

/// The name of the choice; nothing when a list is not in its index, which is told elsewhere.
pub(super) fn key(request: &Request, sources: &[(Source, Release)]) -> Option<String> {
    let mut hasher = Hasher::default();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add(concat!("choice 1 ", env!("CARGO_PKG_VERSION")));
    add(&request.arch);
    add(&format!("{:?}", request.variant));
    add(&request.include.len().to_string());
    request.include.iter().for_each(|name| add(name));
    for (source, release) in sources {
        add(&source.uri);
        add(&source.suite);
        for component in &source.components {
            let path = release.packages(component, &request.arch).ok()?;
            add(&path);
            add(&release.file(&path)?.sha256);
        }
    }
    Some(hasher.finish())
}

/// The paragraphs of a choice with the number of their source, as bytes for the cache.
pub(super) fn write(chosen: &BTreeMap<&str, Offer<'_>>) -> Vec<u8> {
    let mut text = String::new();
    for offer in chosen.values() {
        let paragraph = offer.text.0.trim_matches('\n');
        text += &format!("{} {}\n{paragraph}\n\n", offer.source, paragraph.len());
    }
    let mut hasher = Hasher::default();
    hasher.update(text.as_bytes());
    format!("{}\n{text}", hasher.finish()).into_bytes()
}

/// Reads what [`write`] wrote; nothing when it is damaged.
pub(super) fn read(bytes: Vec<u8>, sources: usize) -> Option<Vec<(usize, String)>> {
    let text = String::from_utf8(bytes).ok()?;
    let (hash, mut rest) = text.split_once('\n')?;
    let mut hasher = Hasher::default();
    hasher.update(rest.as_bytes());
    if hasher.finish() != hash {
        return None;
    }
    let mut texts: Vec<(usize, String)> = (0..sources).map(|n| (n, String::new())).collect();
    while !rest.is_empty() {
        let (head, body) = rest.split_once('\n')?;
        let (source, length) = head.split_once(' ')?;
        let (paragraph, after) = body.split_at_checked(length.parse().ok()?)?;
        let (_, text) = texts.get_mut(source.parse::<usize>().ok()?)?;
        *text += paragraph;
        *text += "\n\n";
        rest = after.strip_prefix("\n\n")?;
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;

    #[test]
    fn a_choice_is_read_as_it_was_written() {
        let main = "Package: a\nVersion: 1\nArchitecture: all\nDescription: x\n y\n\n\
                    Package: b\nVersion: 1\nArchitecture: all\n";
        let security = "Package: c\nVersion: 2\nArchitecture: all\n\n";
        let mut index = Index::default();
        index.add(main, 0, "amd64");
        index.add(security, 1, "amd64");
        let chosen: BTreeMap<&str, Offer<'_>> =
            index.all().map(|offer| (offer.name, *offer)).collect();
        let bytes = write(&chosen);
        let texts = read(bytes.clone(), 2).expect("sound");
        let mut again = Index::default();
        for (source, text) in &texts {
            again.add(text, *source, "amd64");
        }
        assert_eq!(again.all().count(), 3);
        for (name, offer) in &chosen {
            let same = again.get(name).expect("there");
            assert_eq!(same.source, offer.source);
            assert_eq!(same.field("Description"), offer.field("Description"));
        }
        let mut damaged = bytes.clone();
        damaged[80] ^= 1;
        assert!(read(damaged, 2).is_none());
        assert!(read(bytes[..bytes.len() - 1].to_vec(), 2).is_none());
        assert!(read(bytes, 1).is_none(), "of a source that is not there");
        assert!(read(Vec::new(), 1).is_none());
    }
}
