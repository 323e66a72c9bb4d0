//! When two errors are the same: what changes from cell to cell is taken out.

/// Letters and digits of an error line without numbers, hashes and names of temporary files, so
/// that lines which mean the same are equal.
pub(super) fn normalised(line: &str, own: &[&str]) -> String {
    let mut text = line.to_owned();
    // Longest first: a platform holds its architecture.
    let mut own: Vec<&&str> = own.iter().filter(|word| word.len() > 2).collect();
    own.sort_by_key(|word| std::cmp::Reverse(word.len()));
    for word in own {
        text = text.replace(*word, "*");
    }
    let words = text.split_whitespace().map(|word| {
        let is_hash = word.len() >= 8 && word.bytes().all(|b| b.is_ascii_hexdigit());
        if is_hash {
            "#".to_owned()
        } else {
            without_numbers(word)
        }
    });
    let text: Vec<String> = words.collect();
    text.join(" ")
}

fn without_numbers(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        match c {
            c if c.is_ascii_digit() && out.ends_with('#') => {}
            c if c.is_ascii_digit() => out.push('#'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn what_differs_from_cell_to_cell_is_taken_out() {
        let one = "E: acme_4.2_amd64.deb: pid 123 failed on trixie-amd64 deadbeef01";
        let two = "E: acme_4.2_i386.deb:  pid 77 failed on sid-i386 0123456789ab";
        let one = normalised(one, &["trixie-amd64", "amd64"]);
        assert_eq!(one, normalised(two, &["sid-i386", "i386"]));
        assert_eq!(one, "E: acme_#.#_*.deb: pid # failed on * #");
    }
}
