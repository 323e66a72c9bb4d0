//! The few facts that are read from `/proc`.

use std::os::unix::fs::MetadataExt;

/// Threads of this process; `None` where `/proc` does not show it.
#[must_use]
pub fn thread_count() -> Option<u64> {
    // A folder has two links of its own and one for each folder in it.
    let links = std::fs::metadata("/proc/self/task").ok()?.nlink();
    Some(links.saturating_sub(2))
}

/// Start time of a process in clock ticks; `None` when it has ended, zombies included.
///
/// Source: proc_pid_stat(5), fields 3 and 22.
#[must_use]
pub fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_start_time(&stat)
}

/// The name in field 2 may hold anything, so fields are counted from its last `)`.
fn parse_start_time(stat: &[u8]) -> Option<u64> {
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 2;
    let rest = std::str::from_utf8(stat.get(after_name..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_time_survives_hostile_names() {
        let tail = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 0 0";
        let stat = |name: &str, state: &str| format!("42 ({name}) {state}{tail}").into_bytes();
        assert_eq!(parse_start_time(&stat("init", "S")), Some(777));
        assert_eq!(parse_start_time(&stat("a) R 1 (b", "S")), Some(777));
        assert_eq!(parse_start_time(&stat("dead", "Z")), None);
        assert_eq!(parse_start_time(b"nonsense"), None);
    }

    #[test]
    fn this_process_is_alive() {
        assert!(start_time(std::process::id().cast_signed()).is_some());
        assert!(thread_count() >= Some(1));
    }
}
