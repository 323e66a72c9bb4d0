//! Debian version numbers and their order. Source: deb-version(7).

use std::cmp::Ordering;

/// Compares two versions as dpkg(1) does: epoch, upstream part, revision.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (split(a), split(b));
    a.0.cmp(&b.0)
        .then_with(|| part(a.1, b.1))
        .then_with(|| part(a.2, b.2))
}

/// Epoch (0 if absent), upstream version, revision (empty if absent, which equals `0`).
fn split(version: &str) -> (u64, &str, &str) {
    let version = version.trim();
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Weight of a byte outside of numbers: `~` sorts before the end, letters before the rest.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(b) if b.is_ascii_digit() => 0,
        Some(b) if b.is_ascii_alphabetic() => i32::from(*b),
        Some(b) => i32::from(*b) + 256,
    }
}

/// Compares text and number runs in turn.
fn part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        while a.first().is_some_and(|c| !c.is_ascii_digit())
            || b.first().is_some_and(|c| !c.is_ascii_digit())
        {
            match weight(a.first()).cmp(&weight(b.first())) {
                Ordering::Equal => {}
                other => return other,
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let (x, y) = (number(&mut a), number(&mut b));
        // Numbers have no upper limit, so they are compared as text of equal length.
        match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
            Ordering::Equal => {}
            other => return other,
        }
    }
    Ordering::Equal
}

/// Takes the digits at the start, without leading zeros.
fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text
        .iter()
        .position(|c| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits
        .iter()
        .position(|c| *c != b'0')
        .unwrap_or(digits.len());
    &digits[zeros..]
}

/// A version relation in a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `<<`
    Earlier,
    /// `<=` (and the historic `<`)
    AtMost,
    /// `=`
    Exactly,
    /// `>=` (and the historic `>`)
    AtLeast,
    /// `>>`
    Later,
}

impl Relation {
    /// Reads the sign; nothing if it is none.
    #[must_use]
    pub fn parse(sign: &str) -> Option<Self> {
        Some(match sign {
            "<<" => Self::Earlier,
            "<=" | "<" => Self::AtMost,
            "=" => Self::Exactly,
            ">=" | ">" => Self::AtLeast,
            ">>" => Self::Later,
            _ => return None,
        })
    }

    /// Whether `have` stands in this relation to `want`.
    #[must_use]
    pub fn holds(self, have: &str, want: &str) -> bool {
        let order = compare(have, want);
        match self {
            Self::Earlier => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Exactly => order.is_eq(),
            Self::AtLeast => order.is_ge(),
            Self::Later => order.is_gt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{Relation, compare};

    #[test]
    fn versions_sort_as_the_manual_page_says() {
        // Each row rises from left to right.
        let rows: [&[&str]; 9] = [
            &["~~", "~~a", "~", "", "a"],
            &[
                "1.0~beta1~svn1245",
                "1.0~beta1",
                "1.0",
                "1.0a",
                "1.0+b1",
                "1.0.1",
            ],
            &["9", "10", "1:1", "1:2", "2:0"],
            &[
                "1.0-1",
                "1.0-1+deb12u1",
                "1.0-1.1",
                "1.0-2~bpo",
                "1.0-2",
                "1.0-10",
            ],
            &["2.36-9+deb12u13", "2.36-9+deb12u14", "2.37-1"],
            &["1-2-3", "1-3-1", "2-1"],
            &["99999999999999999999998", "99999999999999999999999"],
            &["5.36.0-7+deb12u2", "5.36.0-7+deb12u10"],
            &["0~rc1-1", "0-1", "0a", "0.1"],
        ];
        for row in rows {
            for (i, a) in row.iter().enumerate() {
                for (j, b) in row.iter().enumerate() {
                    assert_eq!(compare(a, b), i.cmp(&j), "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn equal_in_different_clothes() {
        for (a, b) in [
            ("1.0", "1.0-0"),
            ("0:1", "1"),
            ("1.00", "1.0"),
            ("1.0-", "1.0"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn relations() {
        for (sign, have, want, holds) in [
            ("<<", "1~", "1", true),
            ("<=", "1", "1", true),
            ("=", "1-0", "1", true),
            (">=", "1~", "1", false),
            (">>", "1:0", "9", true),
        ] {
            let relation = Relation::parse(sign).expect("a sign");
            assert_eq!(relation.holds(have, want), holds, "{have} {sign} {want}");
        }
        assert_eq!(Relation::parse("=="), None);
    }
}
