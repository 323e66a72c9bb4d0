//! Names of transactions: the second of opening and the package, escaped.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zones_ips::{Algorithm, Digest, Fmri, Timestamp, quote};

use crate::error::{RepositoryError, Result};
use crate::store::{NAME_LEN_MAX, Store};

/// How long to look for a second in which the package was not published yet.
const PATIENCE: Duration = Duration::from_secs(3);

/// The complete name of a package to publish, and that of its transaction.
pub(super) fn of_new(store: &Store, fmri: &Fmri) -> Result<(Fmri, String)> {
    let fmri = store.own(fmri)?;
    let Some(version) = fmri.version() else {
        return Err(RepositoryError::Name {
            fmri: fmri.to_string(),
            why: "a package to publish needs a version".to_owned(),
        });
    };
    if version.timestamp().is_some() {
        if store.has_manifest(&fmri) {
            return Err(RepositoryError::Exists(fmri));
        }
        let id = name(&fmri)?;
        return Ok((fmri, id));
    }
    let start = std::time::Instant::now();
    loop {
        let Some(now) = now() else {
            return Err(RepositoryError::Exists(fmri));
        };
        let dated = fmri.clone().at(version.at(now));
        let id = name(&dated)?;
        let is_taken = store.disk().has(&store.below("trans").join(&id));
        if !is_taken && !store.has_manifest(&dated) {
            return Ok((dated, id));
        }
        if start.elapsed() > PATIENCE {
            return Err(RepositoryError::Exists(dated));
        }
        // Timestamps have seconds: wait for the next.
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn now() -> Option<Timestamp> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let seconds = i64::try_from(seconds).unwrap_or_default();
    // A clock outside of the calendar stands for its beginning.
    Timestamp::from_unix(seconds).or_else(|| Timestamp::from_unix(0))
}

/// The name of the transaction of a complete package name.
pub(super) fn name(fmri: &Fmri) -> Result<String> {
    let incomplete = || RepositoryError::Name {
        fmri: fmri.to_string(),
        why: "the version must have a timestamp".to_owned(),
    };
    let time = fmri.version().and_then(zones_ips::Version::timestamp);
    let seconds = time.ok_or_else(incomplete)?.unix_seconds();
    let text = fmri.to_string();
    let long = format!("{seconds}_{}", quote::quote(&text));
    if long.len() <= NAME_LEN_MAX {
        return Ok(long);
    }
    Ok(format!(
        "{seconds}_{}",
        Digest::of(Algorithm::Sha1, text.as_bytes())
    ))
}

/// Whether the text is the name of a transaction, and so of a folder.
pub(super) fn is_valid(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-~%".contains(&byte);
    let digits = id.split_once('_').map(|(seconds, _)| seconds);
    id.len() <= NAME_LEN_MAX
        && id.bytes().all(is_plain)
        && digits.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
}
