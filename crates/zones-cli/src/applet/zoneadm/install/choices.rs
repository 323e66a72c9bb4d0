//! The command line of `zoneadm install`, for all brands.

use std::path::PathBuf;

use zones_brand::Choices;

use crate::report::USAGE;

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) choices: Choices,
    /// `-c`: settings for the first boot.
    pub(super) sysconfig: Option<PathBuf>,
}

/// Every option takes a value.
const OPTIONS: [&str; 8] = [
    "-a",
    "-d",
    "-c",
    "--suite",
    "--arch",
    "--include",
    "--variant",
    "--keyring",
];

pub(super) fn parse(args: &[String]) -> Result<Wanted, u8> {
    try_parse(args).map_err(|text| {
        eprintln!("zoneadm: install: {text}");
        eprintln!(
            "usage:\tzoneadm -z zone install [brand-specific args]; see `zoneadm help install`"
        );
        USAGE
    })
}

fn try_parse(args: &[String]) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        if !OPTIONS.contains(&name) {
            return Err(format!("unknown option `{word}`"));
        }
        let value = inline.or_else(|| words.next().cloned());
        let value = value
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("{name} needs a value"))?;
        set(&mut wanted, name, value)?;
    }
    Ok(wanted)
}

fn set(wanted: &mut Wanted, name: &str, value: String) -> Result<(), String> {
    let choices = &mut wanted.choices;
    match name {
        // The form of OpenSolaris 2008.05, where publishers had names.
        "-a" => choices.archive = Some(value),
        "-d" => choices.directory = Some(PathBuf::from(value)),
        "-c" => wanted.sysconfig = Some(PathBuf::from(value)),
        "--suite" => choices.suite = Some(value),
        "--arch" => choices.arch = Some(value),
        "--keyring" => choices.keyring = Some(PathBuf::from(value)),
        "--include" => choices.include.extend(
            value
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
        ),
        _ => {
            choices.standard = match value.as_str() {
                "minbase" => false,
                "standard" => true,
                _ => {
                    return Err(format!(
                        "--variant is `minbase` or `standard`, not `{value}`"
                    ));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Wanted, String> {
        try_parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_understood_in_both_forms() {
        let wanted = parse("-a http://example.org/debian --suite=trixie --include a,b --include c --variant standard").unwrap();
        assert_eq!(wanted.choices.include, ["a", "b", "c"]);
        assert_eq!(wanted.choices.suite.as_deref(), Some("trixie"));
        assert!(wanted.choices.standard);
    }

    #[test]
    fn wrong_ones_are_named() {
        assert_eq!(parse("--bogus x").unwrap_err(), "unknown option `--bogus`");
        assert_eq!(parse("--suite").unwrap_err(), "--suite needs a value");
        assert_eq!(
            parse("--variant huge").unwrap_err(),
            "--variant is `minbase` or `standard`, not `huge`"
        );
    }
}
