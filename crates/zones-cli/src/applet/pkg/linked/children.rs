//! The children of an image: planned with it, carried out after it.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use zones_image::{Client, Image, ImageError, ImageLock, Planned, Wanted};
use zones_solver::Operation;
use zones_store::{Layout, Store};
use zones_types::{ZoneName, ZoneState};

use super::super::environment::{self, Kind, Made};
use super::super::owner;
use super::super::{Call, Stop, failed, usage};
use crate::report::OK;

/// The brand whose zones are linked.
const BRAND: &str = "ipkg";
/// The status when some children were not changed although their parent was.
const PARTIAL: u8 = 3;

/// An image whose packages this one constrains.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    /// `zone:NAME`, `system:NAME`.
    pub(crate) name: String,
    /// Its root.
    pub(crate) path: PathBuf,
}

/// The children of an image, and how far an operation goes into them.
pub(crate) struct Children {
    all: Vec<Child>,
    /// Whether the operation is done in them too, not only what keeps them in step.
    recursed: Vec<bool>,
    threads: usize,
}

/// What the children of an image will do.
pub(crate) struct Below {
    children: Vec<Ready>,
    threads: usize,
}

/// A child that is planned. It stays locked.
struct Ready {
    child: Child,
    image: Image,
    lock: ImageLock,
    planned: Planned,
    /// The environment that the image is, when the one of the running zone cannot be changed. Last,
    /// so that its files are closed when it goes.
    made: Option<Made>,
}

/// All children of an image: zones when it is the global one, and those in its settings.
pub(crate) fn find(layout: &Layout, image: &Image) -> Result<Vec<Child>, Stop> {
    let mut all = Vec::new();
    if image.path() == zones_brand::global_folder(layout) {
        all = zones(layout, &image.client())?;
    }
    for (name, rows) in &image.settings.linked {
        if let Some(path) = rows.get("li-path") {
            let path = PathBuf::from(path);
            let name = name.clone();
            all.push(Child { name, path });
        }
    }
    Ok(all)
}

/// Installed zones whose image says that it is linked.
fn zones(layout: &Layout, client: &Client) -> Result<Vec<Child>, Stop> {
    let store = Store::open(layout.clone());
    let entries = store.list();
    let entries = entries.map_err(|error| failed(zones_engine::chain(&error)))?;
    let mut all = Vec::new();
    for entry in entries {
        if matches!(entry.state, ZoneState::Configured | ZoneState::Incomplete) {
            continue;
        }
        if let Some(child) = zone(&store, &entry.name, client)? {
            all.push(child);
        }
    }
    Ok(all)
}

/// The image of a zone that is linked to the global one.
fn zone(store: &Store, name: &ZoneName, client: &Client) -> Result<Option<Child>, Stop> {
    let head = store.head(name);
    let is_ours = head
        .as_ref()
        .is_some_and(|it| it.brand_or_default().as_str() == BRAND);
    let Some(path) = head.filter(|_| is_ours).and_then(|it| it.zonepath) else {
        return Ok(None);
    };
    let path = path.root();
    if !Image::is_at(&path) {
        return Ok(None);
    }
    let (zone, name) = (name, zones_brand::ipkg::link_name(name));
    let of_child = |error: ImageError| trouble(&name, &error);
    let image = zones_brand::open_zone(store.layout(), zone, &path, client.clone());
    let image = image.map_err(of_child)?;
    let link = image.link().map_err(of_child)?;
    Ok(link.map(|_| Child { name, path }))
}

/// Why a child stops its parent.
fn trouble(name: &str, error: &ImageError) -> Stop {
    let text = error.to_string().replace('\n', "\n  ");
    Stop::Failed(format!("Linked image '{name}':\n  {text}"), error.exit())
}

impl Children {
    /// Those of an image, for the operation of this call.
    pub(crate) fn of(call: &Call<'_>, image: &Image) -> Result<Self, Stop> {
        let words = &call.words;
        let all = find(call.layout, image)?;
        let is_named = |option: &str, child: &Child| {
            let mut names = words.values(option);
            names.any(|name| child.name.strip_prefix("zone:") == Some(name) || child.name == name)
        };
        for name in words.values("zone").chain(words.values("not-zone")) {
            let is_known = |it: &Child| it.name == name || it.name == format!("zone:{name}");
            if !all.iter().any(is_known) {
                return Err(failed(format!("Unknown child linked image: zone:{name}")));
            }
        }
        let is_asked = words.has("recurse") || words.has("zone") || words.has("not-zone");
        let is_recursing = is_asked || image.settings.is("default-recurse");
        let is_wanted = |child: &Child| {
            is_recursing
                && (!words.has("zone") || is_named("zone", child))
                && !is_named("not-zone", child)
        };
        let threads = match words.value("concurrency") {
            Some(text) => text
                .parse::<i64>()
                .map_err(|_| usage(format!("-C takes a number, not '{text}'")))?,
            None => image
                .settings
                .property("recursion-concurrency")
                .parse()
                .unwrap_or(1),
        };
        Ok(Self {
            recursed: all.iter().map(is_wanted).collect(),
            threads: usize::try_from(threads)
                .ok()
                .filter(|it| *it > 0)
                .unwrap_or(all.len()),
            all,
        })
    }

    /// Plans what the children must do when this image is changed as planned. Nothing is changed.
    pub(crate) fn plan(
        self,
        call: &Call<'_>,
        parent: &Image,
        planned: &Planned,
        wish: &Operation,
    ) -> Result<Below, Stop> {
        let is_followed = !planned.is_empty() || self.recursed.contains(&true);
        if self.all.is_empty() || !is_followed {
            return Ok(Below::none());
        }
        let is_quiet = call.words.has("quiet") || call.words.value("parsable").is_some();
        let total = self.all.len();
        let after = planned.after(parent.installed()?.iter().cloned());
        let jobs: Vec<(Child, bool)> = self.all.into_iter().zip(self.recursed).collect();
        if !is_quiet {
            let names: Vec<&str> = jobs.iter().map(|(it, _)| it.name.as_str()).collect();
            let names = names.join(" ");
            println!("Planning linked: 0/{total} done; {total} working: {names}");
        }
        let results = each(jobs, self.threads, |(child, is_recursed)| {
            let mut wanted = match is_recursed {
                true => Wanted::new(wish.clone()),
                false => Wanted::new(Operation::Sync),
            };
            wanted.parent = Some(after.clone());
            wanted.is_missing_ignored = true;
            wanted.is_offline = call.words.has("no-refresh");
            ready(call, child, parent, wanted)
        });
        let mut children = Vec::new();
        for result in results {
            let ready = result?;
            if !is_quiet {
                ready.show();
            }
            children.push(ready);
        }
        if !is_quiet {
            println!("Planning linked: {total}/{total} done");
        }
        let threads = self.threads;
        Ok(Below { children, threads })
    }
}

fn ready(call: &Call<'_>, child: Child, parent: &Image, wanted: Wanted) -> Result<Ready, Stop> {
    let of_child = |error: ImageError| trouble(&child.name, &error);
    let image = owner::open(call.layout, &child.path, call.client.clone()).map_err(of_child)?;
    owner::warn_of_strangers(&image);
    let (image, made, lock) = match image.lock() {
        Err(ImageError::InUse(_)) => {
            let (copy, made) = environment::instead(call, image)?;
            let lock = copy.lock().map_err(of_child)?;
            (copy, Some(made), lock)
        }
        other => {
            let lock = other.map_err(of_child)?;
            (image, None, lock)
        }
    };
    image.check_parent(parent).map_err(of_child)?;
    let planned = image.plan(call.name, wanted, &|_| {}).map_err(of_child)?;
    Ok(Ready {
        child,
        image,
        lock,
        planned,
        made,
    })
}

impl Ready {
    fn show(&self) {
        if self.planned.is_empty() {
            return;
        }
        println!("Linked image '{}' output:", self.child.name);
        for (label, number) in super::super::change::counts(&self.planned.plan) {
            println!("| {label:>20}: {number:>4}");
        }
        println!("`");
    }

    fn carry_out(mut self, call: &Call<'_>, parent: &Image) -> Result<(), Stop> {
        let is_changed = !self.planned.plan.changes().is_empty();
        let tell = |_: zones_image::Event<'_>| {};
        if !self.planned.is_empty() {
            match environment::kind(call, &self.image, is_changed)? {
                Kind::None => drop(self.image.execute(&self.planned, &self.lock, &tell)?),
                Kind::Backup(name) => {
                    environment::backup(call, &mut self.image, name)?;
                    self.image.execute(&self.planned, &self.lock, &tell)?;
                }
                Kind::New(name) => {
                    let (copy, made) = environment::make(call, &mut self.image, name)?;
                    self.made = Some(made);
                    self.lock = copy.lock()?;
                    self.image = copy;
                    self.image.execute(&self.planned, &self.lock, &tell)?;
                }
            }
            // A history that cannot be written must not hide what happened.
            let _ = self.image.note_now(call.name);
        }
        self.image.refresh_link(parent)?;
        let made = self.made.take();
        drop(self);
        match made {
            Some(made) if is_changed => made.end(call),
            _ => Ok(()),
        }
    }
}

impl Below {
    /// No child is concerned.
    pub(crate) fn none() -> Self {
        Self {
            children: Vec::new(),
            threads: 1,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.children.iter().all(|it| it.planned.is_empty())
    }

    /// Changes the children after their parent was changed. Gives the exit status.
    pub(crate) fn carry_out(self, call: &Call<'_>, parent: &Image) -> u8 {
        let total = self.children.len();
        let is_quiet = call.words.has("quiet") || total == 0;
        let results = each(self.children, self.threads, |ready| {
            let name = ready.child.name.clone();
            (name, ready.carry_out(call, parent))
        });
        let mut status = OK;
        for (name, result) in results {
            let text = match result {
                Ok(()) => continue,
                Err(Stop::Usage(text) | Stop::Failed(text, _)) => text,
                Err(Stop::Image(error)) => error.to_string(),
                Err(Stop::Said(_)) => String::new(),
            };
            eprintln!("pkg {}: Linked image '{name}': {text}", call.name);
            status = PARTIAL;
        }
        if !is_quiet {
            println!("Executing linked: {total}/{total} done");
        }
        status
    }
}

/// Does this to all, several at the same time; the results come in the order of the jobs.
fn each<T: Send, R: Send>(jobs: Vec<T>, threads: usize, run: impl Fn(T) -> R + Sync) -> Vec<R> {
    if threads <= 1 || jobs.len() <= 1 {
        return jobs.into_iter().map(run).collect();
    }
    let threads = threads.min(jobs.len());
    let jobs: Vec<Mutex<(Option<T>, Option<R>)>> = jobs
        .into_iter()
        .map(|job| Mutex::new((Some(job), None)))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(slot) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let job = slot.lock().ok().and_then(|mut it| it.0.take());
            let done = job.map(&run);
            if let Ok(mut slot) = slot.lock() {
                slot.1 = done;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let results = jobs.into_iter().filter_map(|it| it.into_inner().ok()?.1);
    results.collect()
}
