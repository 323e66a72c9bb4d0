//! Brings the journal to disk while others work: none of them waits for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use zones_matrix::journal::Syncer;

/// How long a record that is not final may wait for the disk.
const LAZY: Duration = Duration::from_millis(50);

enum Word {
    /// Something was written.
    Lazy,
    /// Something final was.
    Now,
    /// Something after which nothing follows; the answer comes when it is on disk.
    Last(Sender<()>),
}

/// The thread. It ends when this is dropped, with all on disk.
#[derive(Debug)]
pub(super) struct Scribe {
    words: Option<Sender<Word>>,
    thread: Option<JoinHandle<()>>,
}

impl Scribe {
    /// `lost` is set when the disk refuses.
    pub(super) fn start(syncer: Syncer, lost: Arc<AtomicBool>) -> Self {
        let (sender, words) = mpsc::channel();
        let thread = thread::spawn(move || work(&syncer, &words, &lost));
        Self {
            words: Some(sender),
            thread: Some(thread),
        }
    }

    pub(super) fn written(&self, is_final: bool) {
        self.send(if is_final { Word::Now } else { Word::Lazy });
    }

    /// Returns when all is on disk.
    pub(super) fn finish(&self) {
        let (sender, done) = mpsc::channel();
        self.send(Word::Last(sender));
        // Without an answer the thread is gone, and has set the flag.
        let _ = done.recv();
    }

    fn send(&self, word: Word) {
        if let Some(words) = &self.words {
            let _ = words.send(word);
        }
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.words = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(syncer: &Syncer, words: &Receiver<Word>, lost: &AtomicBool) {
    while let Ok(word) = words.recv() {
        let mut waiting = Vec::new();
        let mut is_urgent = take(word, &mut waiting);
        let until = Instant::now() + LAZY;
        while !is_urgent {
            match words.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(word) => is_urgent = take(word, &mut waiting),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        // What came meanwhile is brought to disk with it.
        for word in words.try_iter() {
            take(word, &mut waiting);
        }
        if syncer().is_err() {
            lost.store(true, Ordering::Release);
            return;
        }
        for one in waiting {
            let _ = one.send(());
        }
    }
}

/// Whether it is not to wait.
fn take(word: Word, waiting: &mut Vec<Sender<()>>) -> bool {
    match word {
        Word::Lazy => false,
        Word::Now => true,
        Word::Last(sender) => {
            waiting.push(sender);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    fn scribe(is_fine: bool) -> (Scribe, Arc<AtomicU32>, Arc<AtomicBool>) {
        let (count, lost) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let counted = Arc::clone(&count);
        let syncer = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            match is_fine {
                true => Ok(()),
                false => Err(std::io::Error::other("full")),
            }
        };
        let scribe = Scribe::start(Box::new(syncer), Arc::clone(&lost));
        (scribe, count, lost)
    }

    #[test]
    fn what_is_last_is_on_disk_and_many_words_are_few_syncs() {
        let (scribe, count, lost) = scribe(true);
        (0..1000).for_each(|_| scribe.written(false));
        scribe.finish();
        let synced = count.load(Ordering::SeqCst);
        assert!((1..1000).contains(&synced), "{synced}");
        scribe.written(true);
        drop(scribe);
        assert!(count.load(Ordering::SeqCst) > synced);
        assert!(!lost.load(Ordering::SeqCst));
    }

    #[test]
    fn a_disk_that_refuses_is_told_and_nobody_waits() {
        let (scribe, _, lost) = scribe(false);
        scribe.written(true);
        scribe.finish();
        assert!(lost.load(Ordering::SeqCst));
        scribe.finish();
    }
}
