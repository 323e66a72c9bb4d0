//! Fetches and unpacks what was planned, all at once.

mod conflicts;

use std::collections::BinaryHeap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use zones_archive::{Folder, Layer, Phase, Progress, apply_folders};
use zones_sys::RootFd;

use crate::cache::verified;
use crate::configure::{ConfigureStep, LATE, steps};
use crate::database::{write_common, write_info};
use crate::error::DebianError;
use crate::fetch::Fetcher;
use crate::lay::{Laid, lay};
use crate::plan::{Plan, PlannedPackage};
use crate::shortcuts::lay_shortcuts;
use crate::skeleton::{lay_ground, lay_settings};
use conflicts::settle;

/// Fetches and unpacks the packages of `plan` below `root`, which must be empty, and writes the
/// package database. Hands back what must run inside the zone.
///
/// # Errors
/// See [`DebianError`]; the root is then half-made and must be wiped, fetched files are kept.
pub fn install(
    plan: &Plan,
    root: &RootFd,
    progress: &dyn Progress,
) -> Result<Vec<ConfigureStep>, DebianError> {
    lay_ground(plan, root)?;
    let fetcher = Fetcher::new(&plan.network, &plan.names, progress)?;
    let job = Job {
        plan,
        root,
        progress,
        fetcher: &fetcher,
        stop: AtomicBool::new(false),
        error: Mutex::new(None),
    };
    progress.begin(Phase::Fetch, plan.download);
    progress.begin(Phase::Unpack, plan.download);
    let (mut laid, folders) = job.run()?;
    progress.end(Phase::Fetch);
    progress.end(Phase::Unpack);
    progress.begin(Phase::Database, plan.packages.len() as u64);
    laid.sort_by_key(|l| l.number);
    settle(plan, root, &mut laid, |number| job.open(number))?;
    apply(plan, root, folders)?;
    write_common(root, plan, &laid)?;
    lay_settings(plan, root)?;
    lay_shortcuts(root)?;
    let late = job.place_late(&laid)?;
    progress.end(Phase::Database);
    let pruned = plan.cache.prune(plan.cache_limit);
    if pruned > 0 {
        progress.note(&format!(
            "{} MiB of old packages left the cache",
            pruned.div_ceil(1 << 20)
        ));
    }
    Ok(steps(&plan.arch, &laid, &late))
}

/// The folders of package base-files count before those of others.
fn apply(
    plan: &Plan,
    root: &RootFd,
    mut folders: Vec<(usize, Vec<Folder>)>,
) -> Result<(), DebianError> {
    let base = |n: usize| plan.packages[n].name != "base-files";
    folders.sort_by_key(|(number, _)| (base(*number), *number));
    let all = folders.into_iter().flat_map(|(_, f)| f).collect();
    apply_folders(root, all).map_err(|source| DebianError::Lay {
        package: String::from("(folders)"),
        source,
    })
}

type Unpacked = (Vec<Laid>, Vec<(usize, Vec<Folder>)>);

struct Job<'a> {
    plan: &'a Plan,
    root: &'a RootFd,
    progress: &'a dyn Progress,
    fetcher: &'a Fetcher<'a>,
    /// Set once anything failed: all threads end after what they are at.
    stop: AtomicBool,
    error: Mutex<Option<DebianError>>,
}

impl Job<'_> {
    fn run(&self) -> Result<Unpacked, DebianError> {
        // The largest first: so no thread is left with a large one at the end.
        let sized = |(n, p): (usize, &PlannedPackage)| (p.size(), n);
        let queue: BinaryHeap<(u64, usize)> =
            self.plan.packages.iter().enumerate().map(sized).collect();
        let queue = Mutex::new(queue);
        let (send, receive) = channel();
        let receive = Mutex::new(receive);
        let done = Mutex::new((Vec::new(), Vec::new()));
        let unpackers = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
        std::thread::scope(|scope| {
            for _ in 0..self.plan.network.connections.max(1) {
                let send = send.clone();
                let queue = &queue;
                scope.spawn(move || self.fetch(queue, &send));
            }
            drop(send);
            for _ in 0..unpackers {
                scope.spawn(|| self.unpack(&receive, &done));
            }
        });
        if self.progress.cancelled() {
            return Err(DebianError::Cancelled);
        }
        if let Some(error) = lock(&self.error).take() {
            return Err(error);
        }
        Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn fail(&self, error: DebianError) {
        self.stop.store(true, Ordering::Relaxed);
        lock(&self.error).get_or_insert(error);
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.progress.cancelled()
    }

    fn fetch(&self, queue: &Mutex<BinaryHeap<(u64, usize)>>, send: &Sender<usize>) {
        while !self.is_over() {
            let Some((_, number)) = lock(queue).pop() else {
                return;
            };
            match self.bring(number) {
                Ok(()) => {
                    if send.send(number).is_err() {
                        return;
                    }
                }
                Err(error) => self.fail(error),
            }
        }
    }

    /// Has a package file in the cache or in a folder of package files.
    fn bring(&self, number: usize) -> Result<(), DebianError> {
        let package = &self.plan.packages[number];
        if self.plan.cache.has(&package.want) || self.in_archives(package) {
            self.progress.advance(Phase::Fetch, package.size());
            return Ok(());
        }
        let fetched =
            self.fetcher
                .wanted(&package.uri, &package.want, &self.plan.cache, Phase::Fetch);
        Ok(fetched?)
    }

    fn in_archives(&self, package: &PlannedPackage) -> bool {
        let name = package.file_name();
        let size = |dir: &std::path::PathBuf| dir.join(&name).metadata().map(|m| m.len());
        self.plan
            .archives
            .iter()
            .any(|d| size(d).is_ok_and(|s| s == package.size()))
    }

    /// A package file, verified now, whatever was verified before.
    fn open(&self, number: usize) -> Result<File, DebianError> {
        let package = &self.plan.packages[number];
        if let Some(file) = self.plan.cache.get(&package.want)? {
            return Ok(file);
        }
        for dir in &self.plan.archives {
            if let Ok(Some(file)) = verified(&dir.join(package.file_name()), &package.want) {
                return Ok(file);
            }
        }
        // It was damaged in the cache and is gone now.
        self.progress.note(&format!(
            "package `{}` is damaged in the cache; fetching it",
            package.name
        ));
        self.fetcher
            .wanted(&package.uri, &package.want, &self.plan.cache, Phase::Fetch)?;
        let why = String::from("it changes in the cache while it is used");
        self.plan
            .cache
            .get(&package.want)?
            .ok_or_else(|| DebianError::BadPackage {
                package: package.name.clone(),
                why,
            })
    }

    fn unpack(&self, receive: &Mutex<Receiver<usize>>, done: &Mutex<Unpacked>) {
        loop {
            // Held while waiting: the others wait for the same anyway.
            let Ok(number) = lock(receive).recv() else {
                return;
            };
            if self.is_over() {
                return;
            }
            match self.unpack_one(number) {
                Ok((laid, folders)) => {
                    let mut done = lock(done);
                    done.0.push(laid);
                    done.1.push((number, folders));
                }
                Err(error) => self.fail(error),
            }
        }
    }

    fn unpack_one(&self, number: usize) -> Result<(Laid, Vec<Folder>), DebianError> {
        let package = &self.plan.packages[number];
        let mut layer = Layer::new(self.root);
        let laid = lay(number, package, self.open(number)?, &mut layer, None)?;
        if !laid.late {
            write_info(self.root, &laid)?;
        }
        self.progress.advance(Phase::Unpack, package.size());
        Ok((laid, layer.into_folders()))
    }

    /// Copies packages that dpkg must unpack into the root; their file names.
    fn place_late(&self, laid: &[Laid]) -> Result<Vec<String>, DebianError> {
        let mut names = Vec::new();
        for late in laid.iter().filter(|l| l.late) {
            let package = &self.plan.packages[late.number];
            let name = package.file_name();
            let mut file = self.open(late.number)?;
            let meta = zones_archive::Meta {
                mode: 0o644,
                ..Default::default()
            };
            let path = std::path::Path::new(LATE).join(&name);
            let placed =
                Layer::new(self.root).file(&path, &meta, package.size(), &mut file, &mut |_| ());
            placed.map_err(|source| DebianError::Lay {
                package: package.name.clone(),
                source,
            })?;
            names.push(name);
        }
        Ok(names)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
