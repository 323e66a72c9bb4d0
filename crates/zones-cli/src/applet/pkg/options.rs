//! Options as tables: short and long names, with or without a value.

/// One option. `long` names it in the code; a value has a name for the usage text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opt {
    pub(crate) short: Option<char>,
    pub(crate) long: &'static str,
    pub(crate) value: Option<&'static str>,
}

/// An option without a value.
pub(crate) const fn flag(short: char, long: &'static str) -> Opt {
    Opt {
        short: Some(short),
        long,
        value: None,
    }
}

/// An option without a value and without a short name.
pub(crate) const fn long(long: &'static str) -> Opt {
    Opt {
        short: None,
        long,
        value: None,
    }
}

/// An option with a value.
pub(crate) const fn with(short: char, long: &'static str, value: &'static str) -> Opt {
    Opt {
        short: Some(short),
        long,
        value: Some(value),
    }
}

/// An option with a value and without a short name.
pub(crate) const fn long_with(long: &'static str, value: &'static str) -> Opt {
    Opt {
        short: None,
        long,
        value: Some(value),
    }
}

/// What was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    options: Vec<(&'static str, String)>,
    /// What is no option.
    pub(crate) operands: Vec<String>,
}

impl Parsed {
    /// Whether the option was given.
    pub(crate) fn has(&self, long: &str) -> bool {
        self.count(long) > 0
    }

    /// How often the option was given.
    pub(crate) fn count(&self, long: &str) -> usize {
        self.options
            .iter()
            .filter(|(name, _)| *name == long)
            .count()
    }

    /// The last value of an option.
    pub(crate) fn value(&self, long: &str) -> Option<&str> {
        self.values(long).last()
    }

    /// All values of an option.
    pub(crate) fn values(&self, long: &str) -> impl Iterator<Item = &str> {
        let own = self.options.iter().filter(move |(name, _)| *name == long);
        own.map(|(_, value)| value.as_str())
    }
}

/// Reads the words by the tables. `--` ends the options; a single `-` is an operand.
pub(crate) fn parse(tables: &[&[Opt]], args: &[String]) -> Result<Parsed, String> {
    let all = || tables.iter().copied().flatten();
    let mut parsed = Parsed::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            parsed.operands.extend(args.cloned());
            break;
        }
        if arg == "--help" || arg == "-?" {
            parsed.options.push(("help", String::new()));
        } else if let Some(text) = arg.strip_prefix("--") {
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (text, None),
            };
            let opt = all().find(|opt| opt.long == name);
            let opt = opt.ok_or_else(|| format!("illegal option -- --{name}"))?;
            let value = match (opt.value, value) {
                (None, Some(_)) => return Err(format!("option --{name} takes no argument")),
                (None, None) => String::new(),
                (Some(_), Some(value)) => value,
                (Some(_), None) => next(&mut args, &format!("--{name}"))?,
            };
            parsed.options.push((opt.long, value));
        } else if let Some(text) = arg.strip_prefix('-').filter(|text| !text.is_empty()) {
            shorts(text, &all, &mut args, &mut parsed)?;
        } else {
            parsed.operands.push(arg.clone());
        }
    }
    Ok(parsed)
}

/// A word of short options, `-nv` or `-rVALUE`.
fn shorts<'a, I: Iterator<Item = &'a Opt>>(
    text: &str,
    all: &impl Fn() -> I,
    args: &mut std::slice::Iter<'_, String>,
    parsed: &mut Parsed,
) -> Result<(), String> {
    for (at, letter) in text.char_indices() {
        let opt = all().find(|opt| opt.short == Some(letter));
        let opt = opt.ok_or_else(|| format!("illegal option -- {letter}"))?;
        if opt.value.is_none() {
            parsed.options.push((opt.long, String::new()));
            continue;
        }
        let rest = &text[at + letter.len_utf8()..];
        let value = match rest {
            "" => next(args, &format!("-{letter}"))?,
            rest => rest.to_owned(),
        };
        parsed.options.push((opt.long, value));
        break;
    }
    Ok(())
}

fn next(args: &mut std::slice::Iter<'_, String>, option: &str) -> Result<String, String> {
    let value = args.next().cloned();
    value.ok_or_else(|| format!("option {option} requires an argument"))
}

/// The options as a usage line shows them.
pub(crate) fn shown(tables: &[&[Opt]]) -> String {
    let mut text = String::new();
    for opt in tables.iter().copied().flatten() {
        let name = match opt.short {
            Some(letter) => format!("-{letter}"),
            None => format!("--{}", opt.long),
        };
        text += &match opt.value {
            Some(value) => format!(" [{name} {value}]"),
            None => format!(" [{name}]"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Opt] = &[
        flag('n', "trial"),
        flag('v', "verbose"),
        with('r', "root", "DIR"),
    ];
    const MORE: &[Opt] = &[long_with("reject", "PATTERN"), long("accept")];

    #[test]
    fn words_become_options_and_operands() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let parsed = parse(
            &[TABLE, MORE],
            &args("-nvv -rx a --reject=b --reject c - -- -n"),
        )
        .unwrap();
        assert_eq!((parsed.has("trial"), parsed.count("verbose")), (true, 2));
        assert_eq!(parsed.value("root"), Some("x"));
        assert_eq!(parsed.values("reject").collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(parsed.operands, ["a", "-", "-n"]);
        for (bad, why) in [
            ("-x", "illegal option -- x"),
            ("--nothing", "illegal option -- --nothing"),
            ("-r", "option -r requires an argument"),
            ("--accept=1", "option --accept takes no argument"),
        ] {
            assert_eq!(parse(&[TABLE, MORE], &args(bad)).unwrap_err(), why, "{bad}");
        }
    }
}
