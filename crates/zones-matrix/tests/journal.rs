//! Journals: written, cut anywhere, damaged, read again, gone on with.

#![allow(clippy::unwrap_used)] // helpers too: what fails in them fails the test

mod support;

use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use support::sample::{Memory, history, sample, sample_of};
use zones_matrix::journal::{File, JournalError, Moment, Record, Tail, Writer, read};
use zones_matrix::{Again, Ending, Run, State, Verdict};

#[test]
fn what_was_written_is_read_back() {
    let written = sample();
    let journal = read(&written.bytes).unwrap();
    assert_eq!(journal.tail, Tail::Whole);
    assert_eq!(journal.lines.len(), written.records.len());
    for (line, record) in journal.lines.iter().zip(&written.records) {
        assert_eq!(&line.record, record);
    }
}

#[test]
fn a_journal_cut_at_any_byte_is_read_up_to_its_last_whole_line() {
    let bytes = sample_of(1).bytes;
    let whole = read(&bytes).unwrap();
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for end in first..bytes.len() {
        let journal = read(&bytes[..end]).unwrap();
        let count = bytes[..end].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(journal.lines[..], whole.lines[..count]);
        let is_whole = bytes[end - 1] == b'\n';
        assert_eq!(journal.tail == Tail::Whole, is_whole, "cut at {end}");
    }
    for end in 0..first {
        assert!(
            matches!(read(&bytes[..end]), Err(JournalError::Empty)),
            "cut at {end}"
        );
    }
}

#[test]
fn zeros_behind_the_last_line_are_a_torn_tail() {
    let mut bytes = sample().bytes;
    let count = read(&bytes).unwrap().lines.len();
    bytes.extend_from_slice(&[0; 4096]);
    let journal = read(&bytes).unwrap();
    assert_eq!(journal.lines.len(), count);
    let line = count + 1;
    assert_eq!(journal.tail, Tail::Torn { line, bytes: 4096 });
}

#[test]
fn a_line_that_was_changed_or_taken_out_is_named() {
    let text = String::from_utf8(sample().bytes).unwrap();
    let changed = text.replacen("\"attempt\":1", "\"attempt\":2", 1);
    let at = changed
        .lines()
        .zip(text.lines())
        .position(|(a, b)| a != b)
        .unwrap()
        + 1;
    match read(changed.as_bytes()) {
        Err(JournalError::Damaged { line, .. }) => assert_eq!(line, at),
        other => panic!("{other:?}"),
    }
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(5);
    let shorter = lines.join("\n") + "\n";
    assert!(matches!(
        read(shorter.as_bytes()),
        Err(JournalError::Damaged { line: 6, .. })
    ));
}

#[test]
fn a_journal_of_another_version_is_refused() {
    let mut writer = Writer::new(Memory::default());
    let Record::Run(mut head) = sample().records.remove(0) else {
        panic!()
    };
    head.schema = 9;
    writer.add(Duration::ZERO, Record::Run(head)).unwrap();
    let bytes = writer.finish().unwrap().bytes;
    assert!(matches!(
        read(&bytes),
        Err(JournalError::Schema { found: 9 })
    ));
}

#[test]
fn verdicts_are_on_disk_at_once_and_the_rest_soon() {
    let note = || Record::Note {
        text: "x".to_owned(),
    };
    let mut writer = Writer::new(Memory::default());
    let millis = Duration::from_millis;
    writer.add(millis(0), note()).unwrap();
    writer.add(millis(20), note()).unwrap();
    assert_eq!(writer.finish().unwrap().syncs, 1);
    let mut writer = Writer::new(Memory::default());
    writer.add(millis(0), note()).unwrap();
    writer.tick(millis(49)).unwrap();
    writer.tick(millis(50)).unwrap();
    writer.tick(millis(500)).unwrap();
    let (cell, reason) = ("a/b/c".to_owned(), String::new());
    let verdict = Verdict::Pass;
    let verdict = Record::Verdict {
        cell,
        verdict,
        reason,
    };
    writer.add(millis(501), verdict).unwrap();
    assert_eq!(writer.finish().unwrap().syncs, 3);
}

#[test]
fn a_file_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let mut writer = Writer::new(File::create(&path).unwrap());
    for record in sample().records {
        writer.add(Duration::ZERO, record).unwrap();
    }
    assert_eq!(writer.finish().unwrap().path(), path);
    assert_eq!(
        read(&std::fs::read(&path).unwrap()).unwrap().tail,
        Tail::Whole
    );
    assert!(File::create(&path).is_err());
}

#[test]
fn a_run_that_was_killed_says_where_and_what_is_left() {
    let bytes = sample().bytes;
    let whole = Run::from_journal(&read(&bytes).unwrap()).unwrap();
    assert_eq!(whole.again(Again::Unfinished).count(), 0);
    assert_eq!(whole.ending, Some(Ending::Complete));
    // Cut where the last cell is about to be halted.
    let text = String::from_utf8(bytes).unwrap();
    let at = text.rfind("\"state\":\"halting\"").unwrap();
    let cut = text[..at].rfind('\n').unwrap() + 1;
    let run = Run::from_journal(&read(&text.as_bytes()[..cut + 9]).unwrap()).unwrap();
    assert_eq!(run.ending, None);
    assert_eq!(run.exit_status(), 130);
    let stopped: Vec<_> = run.stopped_in().collect();
    assert_eq!(stopped.len(), 1);
    assert_eq!(
        (stopped[0].state, stopped[0].moment),
        (State::Halting, Moment::Intent)
    );
    let again: Vec<&str> = run.again(Again::Unfinished).collect();
    assert_eq!(again, [stopped[0].info.id.as_str()]);
    assert!(run.again(Again::Failed).count() > 1);
}

#[test]
fn shares_and_later_runs_merge() {
    let [one, two] = history();
    let all = Run::merge(vec![one.clone(), two.clone()]).unwrap();
    assert_eq!(all.cells.len(), one.cells.len());
    for cell in &two.cells {
        assert_eq!(all.cell(&cell.info.id).unwrap().verdict, cell.verdict);
    }
    let mut other = two;
    other.head.name = "other".to_owned();
    assert!(
        Run::merge(vec![one, other])
            .unwrap_err()
            .to_string()
            .contains("`other`")
    );
    assert!(Run::merge(Vec::new()).is_err());
}

/// A journal of two cells.
static SMALL: LazyLock<Vec<u8>> = LazyLock::new(|| sample_of(2).bytes);

proptest! {
    /// Whatever bytes there are, reading them ends, and never with more lines than there are.
    #[test]
    fn strange_bytes_are_no_trouble(
        place in 0usize..20_000,
        junk in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = SMALL.clone();
        let place = place.min(bytes.len());
        let end = (place + junk.len()).min(bytes.len());
        bytes.splice(place..end, junk);
        if let Ok(journal) = read(&bytes) {
            prop_assert!(journal.lines.len() <= bytes.split(|byte| *byte == b'\n').count());
            Run::from_journal(&journal).unwrap();
        }
    }
}
