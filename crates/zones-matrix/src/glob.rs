//! Patterns over ids of cells and over paths. Paths are bytes, so patterns are.

/// A pattern: `?` one byte, `*` any bytes but `/`, `**` any bytes; the rest stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Glob(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Byte(u8),
    One,
    Some,
    Any,
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        let mut tokens = Vec::with_capacity(pattern.len());
        let mut bytes = pattern.bytes().peekable();
        while let Some(byte) = bytes.next() {
            tokens.push(match byte {
                b'?' => Token::One,
                b'*' if bytes.next_if_eq(&b'*').is_some() => {
                    while bytes.next_if_eq(&b'*').is_some() {}
                    Token::Any
                }
                b'*' => Token::Some,
                byte => Token::Byte(byte),
            });
        }
        Self(tokens)
    }

    /// A pattern over text that is no path: each `*` is any bytes.
    pub(crate) fn across(pattern: &str) -> Self {
        let mut glob = Self::new(pattern);
        for token in &mut glob.0 {
            if *token == Token::Some {
                *token = Token::Any;
            }
        }
        glob
    }

    /// Whether the whole of `text` fits. Time is the product of both lengths at most.
    pub(crate) fn matches(&self, text: impl AsRef<[u8]>) -> bool {
        let text = text.as_ref();
        // fits[at]: the tokens so far fit the first `at` bytes.
        let mut fits = vec![false; text.len() + 1];
        fits[0] = true;
        for token in &self.0 {
            let mut before = fits[0];
            match token {
                Token::Some | Token::Any => {
                    let stops = matches!(token, Token::Some);
                    for at in 1..fits.len() {
                        fits[at] |= fits[at - 1] && !(stops && text[at - 1] == b'/');
                    }
                }
                Token::One | Token::Byte(_) => {
                    fits[0] = false;
                    for at in 1..fits.len() {
                        let here = match token {
                            Token::Byte(byte) => text[at - 1] == *byte,
                            _ => text[at - 1] != b'/',
                        };
                        let fit = before && here;
                        before = fits[at];
                        fits[at] = fit;
                    }
                }
            }
        }
        fits[text.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn stars_stop_at_slashes_unless_doubled() {
        let cases: [(&str, &[u8], bool); 11] = [
            ("trixie-*/full/*", b"trixie-amd64/full/fresh", true),
            ("trixie-*/full/*", b"trixie-amd64/full/a/b", false),
            ("*/*/uninstall", b"a/b/uninstall", true),
            ("*/uninstall", b"a/b/uninstall", false),
            ("/var/log/acme/**", b"/var/log/acme/x/y.log", true),
            ("/var/log/acme/**", b"/var/log/acme", false),
            ("/a/**/z", b"/a/b/c/z", true),
            ("?x", b"ax", true),
            ("?x", b"/x", false),
            ("/tmp/*", b"/tmp/\xff\xfe", true),
            ("", b"", true),
        ];
        for (pattern, text, wanted) in cases {
            assert_eq!(
                Glob::new(pattern).matches(text),
                wanted,
                "{pattern} {text:?}"
            );
        }
    }

    #[test]
    fn many_stars_take_no_more_than_a_product() {
        let pattern = "*a".repeat(200);
        assert!(!Glob::new(&pattern).matches("a".repeat(5000) + "b"));
    }
}
