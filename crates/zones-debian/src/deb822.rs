//! Paragraphs of `Field: value` lines. Source: deb822(5).

/// One paragraph, still as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paragraph<'a>(pub(crate) &'a str);

impl<'a> Paragraph<'a> {
    /// All of it, as it is.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.0
    }

    /// All fields in order: name and raw value (with its continuation lines).
    pub fn fields(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            loop {
                if rest.is_empty() {
                    return None;
                }
                let end = value_end(rest);
                let (field, after) = rest.split_at(end);
                rest = after;
                if let Some((name, value)) = field.split_once(':')
                    && !field.starts_with(['#', ' ', '\t', '\n'])
                {
                    return Some((name, value.trim()));
                }
            }
        })
    }

    /// The raw value of a field, whatever the case of its name.
    #[must_use]
    pub fn field(self, name: &str) -> Option<&'a str> {
        self.fields()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|f| f.1)
    }
}

/// End of the first field: the line break in front of a line that is no continuation.
fn value_end(text: &str) -> usize {
    let mut from = 0;
    while let Some(at) = text[from..].find('\n') {
        from += at + 1;
        match text.as_bytes().get(from) {
            // Comment lines may stand inside of a value.
            Some(b' ' | b'\t') => {}
            _ => return from,
        }
    }
    text.len()
}

/// Splits a text into paragraphs, at empty lines.
pub fn paragraphs(text: &str) -> impl Iterator<Item = Paragraph<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(['\n', '\r']);
        if rest.is_empty() {
            return None;
        }
        let end = rest.find("\n\n").map_or(rest.len(), |at| at + 1);
        let (now, after) = rest.split_at(end);
        rest = after;
        Some(Paragraph(now))
    })
}

#[cfg(test)]
mod tests {
    use super::paragraphs;

    #[test]
    fn fields_and_continuation_lines() {
        let text = "\nA: 1\nB: x\n y\n .\n z\nc:\n\n\n# remark\nA: 2\n";
        let all: Vec<_> = paragraphs(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].field("b"), Some("x\n y\n .\n z"));
        assert_eq!(all[0].field("C"), Some(""));
        assert_eq!(all[0].field("D"), None);
        assert_eq!(all[1].field("A"), Some("2"));
        assert_eq!(all[1].fields().count(), 1);
    }
}
