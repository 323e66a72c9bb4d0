//! `manifest`: what a package is made of.

use zones_ips::Fmri;
use zones_repository::RepositoryError;

use super::FOREVER;
use crate::http::reply::{Content, Reply, Served};
use crate::site::{Answered, Call, Site};

/// `manifest/0/NAME@VERSION`.
pub(super) fn get(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let fmri = complete(call)?;
    let store = site.store(fmri.publisher().or_else(|| call.publisher()))?;
    let file = store.manifest_file(&fmri);
    let file = file.map_err(|error| unfound(site, &fmri, &error))?;
    let served = Served::new(file).map_err(|_| missing(&fmri))?;
    Ok(Reply::new(200, "text/plain;charset=utf-8", Content::File(served)).cached(FOREVER))
}

/// The reply to an error of the repository over one package.
pub(super) fn unfound(site: &Site, fmri: &Fmri, error: &RepositoryError) -> Reply {
    match error {
        RepositoryError::NoPackage(_) => missing(fmri),
        other => site.refuse(other),
    }
}

fn missing(fmri: &Fmri) -> Reply {
    let message = format!("No manifest could be found for the FMRI: '{fmri}'.");
    Reply::refusal(404, &message)
}

/// The package that the arguments name, whole version and all.
pub(super) fn complete(call: &Call<'_, '_>) -> Result<Fmri, Reply> {
    let text = call.argument();
    let refused = |message: &str| Reply::refusal(400, message);
    let fmri: Fmri = text.parse().map_err(|error| refused(&format!("{error}")))?;
    let is_complete = fmri
        .version()
        .is_some_and(|version| version.timestamp().is_some());
    if !is_complete {
        let message = format!("Illegal FMRI '{text}': a version with its time is needed");
        return Err(refused(&message));
    }
    if fmri.publisher().is_some()
        && call
            .publisher()
            .is_some_and(|one| fmri.publisher() != Some(one))
    {
        let message = format!("Illegal FMRI '{text}': the path names another publisher");
        return Err(refused(&message));
    }
    Ok(fmri)
}
