//! The target of a request: path and query, decoded piece by piece.

use super::percent::{decode, decode_form};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Target {
    /// Segments of the path, each decoded by itself: a `%2F` does not part them. A slash at the end
    /// leaves an empty last one.
    pub(crate) path: Vec<String>,
    /// Pairs of the query.
    pub(crate) query: Vec<(String, String)>,
    /// The query as it came.
    pub(crate) raw_query: String,
}

impl Target {
    /// Takes `/path?query` and `http://host/path?query`; `None` for anything else and for what
    /// cannot be decoded.
    pub(crate) fn parse(raw: &str) -> Option<Self> {
        let raw = match raw.split_once("://") {
            Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
                rest.find('/').map_or("/", |at| &rest[at..])
            }
            _ => raw,
        };
        let raw = raw.split('#').next().unwrap_or_default();
        let (path, query) = raw.split_once('?').unwrap_or((raw, ""));
        let path = path.strip_prefix('/')?;
        let path: Option<Vec<String>> = path.split('/').map(decode).collect();
        Some(Self {
            path: path?,
            query: pairs(query)?,
            raw_query: query.to_owned(),
        })
    }

    /// The first value of `key` in the query.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let mut all = self.query.iter();
        all.find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }
}

/// Pairs of a query or of a form.
pub(crate) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |word: &str| {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        Some((decode_form(key)?, decode_form(value)?))
    };
    text.split('&')
        .filter(|word| !word.is_empty())
        .map(pair)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let rows: &[(&str, Option<&[&str]>)] = &[
            ("/", Some(&[""])),
            ("/versions/0/", Some(&["versions", "0", ""])),
            ("/manifest/0/a%2Fb@1,2", Some(&["manifest", "0", "a/b@1,2"])),
            ("http://example.org/file/0/ab", Some(&["file", "0", "ab"])),
            ("http://example.org", Some(&[""])),
            ("/..%2f../x", Some(&["../..", "x"])),
            ("*", None),
            ("example.org:80", None),
            ("/a%", None),
            ("/a%00b", None),
            ("", None),
        ];
        for (raw, path) in rows {
            let parsed = Target::parse(raw).map(|target| target.path);
            let wanted = path.map(|path| path.iter().map(ToString::to_string).collect());
            assert_eq!(parsed, wanted, "{raw}");
        }
        let target = Target::parse("/admin/0?cmd=refresh&x=a+b%26#frag").expect("it is legal");
        assert_eq!(target.value("cmd"), Some("refresh"));
        assert_eq!(target.value("x"), Some("a b&"));
        assert_eq!(target.value("y"), None);
    }
}
