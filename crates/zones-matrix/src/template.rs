//! `{name}` in texts of a matrix file: plain substitution, no expressions, no code.

use std::fmt;

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TemplateFault {
    /// A name that means nothing here.
    Unknown(String),
    /// A brace that is never closed, or holds something that is no name.
    Brace,
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "`{{{name}}}` means nothing here"),
            Self::Brace => f.write_str("`{` opens no name"),
        }
    }
}

/// Replaces each `{name}` by what `lookup` has for it. `{{` and `}}` are braces.
pub(crate) fn expand<'a>(
    text: &str,
    lookup: impl Fn(&str) -> Option<&'a str>,
) -> Result<String, TemplateFault> {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
        } else if brace == "}" {
            out.push('}');
        } else {
            let end = rest.find('}').ok_or(TemplateFault::Brace)?;
            let name = &rest[..end];
            let is_part = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
            if name.is_empty() || !name.bytes().all(is_part) {
                return Err(TemplateFault::Brace);
            }
            out.push_str(lookup(name).ok_or_else(|| TemplateFault::Unknown(name.to_owned()))?);
            rest = &rest[end + 1..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_nothing_else() {
        let lookup = |name: &str| (name == "suite").then_some("trixie");
        let cases = [
            ("{suite}-x", Ok("trixie-x")),
            ("a {{suite}} }", Ok("a {suite} }")),
            ("{suit}", Err(TemplateFault::Unknown("suit".to_owned()))),
            ("awk '{print $1}'", Err(TemplateFault::Brace)),
            ("{suite", Err(TemplateFault::Brace)),
            ("{}", Err(TemplateFault::Brace)),
        ];
        for (text, wanted) in cases {
            assert_eq!(expand(text, lookup), wanted.map(str::to_owned), "{text}");
        }
    }
}
