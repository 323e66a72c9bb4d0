//! Reads the output of a test runner: which suites ran, which of their tests said `SKIP`.

use std::collections::BTreeMap;

/// A test that does not find what it needs prints this, its name, a colon and the reason.
const MARK: &str = "SKIP ";

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Suite: tests run, tests skipped.
    suites: BTreeMap<String, (usize, usize)>,
    skips: Vec<String>,
    suite: String,
    hidden: bool,
    /// The runner's own last words.
    summary: Vec<String>,
}

impl Tally {
    /// One line of cargo-nextest; true if it is for the reader. The output of a test that passed is
    /// read for skips and not shown.
    pub(super) fn nextest(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split_whitespace().collect();
        // "PASS [   0.005s] (1/9) zones-cgroup::host name_of_the_test"
        let status = words.first().copied().unwrap_or_default();
        let is_row = words.get(1).is_some_and(|word| word.starts_with('['));
        match status {
            "PASS" | "LEAK" | "FAIL" | "TIMEOUT" | "SIGABRT" | "SIGSEGV" if is_row => {
                self.hidden = status == "PASS";
                self.suite = words
                    .get(words.len() - 2)
                    .copied()
                    .unwrap_or_default()
                    .to_owned();
                self.suites.entry(self.suite.clone()).or_default().0 += 1;
                return true;
            }
            "Summary" => {
                self.hidden = false;
                self.summary.push(line.trim().to_owned());
            }
            "SLOW" | "Nextest" | "Starting" | "error:" | "────────────" => {
                self.hidden = false
            }
            _ => self.skip(line),
        }
        !self.hidden
    }

    /// One line of `cargo test -- --show-output`.
    pub(super) fn libtest(&mut self, line: &str) -> bool {
        let trimmed = line.trim();
        if let Some(rest) = trimmed.strip_prefix("Running ") {
            self.suite = rest.to_owned();
            self.hidden = false;
        } else if trimmed == "successes:" {
            self.hidden = true;
        } else if trimmed == "failures:" {
            self.hidden = false;
        } else if trimmed.starts_with("test result:") {
            self.hidden = false;
            self.summary.push(trimmed.to_owned());
        } else if trimmed.starts_with("test ") && trimmed.contains(" ... ") {
            self.suites.entry(self.suite.clone()).or_default().0 += 1;
        } else {
            self.skip(line);
        }
        !self.hidden
    }

    fn skip(&mut self, line: &str) {
        let Some(text) = line.trim_start().strip_prefix(MARK) else {
            return;
        };
        self.suites.entry(self.suite.clone()).or_default().1 += 1;
        self.skips.push(format!("{}: {text}", self.suite));
    }

    /// Suites of which nothing ran.
    pub(super) fn idle_suites(&self) -> Vec<String> {
        let idle = |(_, (run, skipped)): &(&String, &(usize, usize))| *run > 0 && skipped >= run;
        let suites = self.suites.iter().filter(idle);
        suites.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn print(&self) {
        println!("\nSkipped: {}", self.skips.len());
        self.skips.iter().for_each(|skip| println!("  {skip}"));
        self.summary.iter().for_each(|line| println!("{line}"));
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    const NEXTEST: &str = "\
    Starting 3 tests across 2 binaries
        PASS [   0.005s] (1/3) zones-cgroup::host a_group_is_made
  stderr ───
    SKIP a_group_is_made: not root

        PASS [   0.004s] (2/3) zones-net wires_are_named
  stdout ───
    nothing to see

        FAIL [   0.004s] (3/3) zones-net routes_are_set
  stderr ───
    assertion failed

     Summary [   0.013s] 3 tests run: 2 passed, 1 failed, 0 skipped";

    #[test]
    fn a_skip_is_counted_for_its_suite_and_the_output_of_a_pass_is_hidden() {
        let mut tally = Tally::default();
        let shown: Vec<&str> = NEXTEST.lines().filter(|line| tally.nextest(line)).collect();
        assert_eq!(tally.idle_suites(), ["zones-cgroup::host"]);
        assert_eq!(
            tally.skips,
            ["zones-cgroup::host: a_group_is_made: not root"]
        );
        assert!(!shown.iter().any(|line| line.contains("nothing to see")));
        assert!(shown.iter().any(|line| line.contains("assertion failed")));
        assert_eq!(tally.summary.len(), 1);
    }

    #[test]
    fn libtest_prints_its_skips_after_the_results() {
        let text = "     Running tests/host.rs (target/host-1)\n\nrunning 2 tests\ntest one ... ok\n\
                    test two ... ok\n\nsuccesses:\n\n---- one stdout ----\nSKIP one: no v2\n\n\
                    test result: ok. 2 passed; 0 failed";
        let mut tally = Tally::default();
        let shown = text.lines().filter(|line| tally.libtest(line)).count();
        assert_eq!(tally.skips.len(), 1);
        assert!(tally.idle_suites().is_empty());
        assert_eq!(shown, 7);
    }
}
