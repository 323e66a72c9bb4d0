//! Checks of a real run: files and processes of zones, seen from the host.

mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zones_archive::Candidates;
use zones_matrix::checks::{self, Extra, When};
use zones_matrix::journal::CheckResult;
use zones_matrix::leftovers::{Noise, known_noise};
use zones_matrix::{Cell, Check, Clock, Plan, Policy};
use zones_store::Layout;

use crate::evidence::{EvidenceError, Place, STARTS, Sight};
use crate::inspect::{Inspection, Inspector, Look};
use crate::site::Site;
use crate::supply::Golden;
use known::{Base, Known, Shared};

/// A zone that has not settled is looked at again after this time, and then after twice as long. No
/// descriptor tells that a program became another one.
const SETTLE: Duration = Duration::from_millis(100);
/// The longest time between two looks.
const AT_MOST: Duration = Duration::from_secs(1);

/// Looks at the zones of a site.
#[derive(Debug, Clone)]
pub struct Eyes {
    layout: Layout,
    policy: Policy,
    /// Of the platforms, in the order of the plan.
    brands: Vec<String>,
    wishes: Arc<Wishes>,
    shelf: PathBuf,
    known: Known,
}

/// What cells want to be seen of steps that another cell may run for them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wishes {
    /// First steps, by node, of cells that are checked: their images are looked at.
    begun: BTreeSet<usize>,
    /// Cells that want to be looked at right after a step, by its node.
    after: BTreeMap<usize, BTreeSet<String>>,
}

impl Wishes {
    /// Of the cells of these places.
    fn of(plan: &Plan, places: &[usize]) -> Self {
        let mut wishes = Self::default();
        let cells = places.iter().map(|at| &plan.cells[*at]);
        for cell in cells.filter(|cell| is_looked_at(cell)) {
            wishes
                .begun
                .extend(cell.steps.first().map(|step| step.node));
            let names: Vec<&str> = cell.steps.iter().map(|step| step.name.as_str()).collect();
            for check in &cell.checks {
                for when in checks::wanted(check, &names).moments {
                    if let When::Step(at) = when
                        && let Some(step) = cell.steps.get(at)
                    {
                        let cells = wishes.after.entry(step.node).or_default();
                        cells.insert(cell.id.clone());
                    }
                }
            }
            // Who shares all its steps runs none at which it could be looked at itself.
            if let Some(last) = cell.steps.last() {
                let cells = wishes.after.entry(last.node).or_default();
                cells.insert(cell.id.clone());
            }
        }
        wishes
    }
}

impl Eyes {
    /// `policy` says what may stay; `places` are those of the cells of the plan that are run; in
    /// the folder `shelf`, which exists, cells share what a fresh installation looks like.
    #[must_use]
    pub fn new(
        site: &Site,
        policy: &Policy,
        (plan, places): (&Plan, &[usize]),
        shelf: PathBuf,
    ) -> Self {
        let brands = plan.platforms.iter().map(|it| it.brand.clone());
        Self {
            layout: site.layout(),
            policy: policy.clone(),
            brands: brands.collect(),
            wishes: Arc::new(Wishes::of(plan, places)),
            shelf,
            known: Known::default(),
        }
    }

    /// What systems of the cell's kind change by themselves, as far as that is known beforehand.
    fn known_noise(&self, cell: &Cell) -> Noise {
        let brand = self.brands.get(cell.platform).map(String::as_str);
        let name = self.policy.noise.as_deref().or(brand).unwrap_or("common");
        let patterns = known_noise(name).or_else(|| known_noise("common"));
        Noise::default().with_patterns(patterns.unwrap_or_default())
    }
}

impl Inspector for Eyes {
    fn open(&self, cell: &Cell, golden: &Golden) -> Box<dyn Inspection> {
        let shelf = Some(self.shelf.clone());
        let noise = match self.policy.noise.as_deref() {
            Some("none") => Noise::default(),
            _ => self.known_noise(cell).with(&golden.noise),
        };
        let sight = Sight::new(cell, &self.policy, noise, None, shelf);
        Box::new(Followed {
            layout: self.layout.clone(),
            sight,
            nodes: nodes(cell),
            is_faked: is_faked(cell),
            is_checked: is_looked_at(cell),
            id: cell.id.clone(),
            wishes: Arc::clone(&self.wishes),
            image: golden.origin.zone.clone(),
            shared: self.known.of(&golden.origin.zone),
            own: None,
            up: Vec::new(),
        })
    }
}

fn nodes(cell: &Cell) -> Vec<usize> {
    cell.steps.iter().map(|step| step.node).collect()
}

fn is_looked_at(cell: &Cell) -> bool {
    !cell.checks.is_empty() || is_faked(cell)
}

fn is_faked(cell: &Cell) -> bool {
    matches!(cell.settings.clock, Clock::Fake(_))
}

#[derive(Debug, Clone)]
struct Followed {
    layout: Layout,
    sight: Sight,
    /// Of its steps.
    nodes: Vec<usize>,
    /// Whether the cell has a wall clock of its own.
    is_faked: bool,
    /// Whether anything is judged in the end.
    is_checked: bool,
    id: String,
    wishes: Arc<Wishes>,
    /// The zone of the image.
    image: String,
    shared: Shared,
    /// What the zone may have had of its own when it was looked at first.
    own: Option<Candidates>,
    /// Services that ran when it was kept for others.
    up: Vec<String>,
}

impl Followed {
    fn root(&self, zone: &str) -> PathBuf {
        self.layout.prefix().join("zones").join(zone).join("root")
    }

    fn place(&self, zone: &str) -> Place {
        Place {
            root: self.root(zone),
            init: self.init(zone),
        }
    }

    /// Paths on which the zone may differ from its image now.
    fn own(&self, zone: &str) -> Option<Candidates> {
        known::own(&self.root(&self.image), &self.root(zone))
    }

    /// The first look, before the first step. It differs from that at another clone of the image
    /// by what either of them has of its own.
    fn begin(&mut self, zone: &str) -> Result<(), EvidenceError> {
        let place = self.place(zone);
        self.own = self.own(zone);
        let shared = self.shared.clone();
        let mut first = shared.lock();
        let Some(base) = first.clone() else {
            // Others wait meanwhile: this one reads every file.
            let scene = self.sight.begin(&place, None, None)?;
            let own = self.own.clone();
            *first = Some(Base { scene, own });
            return Ok(());
        };
        drop(first);
        let only = known::both(self.own.as_ref(), base.own.as_ref());
        self.sight.begin(&place, Some(&base.scene), only.as_ref())?;
        Ok(())
    }

    /// Process 1 of a zone that is up, as its daemon notes it.
    fn init(&self, zone: &str) -> Option<i32> {
        let path = self.layout.run_zone(&zone.parse().ok()?).join("state");
        let state: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        i32::try_from(state["init"]["pid"].as_i64()?).ok()
    }

    /// Whether the image is of interest to this cell, or to one that begins with its steps.
    fn is_begun(&self) -> bool {
        let first = self.nodes.first();
        self.is_checked || first.is_some_and(|node| self.wishes.begun.contains(node))
    }

    /// Whether the cell ends with this step and is judged then.
    fn is_end(&self, at: usize) -> bool {
        self.is_checked && at + 1 == self.nodes.len()
    }

    /// Whether this cell, or another one, wants to see what is right after this step.
    fn is_seen(&self, at: usize) -> bool {
        let is_own = self.is_checked && self.sight.wants(&When::Step(at));
        (is_own && (at == 0 || !self.is_end(at))) || self.is_for_others(at)
    }

    /// Whether another cell that may start from here wants to see this.
    fn is_for_others(&self, at: usize) -> bool {
        let cells = self
            .nodes
            .get(at)
            .and_then(|node| self.wishes.after.get(node));
        cells.is_some_and(|cells| cells.iter().any(|id| *id != self.id))
    }

    fn see(&mut self, zone: &str, when: &When) -> Result<(), String> {
        let place = self.place(zone);
        // What was the zone's own at its first look may be as in the image by now.
        let own = self.own.as_ref().and_then(|_| self.own(zone));
        let only = known::both(self.own.as_ref(), own.as_ref());
        let seen = self.sight.look(&place, when, only.as_ref());
        seen.map_err(|error| error.to_string())
    }

    /// The same, and again until the zone has settled.
    fn watch(&mut self, zone: &str, when: &When) -> Result<(), String> {
        let begun = Instant::now();
        let mut pause = SETTLE;
        self.see(zone, when)?;
        while begun.elapsed() < self.sight.patience(when) {
            std::thread::sleep(pause);
            pause = AT_MOST.min(pause * 2);
            self.see(zone, when)?;
        }
        Ok(())
    }
}

impl Inspection for Followed {
    fn looks(&self, when: Look) -> bool {
        match when {
            Look::Start => self.is_begun(),
            Look::Step(at) => self.is_end(at) || self.is_seen(at),
            Look::Rebooted => true,
        }
    }

    fn look(&mut self, zone: &str, when: Look) -> Result<(), String> {
        match when {
            Look::Start => self.begin(zone).map_err(|error| error.to_string()),
            Look::Rebooted => self.watch(zone, &When::Rebooted),
            Look::Step(at) => {
                let when = When::Step(at);
                match self.is_end(at) {
                    // The end, and still running.
                    true => {
                        self.watch(zone, &When::Alive)?;
                        if self.is_seen(at) {
                            self.sight.also(&When::Alive, &when);
                        }
                    }
                    false if self.is_seen(at) => self.see(zone, &when)?,
                    false => {}
                }
                Ok(())
            }
        }
    }

    fn wants_reboot(&self) -> bool {
        self.sight.wants(&When::Rebooted)
    }

    fn extras(&self) -> Vec<Extra> {
        let mut extras = self.sight.extras();
        if self.sight.has_fresh() {
            extras.retain(|extra| !matches!(extra, Extra::Fresh(_)));
        }
        extras
    }

    fn again(&mut self, extra: Extra, exit: Option<i32>, zone: &str) -> Result<(), String> {
        let place = self.place(zone);
        let seen = self.sight.again(extra, exit, &place);
        seen.map_err(|error| error.to_string())
    }

    fn leaves(&mut self, zone: &str) {
        self.up = self.sight.services_up(&self.place(zone));
    }

    fn resumes(&self, zone: &str) {
        let begun = Instant::now();
        let place = self.place(zone);
        let is_back = || {
            let now = self.sight.services_up(&place);
            self.up.iter().all(|it| now.contains(it))
        };
        while begun.elapsed() < STARTS && !is_back() {
            std::thread::sleep(SETTLE);
        }
    }

    fn fork(&self, cell: &Cell) -> Box<dyn Inspection> {
        Box::new(Self {
            sight: self.sight.fork(cell),
            nodes: nodes(cell),
            is_faked: is_faked(cell),
            is_checked: is_looked_at(cell),
            id: cell.id.clone(),
            ..self.clone()
        })
    }

    fn warnings(&self) -> Vec<CheckResult> {
        let clock = self.is_faked.then(|| self.sight.unmoved()).flatten();
        clock.into_iter().collect()
    }

    fn judge(&mut self, check: &Check) -> CheckResult {
        self.sight.judge(check)
    }
}

#[cfg(test)]
mod tests {
    use zones_matrix::{Circumstances, History, Key, Many, Matrix, World, plan};

    use super::*;

    const MATRIX: &str = r#"
schema = 1
name = "acme"
[axes]
os = ["one"]
[platform]
id = "{os}"
brand = "lx"
image.import = { tarball = "a.tar" }
[option]
plain = {}
[artifact]
new = { path = "new" }
prev = { path = "prev" }
[step]
install.run = "install {artifact}"
upgrade.run = "upgrade {artifact}"
smoke.run = "smoke"
[scenario.bare]
steps = ["install:prev", "smoke"]
[scenario.upgrade]
steps = ["install:prev", "smoke", "upgrade:new"]
checks = ["config-preserved"]
[scenario.apart]
steps = ["install:new"]
checks = ["no-leftovers"]
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

    #[test]
    fn a_cell_looks_for_those_that_begin_with_its_steps() {
        let circumstances = Circumstances {
            today: "2026-11-21".parse().unwrap(),
            seed: 1,
            many: Many::Refused,
            history: History::default(),
        };
        let matrix = Matrix::parse(MATRIX).unwrap();
        let plan = plan(&matrix, &Everything, &circumstances).unwrap();
        let place = |end: &str| {
            let mut cells = plan.cells.iter();
            cells.position(|cell| cell.id.ends_with(end)).unwrap()
        };
        let (bare, upgrade) = (place("bare"), place("upgrade"));
        let all: Vec<usize> = (0..plan.cells.len()).collect();
        let wishes = Wishes::of(&plan, &all);
        let nodes = nodes(&plan.cells[bare]);
        assert!(wishes.begun.contains(&nodes[0]), "{wishes:?}");
        // What the release put there, and what was there right before the upgrade.
        for node in &nodes {
            let cells: Vec<&String> = wishes.after[node].iter().collect();
            assert_eq!(cells, [&plan.cells[upgrade].id]);
        }
        // The end of a cell that is checked, for the case that another one runs all its steps.
        let last = plan.cells[upgrade].steps[2].node;
        assert!(wishes.after[&last].contains(&plan.cells[upgrade].id));
        // Nobody wants anything of a cell that is not run.
        assert_eq!(Wishes::of(&plan, &[bare]), Wishes::default());
    }
}
