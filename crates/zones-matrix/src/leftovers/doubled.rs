//! Configuration that grows at each upgrade: a script appends what it appended before.

use super::inventory::Entry;
use crate::key::Key;

/// Fewer bytes than this may be appended twice by chance, a closing brace for example.
const LEAST: usize = 12;
/// A whole file that repeats itself is rarely chance: `a=1` and the end of its line are enough.
const WHOLE: usize = 4;

/// Says how `text` repeats what the file held when it was `old`; `None` if it does not. Only the
/// size and hash of the old content are needed: what was appended to it begins where it ended.
#[must_use]
pub fn doubled(old: &Entry, text: &[u8]) -> Option<String> {
    let size = usize::try_from(old.size).ok()?;
    let hash = old.hash?;
    if size >= WHOLE && text.len() >= 2 * size && text.len().is_multiple_of(size) {
        let parts = text.chunks(size);
        if parts.clone().all(|part| Key::of_bytes(part) == hash) {
            let many = text.len() / size;
            return Some(format!("what it held is in it {many} times"));
        }
    }
    let kept = text
        .get(..size)
        .filter(|kept| Key::of_bytes(kept) == hash)?;
    let came = trimmed(&text[size..]);
    if came.len() < LEAST || count(kept, came) == 0 {
        return None;
    }
    let lines = came.split(|byte| *byte == b'\n').count();
    let times = count(kept, came) + 1;
    let word = if lines == 1 { "line" } else { "lines" };
    Some(format!(
        "the {lines} {word} appended were in it already ({times} times now)"
    ))
}

/// Without empty lines around it.
fn trimmed(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// How often `part` stands in `text` as whole lines.
fn count(text: &[u8], part: &[u8]) -> usize {
    let mut found = 0;
    let mut at = 0;
    while at + part.len() <= text.len() {
        let end = at + part.len();
        let whole = matches!(text.get(end), None | Some(b'\n' | b'\r'));
        let is_start = at == 0 || text[at - 1] == b'\n';
        if is_start && whole && &text[at..end] == part {
            found += 1;
            at = end;
        } else {
            match text[at..].iter().position(|byte| *byte == b'\n') {
                Some(line) => at += line + 1,
                None => break,
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leftovers::Kind;

    fn entry(text: &str) -> Entry {
        let mut entry = Entry::new(Kind::File, 0o644);
        entry.size = text.len() as u64;
        entry.hash = Some(Key::of_bytes(text.as_bytes()));
        entry
    }

    #[test]
    fn what_was_appended_again_is_told_from_what_is_new() {
        let block = "name=\"ii\" class=\"net\";\n";
        let cases = [
            (
                block.to_owned(),
                block.repeat(2),
                "what it held is in it 2 times",
            ),
            (
                block.to_owned(),
                block.repeat(4),
                "what it held is in it 4 times",
            ),
            (
                format!("# ii.conf\n{block}"),
                format!("# ii.conf\n{block}{block}"),
                "the 1 line appended were in it already (2 times now)",
            ),
            (
                format!("# ii.conf\n{block}a=1\nport=7777\n"),
                format!("# ii.conf\n{block}a=1\nport=7777\n\n{block}a=1\n"),
                "the 2 lines appended were in it already (2 times now)",
            ),
            (block.to_owned(), format!("{block}another=\"line\";\n"), ""),
            (block.to_owned(), format!("other\n{block}"), ""),
            (
                "bitmap=1\n".to_owned(),
                "bitmap=1\n".repeat(2),
                "what it held is in it 2 times",
            ),
            (
                "# two\nbitmap=1\n".to_owned(),
                "# two\nbitmap=1\nbitmap=1\n".to_owned(),
                "",
            ),
            ("}\n".to_owned(), "}\n}\n".to_owned(), ""),
            (
                "xx-port=7777777777\n".to_owned(),
                "xx-port=7777777777\nport=7777777777\n".to_owned(),
                "",
            ),
        ];
        for (old, new, wanted) in cases {
            let found = doubled(&entry(&old), new.as_bytes()).unwrap_or_default();
            assert_eq!(found, wanted, "{old} -> {new}");
        }
    }

    #[test]
    fn a_long_file_is_read_once() {
        let old = "a\n".repeat(1 << 15);
        let new = format!("{old}{}", "a\n".repeat(1 << 10));
        // Many places to begin at, none of which fits to its end but the last.
        assert!(doubled(&entry(&old), new.as_bytes()).is_some());
        let hard = format!("{old}{}b\n", "a\n".repeat(1 << 10));
        assert!(doubled(&entry(&old), hard.as_bytes()).is_none());
    }
}
