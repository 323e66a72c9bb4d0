//! Parts of a file. Source: RFC 9110, section 14.

/// What of a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it: no range, several, or one that means nothing to us.
    Whole,
    /// `length` bytes, at least one, from `start`.
    Some { start: u64, length: u64 },
    /// A range that the file does not have.
    Outside,
}

/// Reads the value of a Range header for a file of `size` bytes.
pub(crate) fn part(header: Option<&str>, size: u64) -> Part {
    let Some(set) = header.and_then(|value| value.trim().strip_prefix("bytes=")) else {
        return Part::Whole;
    };
    let Some((first, last)) = set.trim().split_once('-') else {
        return Part::Whole;
    };
    let (start, end) = match (number(first), number(last)) {
        (Some(start), _) if last.is_empty() => (start, u64::MAX),
        (Some(start), Some(end)) if start <= end => (start, end.saturating_add(1)),
        (None, Some(0)) if first.is_empty() => return Part::Outside,
        (None, Some(tail)) if first.is_empty() => (size.saturating_sub(tail), u64::MAX),
        _ => return Part::Whole,
    };
    if start >= size {
        return Part::Outside;
    }
    Part::Some {
        start,
        length: end.min(size) - start,
    }
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A number that is too large for us lies behind the end of every file.
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_of_ten_bytes() {
        let some = |start, length| Part::Some { start, length };
        let rows = [
            ("bytes=0-0", some(0, 1)),
            ("bytes=0-", some(0, 10)),
            ("bytes=3-5", some(3, 3)),
            ("bytes=9-99", some(9, 1)),
            ("bytes=0-99999999999999999999", some(0, 10)),
            ("bytes=-1", some(9, 1)),
            ("bytes=-10", some(0, 10)),
            ("bytes=-99", some(0, 10)),
            ("bytes=-0", Part::Outside),
            ("bytes=10-", Part::Outside),
            ("bytes=99999999999999999999-", Part::Outside),
            ("bytes=5-3", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=1-2", Part::Whole),
        ];
        for (text, wanted) in rows {
            assert_eq!(part(Some(text), 10), wanted, "{text}");
        }
        assert_eq!(part(Some("bytes=0-"), 0), Part::Outside);
        assert_eq!(part(None, 10), Part::Whole);
    }

    proptest! {
        #[test]
        fn a_part_is_never_outside(text in "bytes=[0-9]{0,21}-[0-9]{0,21}", size: u64) {
            if let Part::Some { start, length } = part(Some(&text), size) {
                prop_assert!(length > 0);
                prop_assert!(start.checked_add(length).is_some_and(|end| end <= size));
            }
        }
    }
}
