//! Options of `zones matrix image`, the same for all subcommands.

use std::path::PathBuf;

use zones_types::Bytes;

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// `-f`: the matrix file.
    pub(super) file: Option<PathBuf>,
    /// `-d`: where images and cells are.
    pub(super) folder: Option<PathBuf>,
    /// `--offline`.
    pub(super) offline: bool,
    /// `-j`.
    pub(super) jobs: Option<usize>,
    /// `--keep`.
    pub(super) keep: Option<usize>,
    /// `--max-size`, in bytes.
    pub(super) max_size: Option<u64>,
    /// `-p`.
    pub(super) parsable: bool,
    /// `-o json`.
    pub(super) json: bool,
    /// What is no option.
    pub(super) words: Vec<String>,
}

impl Options {
    pub(super) fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let (name, inline) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (word.as_str(), None),
            };
            let mut value = || {
                let value = inline.clone().or_else(|| words.next().cloned());
                value.ok_or_else(|| format!("{name} needs a value"))
            };
            match name {
                "-f" => options.file = Some(PathBuf::from(value()?)),
                "-d" => options.folder = Some(PathBuf::from(value()?)),
                "-j" => options.jobs = Some(number(name, &value()?)?),
                "--keep" => options.keep = Some(number(name, &value()?)?),
                "--max-size" => {
                    let text = value()?;
                    let wrong = |_| format!("--max-size is a size such as 20G, not `{text}`");
                    options.max_size = Some(text.parse::<Bytes>().map_err(wrong)?.0);
                }
                "--offline" => options.offline = true,
                "-p" => options.parsable = true,
                "-o" => match value()?.as_str() {
                    "json" => options.json = true,
                    other => return Err(format!("-o is `json`, not `{other}`")),
                },
                flag if flag.starts_with('-') && flag != "-" => {
                    return Err(format!("unknown option `{flag}`"));
                }
                _ => options.words.push(word.clone()),
            }
        }
        Ok(options)
    }
}

fn number(name: &str, text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| format!("{name} is a number, not `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn options_come_in_any_order_and_wrong_ones_are_named() {
        let options = parse("a -f m.toml --max-size=2G --keep 3 b -o json").unwrap();
        assert_eq!(options.words, ["a", "b"]);
        assert_eq!((options.max_size, options.keep), (Some(2 << 30), Some(3)));
        assert!(options.json && !options.offline);
        for (line, words) in [
            ("--keep many", "--keep is a number, not `many`"),
            ("-f", "-f needs a value"),
            ("-o xml", "-o is `json`, not `xml`"),
            ("--bogus", "unknown option `--bogus`"),
        ] {
            assert_eq!(parse(line).unwrap_err(), words);
        }
    }
}
