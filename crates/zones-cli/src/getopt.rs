//! Options as getopt_long(3) reads them: they end at the first word that is none.

/// An option that is known.
pub(crate) struct Known {
    /// `-x`, or NUL.
    pub(crate) short: char,
    /// `--long`, or nothing.
    pub(crate) long: &'static str,
    /// Whether a value follows.
    pub(crate) has_value: bool,
}

/// `-x`.
pub(crate) const fn flag(short: char, long: &'static str) -> Known {
    Known {
        short,
        long,
        has_value: false,
    }
}

/// `-x VALUE`.
pub(crate) const fn value(short: char, long: &'static str) -> Known {
    Known {
        short,
        long,
        has_value: true,
    }
}

/// What was given.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Name (long, else short) and value, in their order.
    found: Vec<(String, String)>,
    /// What follows the options.
    pub(crate) words: Vec<String>,
}

impl Known {
    fn name(&self) -> String {
        match self.long {
            "" => self.short.to_string(),
            long => long.to_owned(),
        }
    }
}

impl Given {
    /// Reads the words of a command line.
    pub(crate) fn parse(args: &[String], known: &[Known]) -> Result<Self, String> {
        let mut given = Self::default();
        let mut args = args.iter();
        while let Some(word) = args.next() {
            if word == "--" {
                given.words.extend(args.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                let row = known
                    .iter()
                    .find(|row| !name.is_empty() && row.long == name);
                let row = row.ok_or_else(|| format!("illegal option -- {name}"))?;
                given.push(row, value, &mut args)?;
            } else if word.len() > 1 && word.starts_with('-') {
                given.cluster(&word[1..], known, &mut args)?;
            } else {
                given.words.push(word.clone());
                given.words.extend(args.by_ref().cloned());
            }
        }
        Ok(given)
    }

    /// Reads further options, which follow a word.
    pub(crate) fn more(&mut self, args: &[String], known: &[Known]) -> Result<(), String> {
        let more = Self::parse(args, known)?;
        self.found.extend(more.found);
        self.words.extend(more.words);
        Ok(())
    }

    /// `-abVALUE`.
    fn cluster(
        &mut self,
        cluster: &str,
        known: &[Known],
        args: &mut std::slice::Iter<'_, String>,
    ) -> Result<(), String> {
        for (at, letter) in cluster.char_indices() {
            let row = known.iter().find(|row| row.short == letter);
            let row = row.ok_or_else(|| format!("illegal option -- {letter}"))?;
            let rest = &cluster[at + letter.len_utf8()..];
            if row.has_value {
                let own = (!rest.is_empty()).then(|| rest.to_owned());
                return self.push(row, own, args);
            }
            self.push(row, None, args)?;
        }
        Ok(())
    }

    fn push(
        &mut self,
        row: &Known,
        value: Option<String>,
        args: &mut std::slice::Iter<'_, String>,
    ) -> Result<(), String> {
        let name = row.name();
        let value = match (row.has_value, value) {
            (true, None) => {
                let next = args.next().cloned();
                next.ok_or_else(|| format!("option '{name}' needs a value"))?
            }
            (false, Some(_)) => return Err(format!("option '{name}' takes no value")),
            (_, value) => value.unwrap_or_default(),
        };
        self.found.push((name, value));
        Ok(())
    }

    /// Whether the option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.found.iter().any(|(known, _)| known == name)
    }

    /// The last value of an option.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.found.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }

    /// All values of an option.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.found.iter().filter(move |(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Known; 4] = [
        flag('n', ""),
        value('s', ""),
        value('F', "format"),
        flag('\0', "raw"),
    ];

    fn given(line: &str) -> Result<Given, String> {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        Given::parse(&words, &KNOWN)
    }

    #[test]
    fn options_are_read_in_all_forms() {
        for line in ["-ns x -Fy", "-n -sx --format=y", "-s x -n --format y --"] {
            let it = given(&format!("{line} a -n")).unwrap();
            assert!(it.has("n") && !it.has("raw"), "{line}");
            assert_eq!(
                (it.get("s"), it.get("format")),
                (Some("x"), Some("y")),
                "{line}"
            );
            assert_eq!(it.words, ["a", "-n"], "{line}");
        }
        assert_eq!(given("-s a -s b").unwrap().all("s").count(), 2);
        for bad in ["-x", "--x", "-s", "--raw=x", "--format"] {
            assert!(given(bad).is_err(), "{bad}");
        }
    }
}
