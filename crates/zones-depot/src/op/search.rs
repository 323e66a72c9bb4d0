//! `search`: what package has this?

use std::io::Read;

use zones_repository::search::{REPLY_V1_HEAD, reply_v0, reply_v1};

use super::REFRESH;
use crate::http::head::Method;
use crate::http::reply::{Content, Reply};
use crate::http::target::pairs;
use crate::search::{query, run};
use crate::site::{Answered, Call, Site};

const KIND: &str = "text/plain;charset=utf-8";

/// Queries of one form.
const QUERIES: usize = 16;

/// `search/0/TOKEN`: lines `INDEX FMRI ACTION VALUE`.
pub(super) fn old(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let query = query(&format!("False_2_None_None_{}", call.argument()))?;
    let store = site.store(call.publisher())?;
    let hits = run(site, &store, &query)?;
    let lines = move |out: &mut dyn std::io::Write| {
        let mut batches = hits.chunks(100);
        batches.try_for_each(|batch| out.write_all(reply_v0(batch).as_bytes()))
    };
    Ok(Reply::new(200, KIND, Content::Stream(Box::new(lines))).cached(REFRESH))
}

/// `search/1/QUERY`, or the queries of a form: a first line, then the hits of each query.
pub(super) fn search(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let queries: Vec<String> = match call.request.head.method {
        Method::Post => form(call)?,
        _ => vec![call.argument()],
    };
    let store = site.store(call.publisher())?;
    let mut found = Vec::new();
    for text in &queries {
        found.push(run(site, &store, &query(text)?)?);
    }
    if found.iter().all(Vec::is_empty) {
        return Ok(Reply::new(204, "", Content::Empty).cached(REFRESH));
    }
    let lines = move |out: &mut dyn std::io::Write| {
        out.write_all(REPLY_V1_HEAD.as_bytes())?;
        let mut numbered = found.iter().enumerate();
        numbered.try_for_each(|(number, hits)| {
            let mut batches = hits.chunks(100);
            batches.try_for_each(|batch| out.write_all(reply_v1(number, batch).as_bytes()))
        })
    };
    Ok(Reply::new(200, KIND, Content::Stream(Box::new(lines))).cached(REFRESH))
}

/// The values of a form, in the order of its keys.
fn form(call: &mut Call<'_, '_>) -> Result<Vec<String>, Reply> {
    /// Queries are short.
    const LONGEST: u64 = 64 * 1024;
    let mut text = String::new();
    let wrong = || Reply::refusal(400, "The body is no form of some queries.");
    let mut body = (&mut *call.request.body).take(LONGEST);
    body.read_to_string(&mut text).map_err(|_| wrong())?;
    let mut all = pairs(&text).ok_or_else(wrong)?;
    all.sort_by_key(|(key, _)| key.parse::<u32>().unwrap_or(u32::MAX));
    match all.len() {
        1..=QUERIES => Ok(all.into_iter().map(|(_, query)| query).collect()),
        _ => Err(wrong()),
    }
}
