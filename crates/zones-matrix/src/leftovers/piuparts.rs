//! Ignore lists of piuparts as patterns of noise. Source: piuparts(1), `--ignore`,
//! `--ignore-regex`.

/// What was read from a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// Patterns for [`Noise::with_patterns`](super::Noise::with_patterns).
    pub patterns: Vec<String>,
    /// Lines that were left out, and why.
    pub left: Vec<String>,
}

/// Files that are compared as what they mean here: a list that names them would hide a user.
const MEANT: [&str; 8] = [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/subuid",
    "/etc/subgid",
    "/etc/crontab",
    "/etc/inittab",
];
const PATH: [&str; 3] = ["--ignore=", "--ignore ", "-i "];
const REGEX: [&str; 3] = ["--ignore-regex=", "--ignore-regex ", "-I "];

/// Reads options of piuparts or bare paths, one a line; `#` begins a comment. A regular expression
/// is taken where it is a path with `.*`, `.+`, `[0-9]+` and the like in it.
#[must_use]
pub fn piuparts(text: &str) -> Imported {
    let mut imported = Imported::default();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let after = |starts: &[&str]| starts.iter().find_map(|start| line.strip_prefix(start));
        let pattern = match (after(&REGEX), after(&PATH)) {
            (Some(regex), _) => glob(unquoted(regex)),
            (None, Some(path)) => Ok(unquoted(path).to_owned()),
            (None, None) => Ok(line.to_owned()),
        };
        let pattern = pattern.and_then(|pattern| match pattern.starts_with('/') {
            true => Ok(pattern),
            false => Err("it begins anywhere in a path"),
        });
        match pattern {
            Ok(path) if MEANT.contains(&path.as_str()) => {
                imported
                    .left
                    .push(format!("{line}: its content is compared as what it means"));
            }
            Ok(path) => imported.patterns.push(path),
            Err(why) => imported.left.push(format!("{line}: {why}")),
        }
    }
    imported
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['\'', '"'])
}

/// A pattern that meets all that the expression meets, and little more.
fn glob(regex: &str) -> Result<String, &'static str> {
    let (regex, is_start) = match regex.strip_prefix('^') {
        Some(rest) => (rest, true),
        None => (regex, regex.starts_with('/')),
    };
    if !is_start {
        return Err("it begins anywhere in a path");
    }
    let (regex, is_end) = match regex.strip_suffix('$') {
        Some(rest) if !rest.ends_with('\\') => (rest, true),
        _ => (regex, false),
    };
    let mut out = String::new();
    let mut rest = regex;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        let mut piece = c.to_string();
        match c {
            '\\' => {
                let next = rest[1..].chars().next().ok_or("it ends within an escape")?;
                if next.is_alphanumeric() {
                    return Err("a class of characters is no pattern");
                }
                piece = next.to_string();
                length = 1 + next.len_utf8();
            }
            '.' => piece = "?".to_owned(),
            '[' => {
                length = rest.find(']').ok_or("a set is not closed")? + 1;
                piece = "?".to_owned();
            }
            '(' | ')' | '|' | '{' | '}' | '+' | '*' | '?' => {
                return Err("groups and choices are no pattern");
            }
            _ => {}
        }
        rest = &rest[length..];
        if let Some(after) = rest.strip_prefix(['*', '+']) {
            rest = after;
            // A dot meets slashes, a set does not need to.
            piece = if c == '.' { "**" } else { "*" }.to_owned();
        }
        out += &piece;
    }
    if !is_end {
        out += "**";
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_patterns_but_never_hide_users() {
        let text = "# comment\n-i /var/log/acme.log\n--ignore=/etc/passwd\n\
                    --ignore-regex='^/etc/ssl/certs/.*\\.pem$'\n-I ^/var/lib/x-[0-9]+$\n\
                    -I /usr/share/doc\n-I (a|b)\n/var/games\n-I \\.pyc$\n";
        let imported = piuparts(text);
        let wanted = [
            "/var/log/acme.log",
            "/etc/ssl/certs/**.pem",
            "/var/lib/x-*",
            "/usr/share/doc**",
            "/var/games",
        ];
        assert_eq!(imported.patterns, wanted);
        assert_eq!(imported.left.len(), 3, "{:?}", imported.left);
        assert!(imported.left[0].contains("means"), "{:?}", imported.left);
    }
}
