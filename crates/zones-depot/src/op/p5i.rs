//! `p5i`: a file that makes a package manager install packages from here.

use zones_ips::Pattern;
use zones_ips::catalog::BASE;
use zones_ips::p5i::{MIME, P5i};
use zones_ips::pattern::VersionPattern;

use super::{FOREVER, publisher};
use crate::http::reply::Reply;
use crate::site::{Answered, Call, Site};

/// `p5i/0/PATTERN`, with or without `.p5i` at its end.
pub(super) fn p5i(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let text = call.argument();
    let text = text.strip_suffix(".p5i").unwrap_or(&text);
    let wrong = |error| Reply::refusal(400, &format!("{error}"));
    let pattern: Pattern = text.parse().map_err(wrong)?;
    let store = site.store(call.publisher())?;
    let listing = site.listing(&store)?;
    let has_version = *pattern.version() != VersionPattern::Any;
    let entries = listing.part(BASE).into_iter().flat_map(|base| base.iter());
    let mut packages: Vec<String> = entries
        .filter(|(fmri, _)| pattern.match_fmri(fmri).is_some())
        .map(|(fmri, _)| match has_version {
            true => format!(
                "{}@{}",
                fmri.stem(),
                fmri.version().map_or_else(String::new, ToString::to_string)
            ),
            false => fmri.stem().to_string(),
        })
        .collect();
    packages.dedup();
    if packages.is_empty() {
        let message = "No matching package found in repository.";
        return Err(Reply::refusal(404, message));
    }
    let mut info = publisher::describe(site, &store);
    info.packages = packages;
    let text = P5i::new(vec![info], Vec::new()).to_text();
    Ok(Reply::text(MIME, text).cached(FOREVER))
}
