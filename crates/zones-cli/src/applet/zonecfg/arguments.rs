//! The command line.

/// Which zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `-z`
    Name(String),
    /// `-u`
    Uuid(String),
    /// `help` without a zone.
    HelpOnly(Option<String>),
}

/// Where the commands come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Commands {
    /// Standard input.
    Stdin,
    /// `-f`
    File(String),
    /// The operands, joined by blanks.
    Arguments(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) target: Target,
    pub(super) commands: Commands,
    /// `-r`: the running zone, not what is stored.
    pub(super) live: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UsageError {
    /// `-?`
    Help,
    /// No argument at all.
    Empty,
    /// What is wrong.
    Wrong(String),
}

/// Reads options up to the first operand, as getopt does; a value may be joined to its letter.
pub(super) fn parse(args: &[String]) -> Result<Arguments, UsageError> {
    if args.is_empty() {
        return Err(UsageError::Empty);
    }
    let (mut target, mut file, mut live) = (None, None, false);
    let mut rest = args.iter();
    let mut operands = Vec::new();
    while let Some(arg) = rest.next() {
        let letter = match arg.strip_prefix('-').and_then(|text| text.chars().next()) {
            Some(_) if arg == "--" => {
                operands.extend(rest.by_ref());
                break;
            }
            Some(letter) => letter,
            None => {
                operands.push(arg);
                operands.extend(rest.by_ref());
                break;
            }
        };
        if letter == '?' {
            return Err(UsageError::Help);
        }
        if let Some(rest) = arg.strip_prefix("-r") {
            live = true;
            if !rest.is_empty() {
                return Err(UsageError::Wrong(format!("illegal option -- {}", &rest)));
            }
            continue;
        }
        if !"zufR".contains(letter) {
            return Err(UsageError::Wrong(format!("illegal option -- {letter}")));
        }
        let joined = &arg[2..];
        let value = match joined {
            "" => rest.next().cloned(),
            joined => Some(joined.to_owned()),
        };
        let missing = || UsageError::Wrong(format!("option requires an argument -- {letter}"));
        let value = value.ok_or_else(missing)?;
        match letter {
            'z' => target = Some(Target::Name(value)),
            'u' => target = Some(Target::Uuid(value)),
            'f' => file = Some(value),
            // The caller has made the layout from it.
            _ => {}
        }
    }
    let words: Vec<&str> = operands.iter().map(|word| word.as_str()).collect();
    let commands = match (file, words.as_slice()) {
        (Some(_), [_, ..]) => {
            let text = "commands may come from -f or from the command line, not from both";
            return Err(UsageError::Wrong(text.to_owned()));
        }
        (Some(file), []) => Commands::File(file),
        (None, []) => Commands::Stdin,
        (None, words) => Commands::Arguments(words.join(" ")),
    };
    let target = match (target, words.as_slice()) {
        (Some(target), _) => target,
        (None, ["help"]) => Target::HelpOnly(None),
        (None, ["help", subject, ..]) => Target::HelpOnly(Some((*subject).to_owned())),
        (None, _) => return Err(UsageError::Wrong("no zone: -z is missing".to_owned())),
    };
    Ok(Arguments {
        target,
        commands,
        live,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, UsageError> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&args)
    }

    #[test]
    fn options_come_before_operands() {
        let web = Target::Name("web".to_owned());
        let arguments = parsed("-R /alt -z web info net").unwrap();
        assert_eq!(arguments.target, web);
        assert_eq!(
            arguments.commands,
            Commands::Arguments("info net".to_owned())
        );
        assert!(!arguments.live);
        assert!(parsed("-z web -r info").unwrap().live);
        assert!(parsed("-r -z web").unwrap().live);
        assert_eq!(
            parsed("-zweb -f -").unwrap().commands,
            Commands::File("-".to_owned())
        );
        assert_eq!(
            parsed("-z web delete -F").unwrap().commands,
            Commands::Arguments("delete -F".to_owned())
        );
        assert_eq!(
            parsed("help set").unwrap().target,
            Target::HelpOnly(Some("set".to_owned()))
        );
    }

    #[test]
    fn wrong_usage_is_named() {
        assert_eq!(parsed(""), Err(UsageError::Empty));
        assert_eq!(parsed("-?"), Err(UsageError::Help));
        for bad in [
            "info",
            "-z",
            "-x",
            "-rx -z web",
            "-f file",
            "-z web -f file info",
        ] {
            assert!(matches!(parsed(bad), Err(UsageError::Wrong(_))), "{bad}");
        }
    }
}
