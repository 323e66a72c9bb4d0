//! Looks at the zones of a run for its checks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use zones_engine::{RunState, chain};
use zones_matrix::checks::When;
use zones_matrix::journal::CheckResult;
use zones_matrix::leftovers::{Noise, known_noise};
use zones_matrix::{Cell, Check, Policy};
use zones_runner::evidence::{Place, Scene, Sight};
use zones_runner::{Golden, Inspection, Inspector, Look};
use zones_store::Layout;
use zones_types::ZoneName;

/// What golden images hold, by the origin of their clones.
type Known = Arc<Mutex<BTreeMap<String, Arc<Scene>>>>;

/// Looks at zones from outside.
#[derive(Debug)]
pub(super) struct Witness {
    layout: Layout,
    policy: Policy,
    /// Brands of platforms, in the order of the plan.
    brands: Vec<String>,
    /// Folder of fresh installations that cells share.
    shelf: Option<PathBuf>,
    known: Known,
}

impl Witness {
    /// `shelf` is a folder of the run; what is in it is of use to that run alone.
    pub(super) fn new(
        layout: &Layout,
        policy: &Policy,
        brands: Vec<String>,
        shelf: PathBuf,
    ) -> Self {
        let is_there = std::fs::create_dir_all(&shelf).is_ok();
        Self {
            layout: layout.clone(),
            policy: policy.clone(),
            brands,
            shelf: is_there.then_some(shelf),
            known: Known::default(),
        }
    }

    fn noise(&self, cell: &Cell) -> Noise {
        let brand = self.brands.get(cell.platform).map(String::as_str);
        let name = self.policy.noise.as_deref().or(brand).unwrap_or("common");
        let patterns = known_noise(name).or_else(|| known_noise("common"));
        Noise::default().with_patterns(patterns.unwrap_or_default())
    }
}

impl Inspector for Witness {
    fn open(&self, cell: &Cell, golden: &Golden) -> Box<dyn Inspection> {
        let origin = format!(
            "{}@{}",
            golden.origin.zone,
            golden.origin.snapshot.as_deref().unwrap_or_default()
        );
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let scene = known.get(&origin).cloned();
        drop(known);
        let is_known = scene.is_some();
        let noise = self.noise(cell).with(&golden.noise);
        Box::new(Eye {
            sight: Sight::new(cell, &self.policy, noise, scene, self.shelf.clone()),
            layout: self.layout.clone(),
            origin,
            is_known,
            known: Arc::clone(&self.known),
        })
    }
}

/// Follows one cell.
#[derive(Debug, Clone)]
struct Eye {
    sight: Sight,
    layout: Layout,
    origin: String,
    is_known: bool,
    known: Known,
}

impl Eye {
    fn place(&self, zone: &str) -> Result<Place, String> {
        let name: ZoneName = zone.parse().map_err(|_| format!("`{zone}` is no zone"))?;
        let config = zones_engine::load(&self.layout, &name).map_err(|error| chain(&error))?;
        let zonepath = config
            .zonepath
            .as_ref()
            .ok_or_else(|| format!("{zone}: no zonepath"))?;
        let state = RunState::read(&self.layout, &name);
        let init = state.and_then(|state| state.init).map(|init| init.pid);
        Ok(Place {
            root: zonepath.root(),
            init,
        })
    }
}

impl Eye {
    /// What the image runs by itself; from now on it is known to all cells.
    fn baseline(&mut self, zone: &str) -> Result<(), String> {
        let place = self.place(zone)?;
        let seen = self.sight.baseline(&place);
        seen.map_err(|error| chain(&error))?;
        if let Some(scene) = self.sight.golden() {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(self.origin.clone()).or_insert(scene);
        }
        Ok(())
    }
}

impl Inspection for Eye {
    fn look(&mut self, zone: &str, when: Look) -> Result<(), String> {
        let when = match when {
            Look::Start | Look::Booted if self.is_known => return Ok(()),
            Look::Booted => return self.baseline(zone),
            Look::Start => When::Golden,
            Look::Step(at) => When::Step(at),
            Look::Rebooted => When::Rebooted,
        };
        if when != When::Golden && !self.sight.wants(&when) {
            return Ok(());
        }
        let place = self.place(zone)?;
        let seen = self.sight.look(&place, &when, None);
        seen.map_err(|error| chain(&error))
    }

    fn fork(&self) -> Box<dyn Inspection> {
        Box::new(self.clone())
    }

    fn judge(&mut self, check: &Check) -> CheckResult {
        self.sight.judge(check)
    }
}
