//! `search`: what package has this?

use std::io::Write;

use super::REFRESH;
use crate::http::head::Method;
use crate::http::percent::encode;
use crate::http::reply::{Content, Reply};
use crate::http::target::pairs;
use crate::search::{Asked, Hit, run};
use crate::site::{Answered, Call, Site};

const KIND: &str = "text/plain;charset=utf-8";

/// `search/0/TOKEN`: lines `INDEX FMRI ACTION VALUE`.
pub(super) fn old(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let asked = Asked {
        text: call.argument(),
        ..Asked::default()
    };
    let store = site
        .stock
        .store(call.publisher())
        .map_err(|error| site.refuse(&error))?;
    let hits = run(site, &store, &asked)?;
    let lines = move |out: &mut dyn Write| {
        hits.iter().try_for_each(|hit| {
            let Hit {
                fmri,
                index,
                action,
                value,
                ..
            } = hit;
            writeln!(out, "{index} {fmri} {action} {value}")
        })
    };
    Ok(Reply::new(200, KIND, Content::Stream(Box::new(lines))).cached(REFRESH))
}

/// `search/1/QUERY`, or the queries of a form: a first line, then the hits of each query.
pub(super) fn search(site: &Site, call: &mut Call<'_, '_>) -> Answered {
    let wrong = |text: &str| Reply::refusal(400, &format!("'{text}' is no query of this version."));
    let queries: Vec<String> = match call.request.head.method {
        Method::Post => form(call)?,
        _ => vec![call.argument()],
    };
    let store = site
        .stock
        .store(call.publisher())
        .map_err(|error| site.refuse(&error))?;
    let mut lines = Vec::new();
    for (number, query) in queries.iter().enumerate() {
        let asked = parse(query).ok_or_else(|| wrong(query))?;
        for hit in run(site, &store, &asked)? {
            lines.push(match asked.packages {
                true => format!("{number} 1 {}", hit.fmri),
                false => format!(
                    "{number} 2 {} {} {}",
                    hit.fmri,
                    encode(&hit.value),
                    hit.line
                ),
            });
        }
    }
    if lines.is_empty() {
        return Ok(Reply::new(204, "", Content::Empty).cached(REFRESH));
    }
    let body = move |out: &mut dyn Write| {
        writeln!(out, "Return from search v1")?;
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    };
    Ok(Reply::new(200, KIND, Content::Stream(Box::new(body))).cached(REFRESH))
}

/// The values of a form, in the order of its keys.
fn form(call: &mut Call<'_, '_>) -> Result<Vec<String>, Reply> {
    /// Queries are short.
    const LONGEST: u64 = 64 * 1024;
    let mut text = String::new();
    let mut body = std::io::Read::take(&mut *call.request.body, LONGEST);
    let read = std::io::Read::read_to_string(&mut body, &mut text);
    let wrong = || Reply::refusal(400, "The body is no form.");
    read.map_err(|_| wrong())?;
    let mut all = pairs(&text).ok_or_else(wrong)?;
    all.sort_by_key(|(key, _)| key.parse::<u32>().unwrap_or(u32::MAX));
    match all.is_empty() {
        true => Err(wrong()),
        false => Ok(all.into_iter().map(|(_, query)| query).collect()),
    }
}

/// `CASE_RETURN_NUMBER_START_TEXT`.
fn parse(query: &str) -> Option<Asked> {
    let mut words = query.splitn(5, '_');
    let mut next = || words.next();
    let is_case_sensitive = match next()? {
        "True" => true,
        "False" => false,
        _ => return None,
    };
    let packages = match next()? {
        "1" => true,
        "2" => false,
        _ => return None,
    };
    let number = |word: &str| match word {
        "None" | "" => Some(None),
        _ => word.parse::<usize>().ok().map(Some),
    };
    let most = number(next()?)?;
    let skipped = number(next()?)?.unwrap_or(0);
    let text = next()?.to_owned();
    (!text.trim().is_empty()).then_some(Asked {
        text,
        is_case_sensitive,
        most,
        skipped,
        packages,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn queries() {
        let asked = parse("False_2_None_None_foo_bar").expect("legal");
        assert_eq!(asked.text, "foo_bar");
        assert!(!asked.packages && !asked.is_case_sensitive);
        let asked = parse("True_1_10_5_a b").expect("legal");
        assert!(asked.packages && asked.is_case_sensitive);
        assert_eq!((asked.most, asked.skipped), (Some(10), 5));
        for text in [
            "",
            "foo",
            "False_2_None_None_",
            "No_2_None_None_x",
            "False_3_None_None_x",
            "False_2_-1_None_x",
            "False_2_None",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
