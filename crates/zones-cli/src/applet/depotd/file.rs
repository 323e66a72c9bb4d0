//! The configuration file of a depot: section `pkg` with properties as the options have them.

use std::path::Path;

use super::options::{Options, ROWS};

/// Sections of the original that mean nothing here.
const OTHERS: [&str; 4] = ["pkg_bui", "pkg_secure", "nasty", "CONFIGURATION"];
/// Properties of the original that mean nothing here.
const IGNORED: [&str; 7] = [
    "debug",
    "image_root",
    "ll_mirror",
    "pkg_root",
    "sort_file_max_size",
    "ssl_dialog",
    "writable_root",
];

/// Applies what the file says.
pub(super) fn read(path: &Path, options: &mut Options) -> Result<(), String> {
    let failed = |why: String| format!("`{}`: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    apply(&text, options).map_err(|(line, why)| failed(format!("line {line}: {why}")))
}

fn apply(text: &str, options: &mut Options) -> Result<(), (usize, String)> {
    let mut section = String::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let wrong = |why: String| (at + 1, why);
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            if name != "pkg" && !OTHERS.contains(&name) {
                return Err(wrong(format!("unknown section [{name}]")));
            }
            name.clone_into(&mut section);
            continue;
        }
        if section.is_empty() {
            return Err(wrong(
                "nothing can stand before the section [pkg]".to_owned(),
            ));
        }
        let pair = line.split_once('=');
        let (name, value) = pair.ok_or_else(|| wrong("it is not NAME = VALUE".to_owned()))?;
        let (name, value) = (name.trim(), value.trim());
        if section != "pkg" || IGNORED.contains(&name) || matches!(value, "" | "None" | "[]") {
            continue;
        }
        let row = ROWS
            .iter()
            .find(|row| !row.property.is_empty() && row.property == name);
        let row = row.ok_or_else(|| wrong(format!("unknown property `{name}`")))?;
        (row.apply)(options, value).map_err(|why| wrong(format!("{name}: {why}")))?;
    }
    Ok(())
}

/// Words of `a,b` or `['a', 'b']`.
pub(super) fn words(text: &str) -> Vec<String> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    let words = text
        .split(',')
        .map(|word| word.trim().trim_matches(['\'', '"']));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_original() {
        let text = "[CONFIGURATION]\nversion = 1\n\n[pkg]\n# ours\nport = 10000\nthreads = 60\n\
                    readonly = True\ndisable_ops = ['search', 'admin/0']\nlog_access = none\n\
                    ssl_dialog = builtin\nproxy_base = \n[nasty]\nsleep = 1\n";
        let mut options = Options::default();
        apply(text, &mut options).expect("legal");
        assert!(options.config.read_only);
        assert_eq!(options.config.limits.connections, 60);
        assert_eq!(options.config.disabled, ["search", "admin/0"]);
        assert_eq!(options.log_access.as_deref(), Some("none"));
    }

    #[test]
    fn what_a_file_cannot_say() {
        for (text, line) in [
            ("port = 1\n", 1),
            ("[what]\n", 1),
            ("[pkg]\nport\n", 2),
            ("[pkg]\nfrobnicate = 1\n", 2),
            ("[pkg]\n\nport = many\n", 3),
        ] {
            let error = apply(text, &mut Options::default()).err();
            assert_eq!(error.map(|(at, _)| at), Some(line), "{text}");
        }
    }
}
