//! The command line of zlogin, with the classic conflicts.

use crate::report::USAGE;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) console: bool,
    pub(super) disconnect_at_halt: bool,
    /// `None`: no escape character.
    pub(super) escape: Option<u8>,
    pub(super) force_terminal: bool,
    pub(super) user: Option<String>,
    pub(super) no_input: bool,
    pub(super) quiet: bool,
    pub(super) failsafe: bool,
    pub(super) zone: String,
    pub(super) command: Vec<String>,
}

const USAGE_LINE: &str =
    "usage: zlogin [-dinCEINQS] [-e cmdchar] [-l user] zonename [command [args ...] ]";

impl Options {
    /// Parses; a wrong line is told on standard error and gives its exit status.
    pub(super) fn parse(args: &[String]) -> Result<Self, u8> {
        Self::try_parse(args).map_err(|text| {
            if !text.is_empty() {
                eprintln!("zlogin: {text}");
            }
            eprintln!("{USAGE_LINE}");
            USAGE
        })
    }

    fn try_parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self {
            escape: Some(b'~'),
            ..Self::default()
        };
        let (mut stdio, mut no_eof) = (false, false);
        let mut words = args.iter();
        let zone = loop {
            let word = words.next().ok_or_else(String::new)?;
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                break word;
            };
            let mut letters = letters.chars();
            while let Some(letter) = letters.next() {
                match letter {
                    'd' => options.disconnect_at_halt = true,
                    'i' => options.force_terminal = true,
                    'n' => options.no_input = true,
                    'C' => options.console = true,
                    'E' => options.escape = None,
                    'I' => stdio = true,
                    'N' => no_eof = true,
                    'Q' => options.quiet = true,
                    'S' => options.failsafe = true,
                    'e' | 'l' => {
                        let rest: String = letters.by_ref().collect();
                        let value = if rest.is_empty() {
                            words.next().cloned()
                        } else {
                            Some(rest)
                        };
                        let value = value.ok_or_else(String::new)?;
                        match letter {
                            'e' => options.escape = Some(escape(&value)?),
                            _ => options.user = Some(value),
                        }
                    }
                    _ => return Err(String::new()),
                }
            }
        };
        options.zone.clone_from(zone);
        options.command = words.cloned().collect();
        if no_eof && !stdio {
            return Err("-N may only be specified with -I".to_owned());
        }
        if stdio {
            return Err(
                "-I is for zones whose init speaks on standard streams; there are none here"
                    .to_owned(),
            );
        }
        options
            .conflict()
            .map_or(Ok(options), |text| Err(text.to_owned()))
    }

    fn conflict(&self) -> Option<&'static str> {
        let table = [
            (
                self.console && self.user.is_some(),
                "-l may not be specified for console login",
            ),
            (
                self.console && self.no_input,
                "-n may not be specified for console login",
            ),
            (
                self.console && self.failsafe,
                "-S may not be specified for console login",
            ),
            (
                self.console && !self.command.is_empty(),
                "Commands may not be specified for console login.",
            ),
            (
                self.disconnect_at_halt && !self.console,
                "-d may only be specified with console login",
            ),
            (
                self.force_terminal && self.no_input,
                "-i and -n flags are incompatible",
            ),
            (
                self.failsafe && self.user.is_some(),
                "-l may not be specified for failsafe login",
            ),
            (
                self.no_input && self.command.is_empty(),
                "-n may not be specified for interactive login",
            ),
        ];
        table
            .into_iter()
            .find(|(wrong, _)| *wrong)
            .map(|(_, text)| text)
    }
}

/// A character, `\\` or `\ooo`.
fn escape(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        b"\\\\" => Ok(b'\\'),
        [b'\\', digits @ ..]
            if !digits.is_empty() && digits.iter().all(|b| (b'0'..=b'7').contains(b)) =>
        {
            let value = digits.iter().fold(0u32, |sum, digit| {
                sum.saturating_mul(8) + u32::from(digit - b'0')
            });
            u8::try_from(value).map_err(|_| format!("Octal escape character '{text}' too large"))
        }
        _ => Err(format!("Unrecognized escape character option {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::try_parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_classic_lines_are_understood() {
        assert_eq!(parse("z1 cat -n x").unwrap().command, ["cat", "-n", "x"]);
        assert_eq!(parse("-l jo z1").unwrap().user.as_deref(), Some("jo"));
        assert_eq!(parse("-ljo z1").unwrap().user.as_deref(), Some("jo"));
        assert_eq!(parse("-e \\035 z1").unwrap().escape, Some(0o35));
        assert_eq!(parse("-e \\\\ z1").unwrap().escape, Some(b'\\'));
        assert_eq!(parse("-E z1").unwrap().escape, None);
        assert!(parse("-CQd z1").unwrap().console);
    }

    #[test]
    fn conflicts_are_named() {
        for (line, text) in [
            ("-C -l jo z1", "-l may not be specified for console login"),
            (
                "-C z1 ls",
                "Commands may not be specified for console login.",
            ),
            ("-d z1", "-d may only be specified with console login"),
            ("-i -n z1 ls", "-i and -n flags are incompatible"),
            ("-S -l jo z1", "-l may not be specified for failsafe login"),
            ("-n z1", "-n may not be specified for interactive login"),
            ("-N z1", "-N may only be specified with -I"),
            ("-e ab z1", "Unrecognized escape character option ab"),
            ("-e \\777 z1", "Octal escape character '\\777' too large"),
            ("-x z1", ""),
            ("-C", ""),
        ] {
            assert_eq!(parse(line).unwrap_err(), text, "{line}");
        }
    }
}
