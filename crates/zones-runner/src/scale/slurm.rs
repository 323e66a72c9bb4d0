//! Slurm: an array of shares, and a job that merges them. Source: sbatch(1).

use std::fmt::Write as _;

use super::{share_id, word};

/// An array of shares.
#[derive(Debug, Clone)]
pub struct Array<'a> {
    /// The product.
    pub name: &'a str,
    /// The command that runs a matrix: `/usr/sbin/zones matrix`, in words.
    pub command: &'a [String],
    /// The matrix file, absolute, on a file system that all nodes have.
    pub file: &'a str,
    /// The plan, absolute: every share refuses to run another one.
    pub plan: &'a str,
    /// The first part of the ids of the shares' runs.
    pub stem: &'a str,
    /// How many shares there are.
    pub shares: usize,
    /// How many may run at a time; `None` for as many as there are nodes free.
    pub at_once: Option<usize>,
    /// The folder of the reports, absolute: what tasks say goes there.
    pub reports: &'a str,
    /// More options of sbatch: `--partition=long`.
    pub options: &'a [String],
    /// Words that select cells.
    pub select: &'a [String],
}

/// The script of the array.
#[must_use]
pub fn array(array: &Array<'_>) -> String {
    let limit = array
        .at_once
        .map_or_else(String::new, |count| format!("%{count}"));
    let mut text = head(array, "");
    directive(&mut text, &format!("--array=1-{}{limit}", array.shares));
    directive(
        &mut text,
        &format!("--output={}/slurm-{}-%a.log", array.reports, array.stem),
    );
    // What failed is told by the report: a task that Slurm starts again would tell it twice.
    directive(&mut text, "--no-requeue");
    for option in array.options {
        directive(&mut text, option);
    }
    let mut words: Vec<String> = array.command.iter().map(|it| word(it)).collect();
    words.extend(["run".to_owned(), "-f".to_owned(), word(array.file)]);
    words.extend(["--plan".to_owned(), word(array.plan)]);
    text += "set -eu\n";
    text += "share=$(printf %03d \"$SLURM_ARRAY_TASK_ID\")\n";
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "exec {} --id {}-\"$share\" --shard \"$SLURM_ARRAY_TASK_ID/{}\"{}",
        words.join(" "),
        word(array.stem),
        array.shares,
        array
            .select
            .iter()
            .map(|it| format!(" {}", word(it)))
            .collect::<String>()
    );
    text
}

/// The script of the job that makes one report of all shares; it is to be started after them,
/// however they ended: `sbatch --dependency=afterany:ID`.
#[must_use]
pub fn merge(array: &Array<'_>) -> String {
    let mut text = head(array, "-merge");
    directive(
        &mut text,
        &format!("--output={}/slurm-{}-merge.log", array.reports, array.stem),
    );
    for option in array.options {
        directive(&mut text, option);
    }
    let words: Vec<String> = array.command.iter().map(|it| word(it)).collect();
    let runs = (1..=array.shares).map(|index| format!(" {}", word(&share_id(array.stem, index))));
    text += "set -eu\n";
    let _ = writeln!(
        text,
        "exec {} report -f {} --merge{} -o {}",
        words.join(" "),
        word(array.file),
        runs.collect::<String>(),
        word(&format!("{}/{}", array.reports, array.stem)),
    );
    text
}

fn head(array: &Array<'_>, what: &str) -> String {
    let mut text = "#!/bin/sh\n".to_owned();
    directive(
        &mut text,
        &format!("--job-name=matrix-{}{what}", array.name),
    );
    text
}

/// A line that sbatch reads. It takes quotes as a shell does.
fn directive(text: &mut String, option: &str) {
    let _ = writeln!(text, "#SBATCH {}", word(option));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(run: impl Fn(&Array<'_>) -> String) -> String {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        run(&Array {
            name: "acme",
            command: &words("/usr/sbin/zones matrix"),
            file: "/srv/my product/matrix.toml",
            plan: "/srv/reports/plan.json",
            stem: "20261121-ab",
            shares: 8,
            at_once: Some(2),
            reports: "/srv/reports",
            options: &words("--partition=long --mem=4G"),
            select: &words("*/full/*"),
        })
    }

    #[test]
    fn the_array_and_the_merge_are_these() {
        assert_eq!(
            example(array),
            "#!/bin/sh\n\
             #SBATCH --job-name=matrix-acme\n\
             #SBATCH --array=1-8%2\n\
             #SBATCH --output=/srv/reports/slurm-20261121-ab-%a.log\n\
             #SBATCH --no-requeue\n\
             #SBATCH --partition=long\n\
             #SBATCH --mem=4G\n\
             set -eu\n\
             share=$(printf %03d \"$SLURM_ARRAY_TASK_ID\")\n\
             exec /usr/sbin/zones matrix run -f '/srv/my product/matrix.toml' \
             --plan /srv/reports/plan.json --id 20261121-ab-\"$share\" \
             --shard \"$SLURM_ARRAY_TASK_ID/8\" '*/full/*'\n"
        );
        let merged = example(merge);
        assert!(
            merged.contains("--merge 20261121-ab-001 20261121-ab-002"),
            "{merged}"
        );
        assert!(
            merged.ends_with("20261121-ab-008 -o /srv/reports/20261121-ab\n"),
            "{merged}"
        );
    }

    /// The shell takes the script apart into the words that were meant.
    #[test]
    fn a_shell_starts_the_right_share() {
        let text = example(array).replace("/usr/sbin/zones matrix", "printf '%s\\n'");
        let said = std::process::Command::new("/bin/sh")
            .args(["-c", &text])
            .env("SLURM_ARRAY_TASK_ID", "3")
            .output()
            .unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let words: Vec<&str> = said.lines().collect();
        assert_eq!(
            words,
            [
                "run",
                "-f",
                "/srv/my product/matrix.toml",
                "--plan",
                "/srv/reports/plan.json",
                "--id",
                "20261121-ab-003",
                "--shard",
                "3/8",
                "*/full/*"
            ]
        );
    }
}
