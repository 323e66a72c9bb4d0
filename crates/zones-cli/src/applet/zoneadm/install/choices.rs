//! The command line of `zoneadm install`, for all brands.

use std::path::PathBuf;

use zones_brand::{Choices, Installer};

use crate::report::USAGE;

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) choices: Choices,
    /// `-c`: settings for the first boot.
    pub(super) sysconfig: Option<PathBuf>,
    /// What goes to the brand's hooks.
    pub(super) operands: Vec<String>,
}

/// Every option takes a value.
const OPTIONS: [&str; 11] = [
    "-P",
    "-a",
    "-b",
    "-d",
    "-c",
    "-e",
    "--suite",
    "--arch",
    "--include",
    "--variant",
    "--keyring",
];

/// `letters` are those that the brand's hook takes (`installopts`); where the hook does all of the
/// installation, there are no others.
pub(super) fn parse(args: &[String], installer: Installer, letters: &str) -> Result<Wanted, u8> {
    let parsed = match installer {
        Installer::Hook => hook_only(args, letters),
        _ => try_parse(args, letters),
    };
    parsed.map_err(|text| {
        eprintln!("zoneadm: install: {text}");
        eprintln!(
            "usage:\tzoneadm -z zone install [brand-specific args]; see `zoneadm help install`"
        );
        USAGE
    })
}

/// What options of a zone from a Debian mirror say.
pub(super) fn of_mirror(args: &[String]) -> Result<Choices, String> {
    Ok(try_parse(args, "")?.choices)
}

fn hook_only(args: &[String], letters: &str) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if !for_hook(word, letters, &mut words, &mut wanted.operands)? {
            if word.starts_with('-') && word != "-" {
                return Err(format!("unknown option `{word}`"));
            }
            wanted.operands.push(word.clone());
        }
    }
    Ok(wanted)
}

/// Takes `word`, and its value where it has one, when all its letters are the hook's. Source:
/// getopt(3).
fn for_hook(
    word: &str,
    letters: &str,
    words: &mut std::slice::Iter<'_, String>,
    operands: &mut Vec<String>,
) -> Result<bool, String> {
    let Some(given) = word.strip_prefix('-').filter(|given| !given.is_empty()) else {
        return Ok(false);
    };
    for (at, letter) in given.char_indices() {
        let known = letters.match_indices(letter).next();
        let Some((found, _)) = known.filter(|_| letter != ':') else {
            return Ok(false);
        };
        if letters[found + letter.len_utf8()..].starts_with(':') {
            operands.push(word.to_owned());
            if at + letter.len_utf8() == given.len() {
                let value = words
                    .next()
                    .ok_or_else(|| format!("-{letter} needs a value"))?;
                operands.push(value.clone());
            }
            return Ok(true);
        }
    }
    operands.push(word.to_owned());
    Ok(true)
}

fn try_parse(args: &[String], letters: &str) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        if !OPTIONS.contains(&name) {
            if for_hook(word, letters, &mut words, &mut wanted.operands)? {
                continue;
            }
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

/// The words of a list with commas.
fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(',').filter(|name| !name.is_empty());
    words.map(str::to_owned)
}

fn set(wanted: &mut Wanted, name: &str, value: String) -> Result<(), String> {
    let choices = &mut wanted.choices;
    match name {
        // The form of OpenSolaris 2008.05, where publishers had names.
        "-a" => choices.archive = Some(value),
        "-b" => choices.base = Some(value),
        "-P" => choices.publisher = Some(value),
        "-e" => choices.extra.extend(words(&value)),
        "-d" => choices.directory = Some(PathBuf::from(value)),
        "-c" => wanted.sysconfig = Some(PathBuf::from(value)),
        "--suite" => choices.suite = Some(value),
        "--arch" => choices.arch = Some(value),
        "--keyring" => choices.keyring = Some(PathBuf::from(value)),
        "--include" => choices.include.extend(words(&value)),
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
        try_parse(&split(line), "q:x")
    }

    fn split(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn letters_of_the_brand_go_to_its_hook() {
        let wanted = parse("-x --suite=trixie -q 10g -xq5").unwrap();
        assert_eq!(wanted.operands, ["-x", "-q", "10g", "-xq5"]);
        assert_eq!(wanted.choices.suite.as_deref(), Some("trixie"));
        let all = split("-q 10g image -x -- y");
        assert_eq!(hook_only(&all, "q:x").unwrap_err(), "unknown option `--`");
        assert_eq!(hook_only(&all[..4], "q:x").unwrap().operands, all[..4]);
        assert_eq!(
            hook_only(&split("-q"), "q:x").unwrap_err(),
            "-q needs a value"
        );
        assert_eq!(parse("-y").unwrap_err(), "unknown option `-y`");
    }

    #[test]
    fn options_are_understood_in_both_forms() {
        let wanted = parse("-P test=http://example.org/ -e web/server,shell/bash -e vim").unwrap();
        assert_eq!(
            wanted.choices.publisher.as_deref(),
            Some("test=http://example.org/")
        );
        assert_eq!(wanted.choices.extra, ["web/server", "shell/bash", "vim"]);
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
