//! Debian versions as dot sequences that sort the same way.
//!
//! A Debian version is epoch, upstream version and revision; the latter two are text and numbers
//! by turns (deb-version(7)). Each character of text becomes its place in Debian's order, the end
//! of a text becomes 1, which `~` is before and all else is after, and a number follows as it
//! is. Every text ends with 1, also the empty one at the end, so no version is a mere
//! beginning of another, and one that must be later than `v` and no more is `v.0`.

use zones_ips::DotSequence;

/// Stands for the end of a text. `~` is 0.
const END: u64 = 1;

/// Numbers of more digits are cut into parts of this many.
const DIGITS: usize = 18;

/// Stands before the parts of a long number, its count of digits added: more than any short one.
const LONG: u64 = 1_000_000_000_000_000_000;

/// The characters of Debian versions in Debian's order, from 2 on.
const ORDER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-.:";

/// The component of the version of a package that Debian calls `version`.
///
/// For all versions of a package the order is that of [`zones_debian::compare`]. Characters that no
/// Debian version may have count as later than all others.
#[must_use]
pub fn component(version: &str) -> DotSequence {
    sequence(&numbers(version))
}

/// The least component that is later than that of `version`.
#[must_use]
pub fn just_after(version: &str) -> DotSequence {
    let mut numbers = numbers(version);
    numbers.push(0);
    sequence(&numbers)
}

fn sequence(numbers: &[u64]) -> DotSequence {
    let words: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let text = words.join(".");
    // Only a version of thousands of characters is too long; its head is better than nothing.
    text.parse().unwrap_or_else(|_| {
        let head = &words[..words.len().min(zones_ips::version::NUMBERS_MAX)];
        head.join(".").parse().unwrap_or_else(|_| zero())
    })
}

fn zero() -> DotSequence {
    "0".parse().expect("`0` is a dot sequence")
}

fn numbers(version: &str) -> Vec<u64> {
    let version = version.trim();
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    let mut found = vec![epoch];
    part(upstream, &mut found);
    part(revision, &mut found);
    found
}

fn part(text: &str, found: &mut Vec<u64>) {
    let mut rest = text;
    loop {
        let digits = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        found.extend(rest[..digits].chars().map(place));
        found.push(END);
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        number(&rest[..end], found);
        rest = &rest[end..];
        if rest.is_empty() {
            found.push(END);
            return;
        }
    }
}

fn place(character: char) -> u64 {
    if character == '~' {
        return 0;
    }
    let place = ORDER.find(character).unwrap_or(ORDER.len());
    place as u64 + 2
}

fn number(digits: &str, found: &mut Vec<u64>) {
    let digits = digits.trim_start_matches('0');
    if digits.len() <= DIGITS {
        found.push(digits.parse().unwrap_or(0));
        return;
    }
    found.push(LONG + digits.len() as u64);
    let (head, tail) = digits.split_at(digits.len() % DIGITS);
    found.push(head.parse().unwrap_or(0));
    let parts = tail.as_bytes().chunks(DIGITS);
    found.extend(parts.map(|part| part.iter().fold(0, |all, d| all * 10 + u64::from(d - b'0'))));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zones_debian::compare;

    use super::{component, just_after};

    /// Versions near each other, so that equal heads and odd ends meet often.
    fn versions() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "0",
            "1",
            "9",
            "10",
            "007",
            ".",
            "~",
            "+",
            "-",
            "a",
            "b",
            "Z",
            "rc",
            "deb12u",
            "~~",
            "00",
            "123456789012345678",
            "1234567890123456789",
            "99999999999999999999999999999999999999",
        ]);
        let text = prop::collection::vec(word, 0..5).prop_map(|words| words.concat());
        (
            prop::sample::select(vec!["", "0:", "1:", "10:"]),
            0..3_u8,
            text,
        )
            .prop_map(|(epoch, digit, text)| format!("{epoch}{digit}{text}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]

        #[test]
        fn the_order_is_that_of_debian(a in versions(), b in versions()) {
            prop_assert_eq!(component(&a).cmp(&component(&b)), compare(&a, &b), "{} {}", a, b);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn just_after_is_between_a_version_and_all_later_ones(a in versions(), b in versions()) {
            prop_assert!(just_after(&a) > component(&a));
            prop_assert_eq!(component(&b) >= just_after(&a), compare(&b, &a).is_gt());
        }
    }

    #[test]
    fn versions_as_they_are_printed() {
        let rows = [
            ("1.0", "0.1.1.56.1.0.1.1.0.1"),
            ("1.0-0", "0.1.1.56.1.0.1.1.0.1"),
            ("1.0~rc1", "0.1.1.56.1.0.0.45.30.1.1.1.1.0.1"),
            (
                "2:2.36-9+deb12u13",
                "2.1.2.56.1.36.1.1.9.54.31.32.29.1.12.48.1.13.1",
            ),
        ];
        for (version, want) in rows {
            assert_eq!(component(version).to_string(), want, "{version}");
        }
    }
}
