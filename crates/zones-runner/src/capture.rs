//! The log of a step: what it said, when, on which stream; never more than a head and a tail.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Bytes of a log that are kept from its beginning, and as many from its end.
pub const LOG_PART_MAX: u64 = 8 << 20;

/// A line that does not end is cut into pieces of this many bytes.
const LINE_MAX: usize = 8 << 10;
/// Lines of an excerpt.
const EXCERPT_LINES: usize = 30;
/// Bytes of a line in an excerpt.
const EXCERPT_LINE_MAX: usize = 240;

/// Words that make a line look like an error; the first such line of a failed step is shown.
const ALARMS: [&str; 9] = [
    "error",
    "fatal",
    "failed",
    "failure",
    "cannot",
    "can't",
    "not found",
    "denied",
    "no such",
];

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// The runner itself.
    Note,
}

impl Stream {
    fn tag(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Err => "err",
            Self::Note => "---",
        }
    }
}

/// What is shown of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gist {
    /// The first line that looks like an error.
    pub error: String,
    /// The lines around it, else the last ones.
    pub text: String,
}

/// A log that is being written. It can be read meanwhile.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    file: File,
    part_max: u64,
    began: Instant,
    /// Bytes in the head.
    head: u64,
    /// What comes after the head.
    tail: Option<Tail>,
    open: [Vec<u8>; 2],
    last: VecDeque<String>,
    /// The first line that looks like an error, and the lines around it.
    alarm: Option<(String, Vec<String>)>,
}

/// The end of a long log: two files that take turns, so that the last bytes are in them.
#[derive(Debug)]
struct Tail {
    now: File,
    before: Option<File>,
    written: u64,
    total: u64,
}

impl Capture {
    /// A new log; `reproduce` is its first line.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path, reproduce: &str) -> io::Result<Self> {
        Self::with_part(path, reproduce, LOG_PART_MAX)
    }

    fn with_part(path: &Path, reproduce: &str, part_max: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        let line = format!("$ {reproduce}\n");
        file.write_all(line.as_bytes())?;
        Ok(Self {
            path: path.to_owned(),
            file,
            part_max,
            began: Instant::now(),
            head: line.len() as u64,
            tail: None,
            open: [Vec::new(), Vec::new()],
            last: VecDeque::new(),
            alarm: None,
        })
    }

    /// Takes what a stream gave.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let at = usize::from(stream == Stream::Err);
        let mut pending = std::mem::take(&mut self.open[at]);
        pending.extend_from_slice(bytes);
        let mut text = Vec::new();
        let mut rest = pending.as_slice();
        loop {
            let end = rest.iter().take(LINE_MAX).position(|byte| *byte == b'\n');
            let (line, after) = match end {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None if rest.len() >= LINE_MAX => rest.split_at(LINE_MAX),
                None => break,
            };
            self.line(stream, line, &mut text);
            rest = after;
        }
        self.open[at] = rest.to_vec();
        self.put(&text)
    }

    /// A line of the runner.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        let mut line = Vec::new();
        self.line(Stream::Note, text.as_bytes(), &mut line);
        self.put(&line)
    }

    fn line(&mut self, stream: Stream, line: &[u8], text: &mut Vec<u8>) {
        let micros = self.began.elapsed().as_micros();
        let head = format!(
            "{:5}.{:06} {} ",
            micros / 1_000_000,
            micros % 1_000_000,
            stream.tag()
        );
        text.extend_from_slice(head.as_bytes());
        text.extend_from_slice(line);
        text.push(b'\n');
        let cut = &line[..line.len().min(EXCERPT_LINE_MAX)];
        self.remember(String::from_utf8_lossy(cut).trim_end().to_owned());
    }

    fn remember(&mut self, line: String) {
        match &mut self.alarm {
            Some((_, around)) if around.len() < EXCERPT_LINES => around.push(line.clone()),
            Some(_) => {}
            None => {
                let lower = line.to_lowercase();
                if ALARMS.iter().any(|word| lower.contains(word)) {
                    let skip = self.last.len().saturating_sub(EXCERPT_LINES / 2);
                    let mut around: Vec<String> = self.last.iter().skip(skip).cloned().collect();
                    around.push(line.clone());
                    self.alarm = Some((line.clone(), around));
                }
            }
        }
        self.last.push_back(line);
        if self.last.len() > EXCERPT_LINES {
            self.last.pop_front();
        }
    }

    fn put(&mut self, text: &[u8]) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let size = text.len() as u64;
        if self.tail.is_none() && self.head + size <= self.part_max {
            self.head += size;
            return self.file.write_all(text);
        }
        let tail = match &mut self.tail {
            Some(tail) => tail,
            None => self.tail.insert(Tail::new(&self.path)?),
        };
        tail.put(text, self.part_max, &self.path)
    }

    /// Ends the log: head, a line on what was left out, tail.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> io::Result<Gist> {
        for (at, stream) in [(0, Stream::Out), (1, Stream::Err)] {
            let rest = std::mem::take(&mut self.open[at]);
            if !rest.is_empty() {
                let mut text = Vec::new();
                self.line(stream, &rest, &mut text);
                self.put(&text)?;
            }
        }
        if let Some(tail) = self.tail.take() {
            tail.join(&mut self.file, self.part_max)?;
        }
        let last = Vec::from(self.last);
        Ok(match self.alarm {
            Some((error, around)) => Gist {
                error,
                text: around.join("\n"),
            },
            None => Gist {
                error: String::new(),
                text: last.join("\n"),
            },
        })
    }
}

impl Tail {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            now: scratch(path)?,
            before: None,
            written: 0,
            total: 0,
        })
    }

    fn put(&mut self, text: &[u8], part_max: u64, path: &Path) -> io::Result<()> {
        if self.written >= part_max {
            self.before = Some(std::mem::replace(&mut self.now, scratch(path)?));
            self.written = 0;
        }
        self.written += text.len() as u64;
        self.total += text.len() as u64;
        self.now.write_all(text)
    }

    fn join(mut self, file: &mut File, part_max: u64) -> io::Result<()> {
        let own = self.written.min(part_max);
        let older = part_max - own;
        let mut kept = Vec::new();
        if let Some(mut before) = self.before.take() {
            let length = before.metadata()?.len();
            before.seek(SeekFrom::Start(length.saturating_sub(older)))?;
            before.read_to_end(&mut kept)?;
        }
        self.now.seek(SeekFrom::Start(self.written - own))?;
        self.now.read_to_end(&mut kept)?;
        let left_out = self.total - kept.len() as u64;
        if left_out > 0 {
            // A line that was cut in two is no line.
            let begin = kept
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            let left_out = left_out + begin as u64;
            file.write_all(format!("[... {left_out} bytes left out ...]\n").as_bytes())?;
            kept.drain(..begin);
        }
        file.write_all(&kept)
    }
}

/// A file without a name, beside the log.
fn scratch(path: &Path) -> io::Result<File> {
    let name = path.with_extension("tail");
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&name)?;
    std::fs::remove_file(&name)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn lines_carry_their_time_and_stream_and_the_first_says_how_to_repeat_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steps/01.log");
        let mut capture = Capture::create(&path, "zones matrix shell a/b/c").unwrap();
        capture.add(Stream::Out, b"one\ntw").unwrap();
        capture.add(Stream::Err, b"E: cannot\n").unwrap();
        capture.add(Stream::Out, b"o\nthree").unwrap();
        let gist = capture.finish().unwrap();
        let text = text(&path);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "$ zones matrix shell a/b/c");
        let tails: Vec<&str> = lines[1..].iter().map(|line| &line[13..]).collect();
        assert_eq!(tails, ["out one", "err E: cannot", "out two", "out three"]);
        assert_eq!(gist.error, "E: cannot");
        assert_eq!(gist.text, "one\nE: cannot\ntwo\nthree");
    }

    #[test]
    fn a_long_log_keeps_its_head_and_its_tail() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("01.log");
        let mut capture = Capture::with_part(&path, "x", 1000).unwrap();
        for number in 0..1000 {
            capture
                .add(Stream::Out, format!("{number}\n").as_bytes())
                .unwrap();
        }
        let gist = capture.finish().unwrap();
        let text = text(&path);
        assert!(text.len() < 2100, "{}", text.len());
        assert!(text.contains("out 0\n") && text.contains("out 999\n"));
        assert!(!text.contains("out 500\n") && text.contains("bytes left out"));
        assert_eq!(gist.text.lines().count(), EXCERPT_LINES);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_line_without_an_end_is_cut_and_costs_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("01.log");
        let mut capture = Capture::create(&path, "x").unwrap();
        for _ in 0..64 {
            capture.add(Stream::Out, &[0xff; 1024]).unwrap();
        }
        assert!(capture.open[0].len() < LINE_MAX);
        capture.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.iter().filter(|byte| **byte == 0xff).count(), 64 << 10);
    }
}
