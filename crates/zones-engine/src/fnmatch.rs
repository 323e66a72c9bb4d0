//! Shell patterns for device names: `*`, `?`, `[...]`. Source: fnmatch(3), without flags but with
//! `/` matched by nothing but itself.

/// Whether `text` matches `pattern`.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // Greedy with one place to return to: linear in practice, never exponential.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = pattern.get(p).and_then(|&c| match c {
            '*' => None,
            '?' => (text[t] != '/').then_some(1),
            '[' => class(&pattern[p..], text[t]),
            _ => (c == text[t]).then_some(1),
        });
        if let Some(width) = step {
            p += width;
            t += 1;
        } else if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, from)) = star.filter(|&(_, from)| text[from] != '/') {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Width of the class at the start of `pattern` when `c` is in it.
fn class(pattern: &[char], c: char) -> Option<usize> {
    let end = pattern.iter().skip(2).position(|&x| x == ']')? + 2;
    let negated = matches!(pattern[1], '!' | '^');
    let members = &pattern[1 + usize::from(negated)..end];
    let mut found = false;
    let mut at = 0;
    while at < members.len() {
        if members.len() > at + 2 && members[at + 1] == '-' {
            found |= (members[at]..=members[at + 2]).contains(&c);
            at += 3;
        } else {
            found |= members[at] == c;
            at += 1;
        }
    }
    (found != negated && c != '/').then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, text) in [
            ("fuse", "fuse"),
            ("net/*", "net/tun"),
            ("tty[0-9]", "tty3"),
            ("sd?[!x]", "sda1"),
            ("*", "null"),
            ("a*b*c", "aXbYbZc"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("*", "net/tun"),
            ("tty[0-9]", "ttyS"),
            ("fuse", "fuse2"),
            ("a?b", "a/b"),
            ("[", "["),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
