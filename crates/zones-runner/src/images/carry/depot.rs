//! A folder with images, here or behind a command such as ssh(1).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::super::ImageError;

/// Where images are kept for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Depot {
    /// A folder of this host.
    Folder(PathBuf),
    /// A folder that a shell sees, which this command starts: `ssh HOST`, say. The line for the
    /// shell is its last argument.
    Shell {
        /// Program and arguments.
        argv: Vec<String>,
        /// The folder, as that shell knows it.
        folder: String,
    },
}

/// A word that a shell reads as it is.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

impl Depot {
    fn path(&self) -> PathBuf {
        match self {
            Self::Folder(path) => path.clone(),
            Self::Shell { argv, folder } => PathBuf::from(format!("{}:{folder}", argv.join(" "))),
        }
    }

    /// An error about one file of it.
    pub(super) fn damaged(&self, name: &str, why: String) -> ImageError {
        let path = self.path().join(name);
        ImageError::Damaged { path, why }
    }

    fn failed(&self, what: &'static str, name: &str) -> impl FnOnce(io::Error) -> ImageError {
        let path = self.path().join(name);
        move |source| ImageError::File { what, path, source }
    }

    /// Starts a line of shell at the other end.
    fn shell(argv: &[String], line: String, stdin: Stdio, stdout: Stdio) -> io::Result<Child> {
        let (program, args) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(args).arg(line);
        command.stdin(stdin).stdout(stdout).spawn()
    }

    /// Names of all files.
    pub(super) fn names(&self) -> Result<Vec<String>, ImageError> {
        let list = || match self {
            Self::Folder(folder) => match fs::read_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                entries => {
                    let names = entries?.map(|entry| entry.map(|entry| entry.file_name()));
                    let names = names.collect::<io::Result<Vec<_>>>()?;
                    Ok(names
                        .into_iter()
                        .filter_map(|name| name.into_string().ok())
                        .collect())
                }
            },
            Self::Shell { argv, folder } => {
                let folder = quoted(folder);
                let line = format!("if cd {folder} 2>/dev/null; then ls; fi");
                let child = Self::shell(argv, line, Stdio::null(), Stdio::piped())?;
                let said = child.wait_with_output()?;
                ended(said.status)?;
                let text = String::from_utf8_lossy(&said.stdout).into_owned();
                Ok(text.lines().map(str::to_owned).collect())
            }
        };
        list().map_err(self.failed("read", ""))
    }

    /// Hands a file to `read`.
    pub(super) fn get<T>(
        &self,
        name: &str,
        read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<T, ImageError> {
        let get = || match self {
            Self::Folder(folder) => read(&mut File::open(folder.join(name))?),
            Self::Shell { argv, folder } => {
                let line = format!("exec cat {}/{name}", quoted(folder));
                let mut child = Self::shell(argv, line, Stdio::null(), Stdio::piped())?;
                let mut stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
                let done = read(&mut stdout);
                drop(stdout);
                let status = child.wait()?;
                let done = done?;
                ended(status).map(|()| done)
            }
        };
        get().map_err(self.failed("read", name))
    }

    /// Makes a file of all that `from` gives, which shows when it is whole and `check` is content.
    pub(super) fn put(
        &self,
        name: &str,
        from: &mut dyn Read,
        check: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), ImageError> {
        let put = || match self {
            Self::Folder(folder) => put_here(folder, name, from, check),
            Self::Shell { argv, folder } => put_there(argv, folder, name, from, check),
        };
        put().map_err(self.failed("write", name))
    }
}

fn ended(status: std::process::ExitStatus) -> io::Result<()> {
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(status.to_string())),
    }
}

fn put_here(
    folder: &Path,
    name: &str,
    from: &mut dyn Read,
    check: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let temp = folder.join(format!(".{name}.{}", std::process::id()));
    let write = || {
        let mut file = File::create(&temp)?;
        io::copy(from, &mut file)?;
        check()?;
        file.sync_all()?;
        fs::rename(&temp, folder.join(name))?;
        File::open(folder)?.sync_all()
    };
    let done = write();
    if done.is_err() {
        let _ = fs::remove_file(&temp);
    }
    done
}

/// The other end sees how the copy ended by the last word of a second line: a pipe that broke and
/// one that ended look alike there.
fn put_there(
    argv: &[String],
    folder: &str,
    name: &str,
    from: &mut dyn Read,
    check: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let folder = quoted(folder);
    let temp = format!(".{name}.{}", std::process::id());
    let line = format!("mkdir -p {folder} && cd {folder} && cat >{temp}");
    let mut child = Depot::shell(argv, line, Stdio::piped(), Stdio::null())?;
    let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let copied = io::copy(from, &mut stdin);
    drop(stdin);
    let status = child.wait()?;
    let whole = copied.and_then(|_| ended(status)).and_then(|()| check());
    let line = match whole {
        Ok(()) => format!("cd {folder} && sync {temp} && mv {temp} {name}"),
        Err(_) => format!("cd {folder} && rm -f {temp}"),
    };
    let last = Depot::shell(argv, line, Stdio::null(), Stdio::null())?.wait();
    whole.and_then(|()| ended(last?))
}
