//! Command lines in manifests.

use serde::Deserialize;

/// A command line as it stands in a manifest: words, in which `%z` is the zone, `%R` its zonepath,
/// `%Z` the zone and `%u` the user (for logins), `%%` a percent sign.
///
/// It is split into words first and filled in afterwards, and no shell sees it: a blank or a quote
/// in a zonepath stays what it is. Quotes keep blanks together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CommandLine(Vec<String>);

/// What a command line is filled in with.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)]
pub struct Words<'a> {
    pub zone: &'a str,
    pub zonepath: &'a str,
    pub user: &'a str,
}

impl TryFrom<String> for CommandLine {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let words = split(&text)?;
        if words.is_empty() {
            return Err("the command line is empty".to_owned());
        }
        Ok(Self(words))
    }
}

impl CommandLine {
    /// The words, filled in, with `more` appended.
    #[must_use]
    pub fn fill(&self, words: Words<'_>, more: &[String]) -> Vec<String> {
        let own = self.0.iter().map(|word| fill(word, words));
        own.chain(more.iter().cloned()).collect()
    }
}

fn fill(word: &str, words: Words<'_>) -> String {
    let mut text = String::with_capacity(word.len());
    let mut chars = word.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        match chars.next() {
            Some('z' | 'Z') => text.push_str(words.zone),
            Some('R') => text.push_str(words.zonepath),
            Some('u') => text.push_str(words.user),
            Some('%') | None => text.push('%'),
            Some(other) => text.extend(['%', other]),
        }
    }
    text
}

fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            blank if blank.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let into = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some(end) if end == char => break,
                        Some('\\') if char == '"' => into.extend(chars.next()),
                        Some(other) => into.push(other),
                        None => return Err(format!("a quote is not closed in `{text}`")),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_first_and_filled_in_afterwards() {
        let words = Words {
            zone: "z1",
            zonepath: "/my zones/'z1'; rm -rf /",
            user: "jo",
        };
        for (line, want) in [
            ("install -z %z", vec!["install", "-z", "z1"]),
            ("a  -R %R", vec!["a", "-R", "/my zones/'z1'; rm -rf /"]),
            (
                "login '-h zone:%Z' -f %u",
                vec!["login", "-h zone:z1", "-f", "jo"],
            ),
            (r#"x "a \" b" c\ d ''"#, vec!["x", "a \" b", "c d", ""]),
            ("x %% %q 100%", vec!["x", "%", "%q", "100%"]),
        ] {
            let line = CommandLine::try_from(line.to_owned()).unwrap();
            assert_eq!(line.fill(words, &[]), want);
        }
    }

    #[test]
    fn further_arguments_are_not_filled_in() {
        let line = CommandLine::try_from("x %z".to_owned()).unwrap();
        let more = ["%z".to_owned(), "a b".to_owned()];
        let words = Words {
            zone: "z1",
            ..Words::default()
        };
        assert_eq!(line.fill(words, &more), ["x", "z1", "%z", "a b"]);
    }

    #[test]
    fn wrong_lines_are_refused() {
        for line in ["", "  ", "x 'y"] {
            assert!(CommandLine::try_from(line.to_owned()).is_err(), "{line}");
        }
    }
}
