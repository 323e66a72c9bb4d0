//! `cargo xtask test-vm`: what needs a kernel of its own. A Debian guest with ZFS, systemd and the
//! whole of cgroup v2 runs under qemu, with or without hardware support.

mod archive;
mod builder;
mod cache;
mod case;
mod guest;
mod image;
mod initramfs;
mod module;
mod power;
mod share;
mod warm;

use std::path::Path;
use std::time::Instant;

use crate::shell::{Outcome, build, has, is_root, target};
use cache::Cache;
use case::{CASES, Machine, Place, Tally};
use guest::Accelerator;
use image::Image;

/// Program, and the package that brings it.
const TOOLS: [(&str, &str); 11] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
    ("mke2fs", "e2fsprogs"),
    ("cpio", "cpio"),
    ("xz", "xz-utils"),
    ("tar", "tar"),
    ("dpkg-deb", "dpkg"),
    ("setpriv", "util-linux"),
    ("busybox", "busybox-static"),
    ("strip", "binutils"),
    ("nice", "coreutils"),
];

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    only: Vec<String>,
    list: bool,
    keep: bool,
    refresh: bool,
    warm: bool,
    kvm: bool,
    install: bool,
    power: power::Plan,
}

pub(crate) fn run(args: &[String]) -> Outcome {
    let options = parse(args)?;
    if options.list {
        for case in &CASES {
            println!("{:<10} {}", case.name, case.text);
        }
        println!("{:<10} {}", power::NAME, power::TEXT);
        return Ok(());
    }
    if !is_root() {
        return Err("the guest is made of zones, which needs root".to_owned());
    }
    tools(options.install)?;
    let binary = build(false)?;
    let cache = Cache::open()?;
    let mut image = Image::prepare(&cache, &binary, options.refresh)?;
    if options.kvm {
        image.accelerator = Accelerator::Kvm;
    }
    share::prepare(&binary)?;
    let machine = Machine {
        cache: &cache,
        image: &image,
        warm: options.warm,
    };
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|of| of == name);
    let mut total = Total::default();
    for case in CASES.iter().filter(|case| wanted(case.name)) {
        total.run(case.name, options.keep, |place, tally| {
            case::run(case, &machine, place, tally)
        })?;
    }
    if wanted(power::NAME) {
        total.run(power::NAME, options.keep, |place, tally| {
            power::run(&options.power, &machine, place, tally)
        })?;
    }
    total.verdict()
}

fn parse(args: &[String]) -> Outcome<Options> {
    let mut options = Options {
        only: Vec::new(),
        list: false,
        keep: false,
        refresh: false,
        warm: true,
        kvm: false,
        install: true,
        power: power::Plan::default(),
    };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            let value = words.next();
            value.ok_or_else(|| format!("{word} takes an argument"))
        };
        match word.as_str() {
            "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
            "--cuts" => options.power.cuts = number(word, value()?)?,
            "--seed" => options.power.seed = number(word, value()?)?,
            "--list" => options.list = true,
            "--keep" => options.keep = true,
            "--refresh" => options.refresh = true,
            "--kvm" => options.kvm = true,
            "--cold" => options.warm = false,
            "--no-install" => options.install = false,
            _ => return Err(format!("unknown argument `{word}`")),
        }
    }
    let known = |name: &String| name == power::NAME || CASES.iter().any(|case| case.name == name);
    match options.only.iter().find(|name| !known(name)) {
        Some(name) => Err(format!("no case `{name}`; see --list")),
        None => Ok(options),
    }
}

fn number<T: std::str::FromStr>(word: &str, text: &str) -> Outcome<T> {
    text.parse()
        .map_err(|_| format!("{word} takes a number, not `{text}`"))
}

/// Installs what is missing, as `cargo xtask test` does.
fn tools(install: bool) -> Outcome {
    let missing = TOOLS.iter().filter(|(program, _)| !has(program));
    let names: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if names.is_empty() {
        return Ok(());
    }
    println!("Missing: {}", names.join(" "));
    if install && has("apt-get") {
        crate::test::apt(&names)
    } else {
        Err(format!("install these packages: {}", names.join(" ")))
    }
}

/// All cases of a run.
#[derive(Debug, Default)]
struct Total {
    cases: usize,
    passed: usize,
    skipped: usize,
    failed: usize,
}

impl Total {
    /// Runs one case and prints what became of it.
    fn run(
        &mut self,
        name: &str,
        keep: bool,
        body: impl FnOnce(&mut Place, &mut Tally) -> Outcome,
    ) -> Outcome {
        let folder = target().join("vm/run").join(name);
        let mut place = Place::create(&folder)?;
        let start = Instant::now();
        let mut tally = Tally::default();
        if let Err(error) = body(&mut place, &mut tally) {
            tally.fail(error);
        }
        let seconds = start.elapsed().as_secs_f64();
        let (passed, failed) = (tally.passed, tally.failed.len());
        let skipped = tally.skipped.len();
        println!("{name}: {passed} passed, {failed} failed, {skipped} skipped in {seconds:.1} s");
        let lists = [&tally.notes, &tally.skipped, &tally.failed];
        for line in lists.into_iter().flatten() {
            println!("  {line}");
        }
        self.cases += 1;
        self.passed += passed;
        self.failed += failed;
        self.skipped += skipped;
        if failed > 0 {
            print!("{}", place.tail());
            println!("  all of it: {}", folder.display());
        } else if !keep {
            tidy(&folder)?;
        }
        Ok(())
    }

    fn verdict(&self) -> Outcome {
        let Self {
            cases,
            passed,
            failed,
            skipped,
        } = self;
        println!("{cases} cases: {passed} checks passed, {failed} failed, {skipped} skipped");
        if *failed > 0 {
            return Err(format!("{failed} checks failed"));
        }
        if *passed == 0 {
            return Err("no check was made".to_owned());
        }
        Ok(())
    }
}

/// Keeps the logs of a test that passed, not its disks.
fn tidy(folder: &Path) -> Outcome {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() || path.extension().is_none_or(|kind| kind != "log") {
            let name = entry.file_name();
            if name != "log" {
                cache::remove(&path)?;
            }
        }
    }
    Ok(())
}
