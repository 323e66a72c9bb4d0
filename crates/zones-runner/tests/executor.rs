//! The executor on a bed that is not there: every verdict, and a death at every record and act.
#![allow(clippy::unwrap_used)] // helpers too: what fails in them fails the test

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use zones_matrix::journal::{Head, JOURNAL_SCHEMA, Record, Sink};
use zones_matrix::{
    Again, Artifact, Circumstances, Ending, History, Keep, Key, Limits, Many, Matrix, Plan,
    Platform, Run, Verdict, World, plan,
};
use zones_runner::{
    Bed, BedError, Blind, Call, Capture, Crew, ExecuteError, Golden, Helm, Job, Lack, Ledger,
    Order, Origin, Plot, RunFolder, Site, StepEnd, Stream, Supply, Tenant, Usage,
};

const MATRIX: &str = r#"
schema = 1
name = "fake"
[run]
order = "declared"
[cell]
memory = "100M"
timeout = "1m"
retries = { count = 1, on = ["error", "timeout"], delay = "1ms", jitter = false }
[axes]
os = ["a", "b"]
[platform]
id = "{os}"
brand = "lx"
image.import = { tarball = "{os}.tar" }
[option]
plain = {}
[artifact]
new = { path = "new" }
[step]
install.run = "install {artifact}"
smoke.run = "smoke"
purge.run = "purge"
[scenario.fresh]
steps = ["install:new", "smoke"]
[scenario.uninstall]
steps = ["install:new", "smoke", "purge"]
[scenario.only]
steps = ["purge"]
"#;

struct Everything;

impl World for Everything {
    fn digest(&self, path: &str) -> Result<Option<Key>, String> {
        Ok(Some(Key::of_bytes(path.as_bytes())))
    }

    fn is_set(&self, _: &str) -> bool {
        false
    }

    fn resolved(&self, _: &str) -> serde_json::Value {
        serde_json::Value::Null
    }
}

fn planned(text: &str) -> Plan {
    let circumstances = Circumstances {
        today: "2026-11-21".parse().unwrap(),
        seed: 1,
        many: Many::Refused,
        history: History::default(),
    };
    plan(&Matrix::parse(text).unwrap(), &Everything, &circumstances).unwrap()
}

/// Zones as they would be on a disk: they outlive whoever made them.
#[derive(Debug, Default)]
struct Disk {
    /// Whether it runs, and its snapshots.
    zones: BTreeMap<String, (bool, BTreeSet<String>)>,
    kept: BTreeSet<String>,
    /// The most that ran at a time.
    most: usize,
    steps: usize,
}

/// What a step of a zone comes to, by the id of the cell and the text of the step.
type Act = dyn Fn(&str, &str, u32) -> Result<i32, String> + Sync;

struct Fake<'a> {
    disk: &'a Mutex<Disk>,
    /// Acts until the runner dies.
    fuse: &'a Fuse,
    act: &'a Act,
    cells: Mutex<BTreeMap<String, String>>,
    tries: AtomicU32,
}

/// Burns down with each record and each act; then everything is dead.
struct Fuse {
    left: AtomicI64,
    dead: AtomicBool,
}

impl Fuse {
    fn of(left: i64) -> Self {
        let (left, dead) = (AtomicI64::new(left), AtomicBool::new(false));
        Self { left, dead }
    }

    /// Whether the runner still lives.
    fn burn(&self) -> bool {
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.dead.store(true, Ordering::SeqCst);
        }
        !self.dead.load(Ordering::SeqCst)
    }
}

fn dead() -> BedError {
    BedError {
        layer: "fake",
        why: "dead".to_owned(),
    }
}

impl Fake<'_> {
    fn act<T>(&self, act: impl FnOnce(&mut Disk) -> T) -> Result<T, BedError> {
        match self.fuse.burn() {
            true => Ok(act(&mut self.disk.lock().unwrap())),
            false => Err(dead()),
        }
    }
}

impl Bed for Fake<'_> {
    fn make(&self, plot: &Plot<'_>) -> Result<(), BedError> {
        let zone = plot.zone.to_owned();
        self.cells
            .lock()
            .unwrap()
            .insert(zone.clone(), plot.cell.to_owned());
        self.act(|disk| {
            if let Some(name) = &plot.origin.snapshot {
                assert!(disk.zones[&plot.origin.zone].1.contains(name), "{plot:?}");
            }
            assert!(
                disk.zones.insert(zone, Default::default()).is_none(),
                "{plot:?}"
            );
        })
    }

    fn boot(&self, zone: &str) -> Result<(), BedError> {
        self.act(|disk| {
            disk.zones.get_mut(zone).unwrap().0 = true;
            let running = disk.zones.values().filter(|(is_up, _)| *is_up).count();
            disk.most = disk.most.max(running);
        })
    }

    fn step(&self, call: &Call<'_>, capture: &mut Capture) -> Result<StepEnd, BedError> {
        let cell = self.cells.lock().unwrap()[call.zone].clone();
        let is_up = self.act(|disk| {
            disk.steps += 1;
            disk.zones[call.zone].0
        })?;
        if !is_up {
            // Somebody halted it: an order, in a run that is being stopped.
            return Err(dead());
        }
        let line = call.script.trim_end().rsplit('\n').next().unwrap();
        capture
            .add(Stream::Out, format!("{line}\n").as_bytes())
            .unwrap();
        let number = self.tries.fetch_add(1, Ordering::SeqCst);
        match (self.act)(&cell, line, number) {
            Ok(-1) => Ok(StepEnd::default()),
            Ok(exit) => Ok(StepEnd {
                exit: Some(exit),
                reported: Vec::new(),
            }),
            Err(why) => Err(BedError { layer: "step", why }),
        }
    }

    fn snapshot(&self, zone: &str, name: &str) -> Result<(), BedError> {
        self.act(|disk| {
            disk.zones.get_mut(zone).unwrap().1.insert(name.to_owned());
        })
    }

    fn usage(&self, _: &str) -> Usage {
        let (peak, killed) = (1 << 20, 0);
        Usage { peak, killed }
    }

    fn halt(&self, zone: &str) -> Result<(), BedError> {
        self.act(|disk| {
            if let Some(zone) = disk.zones.get_mut(zone) {
                zone.0 = false;
            }
        })
    }

    fn destroy(&self, zone: &str) -> Result<(), BedError> {
        self.act(|disk| drop(disk.zones.remove(zone)))
    }

    fn keep(&self, zone: &str) -> Result<(), BedError> {
        self.act(|disk| {
            disk.kept.insert(zone.to_owned());
        })
    }

    fn tenants(&self) -> Result<Vec<Tenant>, BedError> {
        let disk = self.disk.lock().unwrap();
        let all = disk.zones.keys().map(|zone| Tenant {
            zone: zone.clone(),
            kept: disk.kept.contains(zone),
        });
        Ok(all.collect())
    }
}

struct Stock;

impl Supply for Stock {
    fn golden(&self, platform: &Platform) -> Result<Golden, Lack> {
        Ok(Golden {
            origin: Origin {
                zone: format!("golden-{}", platform.id),
                snapshot: None,
            },
            key: None,
            stale: false,
            noise: Default::default(),
        })
    }

    fn artifact(&self, artifact: &Artifact) -> Result<PathBuf, Lack> {
        Ok(Path::new("/").join(&artifact.name))
    }
}

/// A journal that dies with its runner.
struct Paper {
    bytes: Arc<Mutex<Vec<u8>>>,
    fuse: Arc<Fuse>,
}

impl Sink for Paper {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.fuse.burn() {
            return Err(io::Error::other("dead"));
        }
        self.bytes.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One run on a disk.
struct Trial<'a> {
    plan: &'a Plan,
    disk: &'a Mutex<Disk>,
    act: &'a Act,
    jobs: u32,
    max_fail: u32,
    keep: Keep,
    strict: bool,
    memory: u64,
    /// Hundredths of the time in which somebody waits for memory.
    pressure: u32,
}

impl<'a> Trial<'a> {
    fn new(plan: &'a Plan, disk: &'a Mutex<Disk>, act: &'a Act) -> Self {
        Self {
            plan,
            disk,
            act,
            jobs: 2,
            max_fail: 0,
            keep: Keep::Never,
            strict: false,
            memory: 300 << 20,
            pressure: 0,
        }
    }

    /// Runs the cells of these places until the end, or until the fuse is down.
    fn run(
        &self,
        id: &str,
        parent: Option<&str>,
        places: &[usize],
        fuse: i64,
    ) -> (Result<Ending, ExecuteError>, Option<Run>) {
        self.steered(id, parent, places, fuse, |_| {})
    }

    fn steered(
        &self,
        id: &str,
        parent: Option<&str>,
        places: &[usize],
        fuse: i64,
        steer: impl FnOnce(Helm),
    ) -> (Result<Ending, ExecuteError>, Option<Run>) {
        let folder = tempfile::tempdir().unwrap();
        let fuse = Arc::new(Fuse::of(fuse));
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let paper = Paper {
            bytes: Arc::clone(&bytes),
            fuse: Arc::clone(&fuse),
        };
        let bed = Fake {
            disk: self.disk,
            fuse: &fuse,
            act: self.act,
            cells: Mutex::default(),
            tries: AtomicU32::new(0),
        };
        let ledger = Ledger::new(Box::new(paper), &|_, _| {});
        let crew = Crew {
            bed: &bed,
            supply: &Stock,
            inspector: &Blind,
            ledger: &ledger,
            folder: &RunFolder::new(folder.path(), id),
            pressure: &|| self.pressure,
        };
        let history = History::default();
        let job = Job {
            plan: self.plan,
            places,
            run: id,
            tag: &Site::tag(id),
            history: &history,
            limits: Limits {
                jobs: self.jobs,
                memory: self.memory,
                max_fail: self.max_fail,
                seed: 1,
            },
            keep: self.keep,
            strict: self.strict,
        };
        let head = Head {
            schema: JOURNAL_SCHEMA,
            run: id.to_owned(),
            name: "fake".to_owned(),
            started: String::new(),
            parent: parent.map(str::to_owned),
            shard: None,
            plan: String::new(),
            seed: 1,
            host: serde_json::Value::Null,
        };
        let (helm, orders) = Helm::new();
        steer(helm);
        let begun = [Record::Run(head)]
            .into_iter()
            .chain(self.plan.announce(places));
        let lost = begun.map(|record| ledger.add(record)).find(Result::is_err);
        let ended = match lost {
            Some(_) => Err(ExecuteError::Lost(zones_runner::Lost)),
            None => zones_runner::execute(&job, &crew, orders),
        };
        let bytes = bytes.lock().unwrap().clone();
        let journal = zones_matrix::journal::read(&bytes).ok();
        (
            ended,
            journal.and_then(|journal| Run::from_journal(&journal)),
        )
    }

    fn all(&self) -> Vec<usize> {
        (0..self.plan.cells.len()).collect()
    }
}

fn verdicts(run: &Run) -> BTreeMap<String, Option<Verdict>> {
    let cells = run.cells.iter();
    cells
        .map(|cell| (cell.info.id.clone(), cell.verdict))
        .collect()
}

/// A product with one of everything.
fn product(cell: &str, step: &str, _number: u32) -> Result<i32, String> {
    match (cell, step) {
        ("a/plain/only", _) => Ok(77),
        ("b/plain/only", "purge") => Ok(3),
        ("b/plain/uninstall", "purge") => Ok(-1),
        _ => Ok(0),
    }
}

const ENDLESS: i64 = i64::MAX;

#[test]
fn every_cell_gets_its_verdict_and_nothing_stays() {
    let plan = planned(MATRIX);
    let disk = Mutex::default();
    let trial = Trial::new(&plan, &disk, &product);
    let (ended, run) = trial.run("one", None, &trial.all(), ENDLESS);
    assert_eq!(ended.unwrap(), Ending::Complete);
    let run = run.unwrap();
    let found = verdicts(&run);
    let wanted = [
        ("a/plain/fresh", Verdict::Pass),
        ("a/plain/only", Verdict::Skip),
        ("a/plain/uninstall", Verdict::Pass),
        ("b/plain/fresh", Verdict::Pass),
        ("b/plain/only", Verdict::Fail),
        ("b/plain/uninstall", Verdict::Timeout),
    ];
    for (id, verdict) in wanted {
        assert_eq!(found[id], Some(verdict), "{id}");
    }
    // One retry, for the time that was up.
    assert_eq!(run.retries(), 1);
    assert_eq!(run.exit_status(), 1);
    let disk = disk.into_inner().unwrap();
    assert!(disk.zones.is_empty(), "{:?}", disk.zones);
    assert!(disk.most <= 2, "{}", disk.most);
    // Two beginnings of two steps, two ends, two others, and the retry from the shared beginning.
    assert_eq!(disk.steps, 4 + 2 + 2 + 1);
}

#[test]
fn strict_cells_share_nothing() {
    let plan = planned(MATRIX);
    let disk = Mutex::default();
    let mut trial = Trial::new(&plan, &disk, &|_, _, _| Ok(0));
    trial.strict = true;
    let (_, run) = trial.run("one", None, &trial.all(), ENDLESS);
    assert!(run.unwrap().is_ok());
    assert_eq!(disk.lock().unwrap().steps, plan.steps());
}

#[test]
fn a_failure_can_stop_the_rest_and_its_zone_can_stay() {
    let plan = planned(MATRIX);
    let disk = Mutex::default();
    let mut trial = Trial::new(&plan, &disk, &|_, _, _| Ok(1));
    (trial.jobs, trial.max_fail, trial.keep) = (1, 1, Keep::Failed);
    let (_, run) = trial.run("one", None, &trial.all(), ENDLESS);
    let run = run.unwrap();
    assert_eq!(run.count(Verdict::Fail), 1);
    assert_eq!(run.count(Verdict::Cancelled), 5);
    let disk = disk.into_inner().unwrap();
    assert_eq!(disk.zones.len(), 1);
    assert!(disk.zones.keys().all(|zone| disk.kept.contains(zone)));
    assert!(disk.zones.values().all(|(is_up, _)| !is_up));
}

#[test]
fn a_test_bed_at_fault_is_no_failure_of_the_product() {
    let plan = planned(MATRIX);
    let disk = Mutex::default();
    let broken = |_: &str, _: &str, number: u32| match number {
        0 => Err("the zone went away".to_owned()),
        _ => Ok(0),
    };
    let mut trial = Trial::new(&plan, &disk, &broken);
    trial.jobs = 1;
    let (_, run) = trial.run("one", None, &trial.all(), ENDLESS);
    let run = run.unwrap();
    assert_eq!((run.count(Verdict::Pass), run.retries()), (6, 1));
    let always = |_: &str, _: &str, _: u32| Err("gone".to_owned());
    let disk = Mutex::default();
    let trial = Trial::new(&plan, &disk, &always);
    let (_, run) = trial.run("two", None, &trial.all(), ENDLESS);
    assert_eq!(run.unwrap().exit_status(), 2);
    assert!(disk.lock().unwrap().zones.is_empty());
}

#[test]
fn a_panic_of_the_runner_is_an_error_of_its_cell() {
    let plan = planned(MATRIX);
    let broken = |cell: &str, step: &str, number: u32| match (cell, step) {
        ("a/plain/only", _) => panic!("no such branch: {number}"),
        _ => Ok(0),
    };
    let disk = Mutex::default();
    let trial = Trial::new(&plan, &disk, &broken);
    let (ended, run) = trial.run("one", None, &trial.all(), ENDLESS);
    assert_eq!(ended.unwrap(), Ending::Complete);
    let run = run.unwrap();
    assert_eq!(
        (run.count(Verdict::Error), run.count(Verdict::Pass)),
        (1, 5)
    );
    assert_eq!(run.exit_status(), 2);
    let cell = run.cells.iter().find(|it| it.info.id == "a/plain/only");
    let reason = &cell.unwrap().reason;
    assert!(
        reason.contains("the runner panicked: no such branch"),
        "{reason}"
    );
    let disk = disk.into_inner().unwrap();
    assert!(disk.zones.is_empty(), "{:?}", disk.zones);
}

#[test]
fn an_order_stops_the_run_and_another_what_runs() {
    let plan = planned(MATRIX);
    for (orders, is_empty) in [
        (vec![Order::Stop], true),
        (vec![Order::Stop, Order::Kill], true),
    ] {
        let disk = Mutex::default();
        let trial = Trial::new(&plan, &disk, &|_, _, _| Ok(0));
        let (ended, run) = trial.steered("one", None, &trial.all(), ENDLESS, |helm| {
            orders.iter().for_each(|order| helm.order(*order));
        });
        assert_eq!(ended.unwrap(), Ending::Interrupted);
        let run = run.unwrap();
        assert_eq!(run.exit_status(), 130);
        assert!(run.cells.iter().all(|cell| cell.verdict.is_some()));
        assert!(run.count(Verdict::Cancelled) > 0);
        assert_eq!(disk.lock().unwrap().zones.is_empty(), is_empty);
    }
}

/// What a person would do after a crash: sweep, then run what is left.
fn resumed(trial: &Trial<'_>, first: Option<Run>) -> Run {
    let fuse = Fuse::of(ENDLESS);
    let bed = Fake {
        disk: trial.disk,
        fuse: &fuse,
        act: trial.act,
        cells: Mutex::default(),
        tries: AtomicU32::new(0),
    };
    let (_, left) = zones_runner::sweep(&bed, &BTreeSet::new(), false).unwrap();
    assert!(left.is_empty());
    let places = match &first {
        // The runner died before it had named all cells: nothing ran.
        Some(run) if run.cells.len() < trial.plan.cells.len() => trial.all(),
        Some(run) => {
            let ids: BTreeSet<&str> = run.again(Again::Unfinished).collect();
            let all = trial.all().into_iter();
            all.filter(|at| ids.contains(trial.plan.cells[*at].id.as_str()))
                .collect()
        }
        None => trial.all(),
    };
    let (ended, second) = trial.run("two", Some("one"), &places, ENDLESS);
    assert_eq!(ended.unwrap(), Ending::Complete);
    let runs = first.into_iter().chain(second);
    Run::merge(runs.collect()).unwrap()
}

#[test]
fn a_runner_that_dies_anywhere_is_resumed_to_the_same_verdicts() {
    let plan = planned(MATRIX);
    let disk = Mutex::default();
    let trial = Trial::new(&plan, &disk, &product);
    let whole = verdicts(&trial.run("whole", None, &trial.all(), ENDLESS).1.unwrap());
    for fuse in 0.. {
        let disk = Mutex::default();
        let trial = Trial::new(&plan, &disk, &product);
        let (ended, first) = trial.run("one", None, &trial.all(), fuse);
        let is_whole = ended.is_ok();
        let all = resumed(&trial, first);
        assert_eq!(verdicts(&all), whole, "died after {fuse}");
        let disk = disk.into_inner().unwrap();
        assert!(disk.zones.is_empty(), "died after {fuse}: {:?}", disk.zones);
        if is_whole {
            assert!(fuse > 80, "{fuse} acts and records");
            return;
        }
    }
}

#[test]
fn memory_decides_how_many_run() {
    let plan = planned(&MATRIX.replace("100M", "200M"));
    let disk = Mutex::default();
    let slow = |_: &str, _: &str, _: u32| {
        std::thread::sleep(Duration::from_millis(2));
        Ok(0)
    };
    let mut trial = Trial::new(&plan, &disk, &slow);
    trial.jobs = 4;
    let (_, run) = trial.run("one", None, &trial.all(), ENDLESS);
    assert!(run.unwrap().is_ok());
    assert_eq!(disk.lock().unwrap().most, 1);
}

#[test]
fn a_gigabyte_never_holds_three_cells_of_half_of_it_and_pressure_lets_one_run() {
    let plan = planned(&MATRIX.replace("100M", "512M"));
    let slow = |_: &str, _: &str, _: u32| {
        std::thread::sleep(Duration::from_millis(10));
        Ok(0)
    };
    for (pressure, most) in [(0, 2), (50, 1)] {
        let disk = Mutex::default();
        let mut trial = Trial::new(&plan, &disk, &slow);
        (trial.jobs, trial.memory, trial.pressure) = (6, 1 << 30, pressure);
        // Cells that share nothing do not wait for each other.
        trial.strict = true;
        let (_, run) = trial.run("one", None, &trial.all(), ENDLESS);
        assert!(run.unwrap().is_ok());
        assert_eq!(disk.lock().unwrap().most, most, "pressure {pressure}");
    }
}
