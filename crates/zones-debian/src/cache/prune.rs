//! Keeping the cache within its bounds.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustix::fs::FlockOperation;

use super::Cache;

/// A download that nobody went on with for so long is given up.
const PARTIAL_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// One file of the cache.
struct Entry {
    used: SystemTime,
    size: u64,
    path: PathBuf,
}

impl Cache {
    /// Removes what was used longest ago until at most `limit` bytes are left; the bytes removed.
    ///
    /// As long as another installation uses the cache, nothing is removed: the last one to end does
    /// it. Call this at the end of one's own use. What cannot be looked at or removed stays: a full
    /// cache is no reason to fail.
    pub(crate) fn prune(&self, limit: u64) -> u64 {
        if rustix::fs::flock(&*self.lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return 0;
        }
        let now = SystemTime::now();
        let mut removed = 0;
        let is_old = |entry: &Entry| {
            let age = now.duration_since(entry.used);
            age.is_ok_and(|age| age > PARTIAL_AGE)
        };
        let (old, partial): (Vec<_>, Vec<_>) = entries(self.root.join("partial"))
            .into_iter()
            .partition(is_old);
        for entry in old {
            removed += remove(&entry);
        }
        let mut whole = entries(self.root.join("sha256"));
        whole.extend(partial);
        whole.extend(entries(self.root.join("chosen")));
        let mut total: u64 = whole.iter().map(|entry| entry.size).sum();
        whole.sort_by_key(|entry| entry.used);
        for entry in whole {
            if total <= limit {
                break;
            }
            let gone = remove(&entry);
            total = total.saturating_sub(gone);
            removed += gone;
        }
        let _ = rustix::fs::flock(&*self.lock, FlockOperation::LockShared);
        removed
    }
}

fn remove(entry: &Entry) -> u64 {
    match fs::remove_file(&entry.path) {
        Ok(()) => entry.size,
        Err(_) => 0,
    }
}

fn entries(folder: PathBuf) -> Vec<Entry> {
    let all = fs::read_dir(folder).into_iter().flatten().flatten();
    all.filter_map(|entry| {
        let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some(Entry {
            used: meta.modified().ok()?,
            size: meta.len(),
            path: entry.path(),
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hasher;
    use crate::release::Want;

    fn want(bytes: &[u8]) -> Want {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        Want {
            size: bytes.len() as u64,
            sha256: hasher.finish(),
        }
    }

    fn age(path: PathBuf, hours: u64) {
        let file = fs::File::options().write(true).open(path).unwrap();
        let then = SystemTime::now() - Duration::from_secs(hours * 3600);
        file.set_modified(then).unwrap();
    }

    /// Three files of 100 bytes, last used 3, 2 and 1 hours ago.
    fn filled(cache: &Cache) -> [Want; 3] {
        let wants = [[1; 100], [2; 100], [3; 100]].map(|bytes| {
            cache.put(&want(&bytes), &bytes).unwrap();
            want(&bytes)
        });
        for (hours, want) in [3, 2, 1].into_iter().zip(&wants) {
            age(cache.path(want), hours);
        }
        wants
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let [a, b, c] = filled(&cache);
        assert_eq!(cache.prune(300), 0);
        // A use makes it the newest.
        cache.get(&a).unwrap().unwrap();
        assert_eq!(cache.prune(200), 100);
        assert_eq!(
            [&a, &b, &c].map(|want| cache.has(want)),
            [true, false, true]
        );
        assert_eq!(cache.prune(0), 200);
    }

    #[test]
    fn nothing_goes_while_somebody_else_uses_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        filled(&cache);
        let other = Cache::open(folder.path()).unwrap();
        assert_eq!(cache.prune(0), 0);
        drop(other);
        assert_eq!(cache.prune(0), 300);
    }

    #[test]
    fn downloads_that_were_given_up_go() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        for (bytes, hours) in [(b"old", 24 * 8), (b"new", 1)] {
            let (path, file) = cache.partial(&want(bytes)).unwrap();
            file.set_len(50).unwrap();
            drop(file);
            age(path, hours);
        }
        assert_eq!(cache.prune(u64::MAX), 50);
        assert_eq!(cache.prune(0), 50);
    }
}
