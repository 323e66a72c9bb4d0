//! Texts with one mistake each, and the one message with its place that must come out of each.
#![allow(clippy::unwrap_used)]

use zones_config::parse;

/// `BLESS=1` rewrites the second file; the first holds one text a line, `\n` and `\t` as written.
#[test]
fn each_mistake_has_one_message_with_its_place() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let texts = std::fs::read_to_string(format!("{folder}/malformed.txt")).unwrap();
    let mut got = String::new();
    let mut count = 0;
    for line in texts.lines() {
        let text = line.replace("\\n", "\n").replace("\\t", "\t");
        let diags: Vec<_> = parse(&text).filter_map(Result::err).collect();
        assert_eq!(diags.len(), 1, "{line}: {diags:?}");
        let diag = &diags[0];
        let (row, column, token) = (diag.line, diag.column, &diag.token);
        got += &format!("{line}\n\tline {row}, column {column}, at '{token}': {diag}\n");
        count += 1;
    }
    assert!(count >= 40, "only {count} texts");
    let path = format!("{folder}/malformed.out");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    assert_eq!(got, std::fs::read_to_string(&path).unwrap());
}
