//! Signed indices and package lists of the sources.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

use zones_archive::{Compression, Phase, Progress, Sums, decoder};

use super::Request;
use crate::cache::Cache;
use crate::error::DebianError;
use crate::fetch::{Fault, Fetcher};
use crate::hash::Hasher;
use crate::keyring::Keys;
use crate::release::{Release, Want};
use crate::sources::{Keyring, Source, is_update, pocket_of};

/// The largest InRelease anybody has is below 1 MiB.
const RELEASE_LIMIT: u64 = 32 << 20;
/// Text of all packages of a component, where the index does not say.
const PACKAGES_LIMIT: u64 = 2 << 30;

/// Reads indices.
pub(super) struct Indices<'a> {
    pub(super) request: &'a Request,
    pub(super) fetcher: &'a Fetcher<'a>,
    pub(super) cache: &'a Cache,
    pub(super) progress: &'a dyn Progress,
}

impl Indices<'_> {
    /// The sources with their verified indices, main first.
    pub(super) fn sources(&self) -> Result<Vec<(Source, Release)>, DebianError> {
        let main = self.main()?;
        let pockets = self.pockets(&main);
        let found: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = pockets
                .iter()
                .map(|p| scope.spawn(move || self.release(p)))
                .collect();
            all.into_iter().map(|t| t.join()).collect()
        });
        let mut sources = vec![main];
        for (pocket, release) in pockets.into_iter().zip(found) {
            match release.unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                Ok(release) => sources.push((pocket, release)),
                Err(DebianError::Fetch(e))
                    if pocket.optional && matches!(e.fault, Fault::Missing) =>
                {
                    let text = format!("`{}` has no `{}`; left out", pocket.uri, pocket.suite);
                    self.progress.note(&text);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(sources)
    }

    /// The main archive: the given mirror, or the host's first that is Debian's.
    fn main(&self) -> Result<(Source, Release), DebianError> {
        let request = self.request;
        let host = request.host.candidates().next();
        if let Some(uri) = &request.mirror {
            let suite = request
                .suite
                .as_deref()
                .or_else(|| host.map(|s| s.suite.as_str()));
            let suite = suite.ok_or_else(|| DebianError::NoSuite { uri: uri.clone() })?;
            let source = Source::new(uri, suite);
            let release = self.release(&source)?;
            return Ok((source, release));
        }
        let mut first = None;
        for candidate in request.host.candidates() {
            let mut source = candidate.clone();
            if let Some(suite) = &request.suite {
                source.suite.clone_from(suite);
            }
            match self.release(&source) {
                Ok(release) if release.origin == "Debian" && !release.not_automatic => {
                    return Ok((source, release));
                }
                Ok(_) => self
                    .progress
                    .note(&format!("`{}` is not Debian's archive", source.uri)),
                Err(e) => first = first.or(Some(e)),
            }
        }
        Err(first.unwrap_or(DebianError::NoSource))
    }

    /// Updates and security for the main suite. A given mirror stands alone.
    fn pockets(&self, (main, release): &(Source, Release)) -> Vec<Source> {
        if self.request.mirror.is_some() {
            return Vec::new();
        }
        let names = [main.suite.as_str(), &release.suite, &release.codename];
        let own = self.request.host.pockets(&names);
        if !own.is_empty() {
            return own;
        }
        // Another suite than the host's: the same pockets, if they exist for it.
        let host = self
            .request
            .host
            .candidates()
            .next()
            .map(|s| s.suite.clone());
        let mut derived = Vec::new();
        for source in self
            .request
            .host
            .sources
            .iter()
            .filter(|s| is_update(&s.suite))
        {
            let under = pocket_of(&source.suite);
            if under.is_some() && under == host.as_deref() {
                let mut pocket = source.clone();
                let ending = &source.suite[under.map_or(0, str::len)..];
                pocket.suite = format!("{}{ending}", release.codename);
                pocket.optional = true;
                derived.push(pocket);
            }
        }
        derived
    }

    fn release(&self, source: &Source) -> Result<Release, DebianError> {
        let uri = format!("{}/dists/{}/InRelease", source.uri, source.suite);
        let bytes = self.fetcher.small(&uri, RELEASE_LIMIT)?;
        let text = String::from_utf8_lossy(&bytes);
        let keys = self.keys(source)?;
        let signed = keys.verify(&text, self.request.now);
        let signed = signed.map_err(|source| DebianError::Signature {
            uri: uri.clone(),
            source,
        })?;
        let checked = Release::parse(&signed).and_then(|release| {
            release.check(&source.suite, self.request.now, source.check_valid_until)?;
            Ok(release)
        });
        checked.map_err(|source| DebianError::Release { uri, source })
    }

    fn keys(&self, source: &Source) -> Result<Keys, DebianError> {
        let files: Vec<PathBuf> = match (&self.request.keyring, &source.keyring) {
            (Some(file), _) => vec![file.clone()],
            (None, Keyring::Files(files)) => files.clone(),
            (None, Keyring::Host) => self.request.host.trusted.clone(),
            (None, Keyring::Inline(text)) => {
                let mut keys = Keys::default();
                return match keys.add(text.as_bytes()) {
                    0 => Err(DebianError::NoKeys {
                        names: String::from("the source entry"),
                    }),
                    _ => Ok(keys),
                };
            }
        };
        let mut keys = Keys::default();
        let mut count = 0;
        for path in &files {
            let bytes = std::fs::read(path);
            let bytes = bytes.map_err(|source| DebianError::Keyring {
                path: path.clone(),
                source,
            })?;
            count += keys.add(&bytes);
        }
        if count == 0 {
            let names = files
                .iter()
                .map(|f| format!("`{}`", f.display()))
                .collect::<Vec<_>>();
            let names = if names.is_empty() {
                String::from("the host's apt configuration")
            } else {
                names.join(", ")
            };
            return Err(DebianError::NoKeys { names });
        }
        Ok(keys)
    }

    /// The package lists of all sources and components, with the number of their source.
    pub(super) fn packages(
        &self,
        sources: &[(Source, Release)],
    ) -> Result<Vec<(usize, String)>, DebianError> {
        std::thread::scope(|scope| {
            let mut all = Vec::new();
            for (number, (source, release)) in sources.iter().enumerate() {
                for component in &source.components {
                    let list = scope.spawn(move || self.list(source, release, component));
                    all.push((number, list));
                }
            }
            let done = all.into_iter().map(|(number, list)| {
                let text = list
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                text.map(|text| (number, text))
            });
            done.collect()
        })
    }

    fn list(
        &self,
        source: &Source,
        release: &Release,
        component: &str,
    ) -> Result<String, DebianError> {
        let base = format!("{}/dists/{}", source.uri, source.suite);
        let path = release.packages(component, &self.request.arch);
        let path = path.map_err(|source| DebianError::Release {
            uri: format!("{base}/InRelease"),
            source,
        })?;
        let broken = |why: String| DebianError::Index {
            uri: format!("{base}/{path}"),
            why,
        };
        let plain = release.file(&path);
        if let Some(plain) = plain
            && let Some(file) = self.cache.get(plain)?
        {
            self.progress.advance(Phase::Index, plain.size);
            return read_text(file, plain.size).map_err(broken);
        }
        // The smallest first, unless the mirror is near: gzip is a third larger and unpacks five
        // times as fast. What the index does not list cannot be verified.
        let near = self.fetcher.is_fast();
        let mut fault = None;
        for ending in if near {
            [".gz", ".xz", ""]
        } else {
            [".xz", ".gz", ""]
        } {
            let Some(want) = release.file(&format!("{path}{ending}")) else {
                continue;
            };
            match self.fetch(&base, &format!("{path}{ending}"), want, release.by_hash) {
                Err(DebianError::Fetch(e)) if matches!(e.fault, Fault::Missing) => continue,
                // A mirror in the middle of an update: one form may be old and the next one new.
                Err(error @ DebianError::Fetch(_)) if is_stale(&error) => {
                    fault = Some(error);
                    continue;
                }
                other => other?,
            }
            let Some(file) = self.cache.get(want)? else {
                // Another install of the same suite was faster and keeps the plain text only.
                if let Some(plain) = plain
                    && let Some(file) = self.cache.get(plain)?
                {
                    return read_text(file, plain.size).map_err(broken);
                }
                return Err(broken(String::from("it changed in the cache")));
            };
            let limit = plain.map_or(PACKAGES_LIMIT, |p| p.size);
            let text = unpack(file, limit).map_err(broken)?;
            if let Some(plain) = plain {
                check(&text, plain).map_err(broken)?;
                let path = self.cache.path(plain);
                let put = self.cache.put(plain, text.as_bytes());
                put.map_err(|source| DebianError::Cache { path, source })?;
                if !ending.is_empty() {
                    // The plain text serves the next install faster.
                    let _ = std::fs::remove_file(self.cache.path(want));
                }
            }
            return Ok(text);
        }
        Err(fault.unwrap_or_else(|| {
            broken(String::from(
                "the mirror has it in no form that the signed index lists",
            ))
        }))
    }

    /// By hash if offered: then an update of the mirror at this moment does no harm.
    fn fetch(&self, base: &str, path: &str, want: &Want, by_hash: bool) -> Result<(), DebianError> {
        let wanted = |uri: &str| self.fetcher.wanted(uri, want, self.cache, Phase::Index);
        if by_hash && let Some((folder, _)) = path.rsplit_once('/') {
            match wanted(&format!("{base}/{folder}/by-hash/SHA256/{}", want.sha256)) {
                Err(e) if matches!(e.fault, Fault::Missing) => {}
                other => return Ok(other?),
            }
        }
        Ok(wanted(&format!("{base}/{path}"))?)
    }
}

/// Whether the mirror has a file of that name that is not the one in the signed index.
fn is_stale(error: &DebianError) -> bool {
    let DebianError::Fetch(error) = error else {
        return false;
    };
    matches!(
        error.fault,
        Fault::Short { .. } | Fault::Large(_) | Fault::Hash { .. }
    )
}

fn read_text(mut file: File, size: u64) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    to_text(bytes)
}

/// Some old descriptions are not UTF-8; names and hashes are ASCII.
fn to_text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).or_else(|e| Ok(String::from_utf8_lossy(&e.into_bytes()).into_owned()))
}

fn unpack(file: File, limit: u64) -> Result<String, String> {
    let mut from = BufReader::with_capacity(256 << 10, file);
    let first = std::io::BufRead::fill_buf(&mut from).map_err(|e| e.to_string())?;
    let how = Compression::sniff(first);
    let plain = decoder(how, Sums::Trust, from).map_err(|e| e.to_string())?;
    let mut bytes = Vec::with_capacity(usize::try_from(limit.min(256 << 20)).unwrap_or(0));
    plain
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("{}: {e}", how.name()))?;
    if bytes.len() as u64 > limit {
        return Err(format!(
            "it unpacks to more than the {limit} bytes it should have"
        ));
    }
    to_text(bytes)
}

fn check(text: &str, want: &Want) -> Result<(), String> {
    let mut hasher = Hasher::default();
    hasher.update(text.as_bytes());
    let got = hasher.finish();
    if text.len() as u64 != want.size || got != want.sha256 {
        return Err(format!(
            "unpacked, its SHA-256 is {got} and should be {}",
            want.sha256
        ));
    }
    Ok(())
}
