//! A command or shell in the zone, from fork to exec.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Gid, Pid, Uid};
use rustix::termios::Winsize;
use zones_sys::{CStrings, Channel, CloneFlags, Fork};

use super::message::{Mode as Streams, SessionEvent, SessionRequest};
use super::{send, terminal};
use crate::account::Account;
use crate::plan::BootPlan;

/// Forks the session; what goes wrong in the child is told to the client by the child.
pub(super) fn start(
    plan: &BootPlan,
    channel: &Channel,
    listener: BorrowedFd<'_>,
    request: &SessionRequest,
    fds: &[OwnedFd],
) -> Result<Pid, Errno> {
    match zones_sys::clone_process(CloneFlags::NONE, None)? {
        Fork::Parent { pid, .. } => Ok(pid),
        Fork::Child => {
            let _ = listener;
            let mut keep: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
            keep.push(channel.as_fd());
            zones_sys::close_all_except(&keep);
            let text = become_session(plan, channel, request, fds);
            let _ = send(channel, &SessionEvent::Failed(text), &[]);
            zones_sys::exit_now(1)
        }
    }
}

/// Comes back only on failure, with the words for it.
fn become_session(
    plan: &BootPlan,
    channel: &Channel,
    request: &SessionRequest,
    fds: &[OwnedFd],
) -> String {
    let SessionRequest::Start {
        user,
        command,
        direct,
        mode,
        environ,
        size,
        skip_sync,
    } = request
    else {
        return "not a start request".to_owned();
    };
    let account = match user {
        Some(name) => match Account::find(name) {
            Some(account) => account,
            None => return format!("user `{name}` is not known in the zone"),
        },
        None => Account::failsafe(),
    };
    let _ = rustix::process::setsid();
    if let Err(error) = connect(channel, *mode, *size, &account, fds) {
        return format!("could not connect the streams: {error}");
    }
    if let Err(error) = assume(&account) {
        return format!("could not become user `{}`: {error}", account.name);
    }
    if let Err(error) = rustix::process::chdir(account.home.as_str()) {
        if user.is_some() {
            let text = format!(
                "Could not chdir to home directory {}: {error}",
                account.home
            );
            let _ = send(channel, &SessionEvent::Warning(text), &[]);
        }
        let _ = rustix::process::chdir("/");
    }
    if *skip_sync && let Err(error) = zones_sys::skip_syncs() {
        return format!("could not filter fsync: {error}");
    }
    let mut environ = environ.clone();
    if !environ.iter().any(|entry| entry.starts_with("PATH=")) {
        environ.push(format!("PATH={}", plan.path));
    }
    environ.extend(account.environ());
    environ.extend(plan.clock.environ());
    zones_sys::reset_signals();
    let (path, args) = words(&account, command, *direct);
    run(&path, args, environ, plan)
}

/// Program and arguments: a login shell, a shell's `-c`, or the words themselves.
fn words(account: &Account, command: &[String], direct: bool) -> (String, Vec<String>) {
    let shell = account.shell.clone();
    if command.is_empty() {
        let name = shell.rsplit('/').next().unwrap_or("sh");
        (shell.clone(), vec![format!("-{name}")])
    } else if direct {
        (command[0].clone(), command.to_vec())
    } else {
        (shell.clone(), vec![shell, "-c".to_owned(), join(command)])
    }
}

/// One shell command out of the words of a command line. One word is passed as it is, so that
/// `zlogin z 'a; b'` works; among several, a word with blanks is quoted.
fn join(words: &[String]) -> String {
    if let [word] = words {
        return word.clone();
    }
    let quote = |word: &String| match word.contains(char::is_whitespace) || word.is_empty() {
        true => format!("'{}'", word.replace('\'', r"'\''")),
        false => word.clone(),
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn run(path: &str, args: Vec<String>, environ: Vec<String>, plan: &BootPlan) -> String {
    let (Ok(args), Ok(environ)) = (CStrings::new(args), CStrings::new(environ)) else {
        return "exec failure: a word holds a NUL byte".to_owned();
    };
    let folders = plan
        .path
        .split(':')
        .map(|folder| format!("{folder}/{path}"));
    let candidates: Vec<String> = if path.contains('/') {
        vec![path.to_owned()]
    } else {
        folders.collect()
    };
    let mut error = Errno::NOENT;
    for candidate in candidates {
        let Ok(candidate) = CString::new(candidate) else {
            continue;
        };
        match zones_sys::exec(&candidate, &args, &environ) {
            Errno::NOENT => {}
            other => error = other,
        }
    }
    format!("exec failure: {path}: {error}")
}

/// The three streams of the client, or a new terminal of the zone whose master side goes to it.
fn connect(
    channel: &Channel,
    mode: Streams,
    size: Option<(u16, u16)>,
    account: &Account,
    fds: &[OwnedFd],
) -> Result<(), Errno> {
    match (mode, fds) {
        (Streams::Pipes, [input, output, errors]) => {
            rustix::stdio::dup2_stdin(input)?;
            rustix::stdio::dup2_stdout(output)?;
            rustix::stdio::dup2_stderr(errors)
        }
        (Streams::Pipes, _) => Err(Errno::BADMSG),
        (Streams::Null, _) => {
            let flags = OFlags::RDWR | OFlags::CLOEXEC;
            let null = rustix::fs::open("/dev/null", flags, Mode::empty())?;
            terminal::take_streams(null.as_fd())
        }
        (Streams::Terminal, _) => {
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            let master = rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty())?;
            rustix::pty::unlockpt(&master)?;
            let path = rustix::pty::ptsname(&master, Vec::new())?;
            let slave = rustix::pty::ioctl_tiocgptpeer(&master, terminal::pty_flags())?;
            if let Some((rows, columns)) = size {
                let size = Winsize {
                    ws_row: rows,
                    ws_col: columns,
                    ws_xpixel: 0,
                    ws_ypixel: 0,
                };
                rustix::termios::tcsetwinsize(&slave, size)?;
            }
            let _ = rustix::fs::fchown(&slave, Some(Uid::from_raw(account.uid)), None);
            let name = SessionEvent::Terminal(terminal::terminal_name(&path));
            send(channel, &name, &[master.as_fd()])?;
            terminal::take_terminal(slave.as_fd())
        }
    }
}

fn assume(account: &Account) -> Result<(), Errno> {
    let groups: Vec<Gid> = account
        .groups
        .iter()
        .map(|&gid| Gid::from_raw(gid))
        .collect();
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    rustix::thread::set_thread_groups(&groups)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(words: &[&str]) -> String {
        join(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn words_become_one_shell_command() {
        assert_eq!(joined(&["exit 3"]), "exit 3");
        assert_eq!(joined(&["echo", "a b", "c"]), "echo 'a b' c");
        assert_eq!(joined(&["echo", "it's me"]), r"echo 'it'\''s me'");
        assert_eq!(joined(&["echo", ""]), "echo ''");
    }
}
