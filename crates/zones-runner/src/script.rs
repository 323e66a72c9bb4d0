//! What a step is to the zone: a script for its shell, and lines on descriptor 3.

use std::fmt::Write as _;

use zones_matrix::journal::{CheckResult, Status};
use zones_matrix::{ARTIFACTS, Cell, Step};

/// Where the zone finds what the runner gives it.
pub const FOLDER: &str = "/run/matrix";
/// Where it finds the folder of the matrix file, read-only: steps start there.
pub const SOURCE: &str = "/run/matrix/source";
/// The file behind descriptor 3.
pub const REPORT: &str = "/run/matrix/out/report";

/// Adds packages by what the image has for that. Words after the first are packages.
pub(crate) const ADD_PACKAGES: &str = "\
if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update && exec apt-get -q -y --no-install-recommends install \"$@\"
fi
for tool in dnf microdnf yum; do
    command -v $tool >/dev/null && exec $tool -y install \"$@\"
done
command -v zypper >/dev/null && exec zypper -n install \"$@\"
command -v apk >/dev/null && exec apk add \"$@\"
command -v pacman >/dev/null && exec pacman -Sy --noconfirm \"$@\"
echo \"this image has no package manager that is known here\" >&2
exit 1";

/// Waits until an init that has services has started them.
pub(crate) const SETTLE: &str = "\
[ -d /run/systemd/system ] || exit 0
case $(systemctl is-system-running --wait) in running|degraded) exit 0 ;; esac
exit 1";

/// The beginning of a line that asks for a reboot; the rest of the line is handed back.
pub(crate) const REBOOT: &str = "::reboot ";
const RESULT: &str = "::result ";

/// The script of a step.
#[must_use]
pub(crate) fn text(cell: &Cell, step: &Step, attempt: u32, mark: &str) -> String {
    let mut text = format!("cd {SOURCE} || exit 125\n");
    let attempt = attempt.to_string();
    let artifact = step
        .artifact
        .as_ref()
        .map(|name| format!("{ARTIFACTS}/{name}"));
    let own = [
        ("ZONES_MATRIX_CELL", cell.id.as_str()),
        ("ZONES_MATRIX_STEP", &step.name),
        ("ZONES_MATRIX_ATTEMPT", &attempt),
        ("ZONES_MATRIX_ARTIFACT", artifact.as_deref().unwrap_or("")),
        ("ZONES_REBOOT_MARK", mark),
    ];
    let given = cell
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in given.chain(own) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "export {name}={}", quoted(value));
    }
    let _ = writeln!(text, "exec 3>>{REPORT}");
    text.push_str(&step.run);
    text.push('\n');
    text
}

/// A word for the shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// What a step said on descriptor 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reported {
    /// `::result name=NAME status=pass|fail|skip [message=TEXT]`.
    Result(CheckResult),
    /// `::reboot MARK`.
    Reboot(String),
}

/// The lines that mean something.
pub(crate) fn reported(lines: &[String]) -> Vec<Reported> {
    lines.iter().filter_map(|line| line_of(line)).collect()
}

fn line_of(line: &str) -> Option<Reported> {
    if let Some(mark) = line.strip_prefix(REBOOT) {
        return Some(Reported::Reboot(mark.trim().to_owned()));
    }
    let rest = line.strip_prefix(RESULT)?;
    // The message is the last word and may have blanks.
    let (words, message) = rest.split_once("message=").unwrap_or((rest, ""));
    let get = |key: &str| {
        let mut words = words.split_whitespace();
        words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    };
    let status = match get("status")? {
        "pass" => Status::Pass,
        "fail" => Status::Fail,
        "skip" => Status::Skip,
        _ => return None,
    };
    Some(Reported::Result(CheckResult {
        check: get("name")?.to_owned(),
        status,
        message: message.trim().to_owned(),
        findings: Vec::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_results_reboots_or_nothing() {
        let lines = [
            "::result name=db status=pass",
            "::result status=fail name=web message=port 80 is closed",
            "::result name=x status=maybe",
            "::reboot after kernel",
            "hello",
        ];
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let found = reported(&lines);
        assert_eq!(found.len(), 3);
        let Reported::Result(web) = &found[1] else {
            panic!("{found:?}")
        };
        assert_eq!((web.check.as_str(), web.status), ("web", Status::Fail));
        assert_eq!(web.message, "port 80 is closed");
        assert_eq!(found[2], Reported::Reboot("after kernel".to_owned()));
    }

    #[test]
    fn values_reach_the_shell_as_they_are() {
        for value in ["", "a b", "it's", "$HOME `x` \"y\"\nz"] {
            let script = format!("printf %s {}", quoted(value));
            let said = std::process::Command::new("/bin/sh")
                .args(["-c", &script])
                .output();
            assert_eq!(said.unwrap().stdout, value.as_bytes());
        }
    }
}
