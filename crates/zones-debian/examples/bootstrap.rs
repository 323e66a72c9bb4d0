//! Installs a Debian root from the host's own sources into a folder and tells how long each part
//! took: `bootstrap DIR CACHE [--suite NAME] [--include A,B] [--standard] [--run]`.
//!
//! With `--run` the steps are run by `unshare` and `chroot`; a zone does that in its namespaces.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Instant, SystemTime};

use zones_archive::Progress;
use zones_debian::{HostSources, Request, Variant, finish, install, plan};
use zones_sys::RootFd;

struct Notes;

impl Progress for Notes {
    fn note(&self, text: &str) {
        eprintln!("note: {text}");
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut cause: Option<&dyn Error> = Some(error.as_ref());
            while let Some(now) = cause {
                eprintln!("bootstrap: {now}");
                cause = now.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let dir = words.next().ok_or("usage: bootstrap DIR CACHE [options]")?;
    let cache = words.next().ok_or("usage: bootstrap DIR CACHE [options]")?;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_secs();
    let host = HostSources::read(Path::new("/"))?;
    let mut request = Request::new(host, "amd64", PathBuf::from(cache), now.cast_signed());
    let mut runs = false;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--suite" => request.suite = words.next(),
            "--standard" => request.variant = Variant::Standard,
            "--run" => runs = true,
            "--include" => {
                let names = words.next().unwrap_or_default();
                request.include = names.split(',').map(str::to_owned).collect();
            }
            other => return Err(format!("unknown option `{other}`").into()),
        }
    }
    std::fs::create_dir_all(&dir)?;
    let root = RootFd::open(Path::new(&dir))?;
    let start = Instant::now();
    let lap =
        |name: &str, since: Instant| println!("{name}: {:.2} s", since.elapsed().as_secs_f64());
    let plan = plan(&request, &Notes)?;
    let (count, mib) = (plan.packages.len(), plan.download >> 20);
    println!("{count} packages, {mib} MiB to fetch");
    lap("plan", start);
    let now = Instant::now();
    let steps = install(&plan, &root, &Notes)?;
    lap("fetch and unpack", now);
    for step in &steps {
        if !runs {
            println!("{:?}", step.argv);
            continue;
        }
        let now = Instant::now();
        // The mounts end with their namespace.
        let script = "mount -t proc proc \"$0/proc\" && mount --rbind /dev \"$0/dev\" && \
                      exec chroot \"$0\" \"$@\"";
        let mut command = Command::new("unshare");
        command.args([
            "-mpf",
            "--propagation",
            "private",
            "/bin/sh",
            "-c",
            script,
            &dir,
        ]);
        command
            .args(&step.argv)
            .env_clear()
            .envs(step.env.iter().cloned());
        let done = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        lap(step.name, now);
        if !done.success() {
            return Err(format!("{}: {done}", step.name).into());
        }
    }
    let now = Instant::now();
    if runs {
        finish(&root)?;
    }
    lap("finish", now);
    lap("all", start);
    Ok(())
}
