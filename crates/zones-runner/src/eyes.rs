//! Checks of a real run: files and processes of zones, seen from the host.

mod known;

use std::path::PathBuf;
use std::time::Duration;

use zones_archive::Candidates;
use zones_matrix::checks::{Extra, When};
use zones_matrix::journal::CheckResult;
use zones_matrix::leftovers::{Noise, known_noise};
use zones_matrix::{Cell, Check, Policy};
use zones_store::Layout;

use crate::evidence::{EvidenceError, Place, Sight};
use crate::inspect::{Inspection, Inspector, Look};
use crate::site::Site;
use crate::supply::Golden;
use known::{Base, Known, Shared};

/// What starts with a system may for a moment be called otherwise, or end soon: only when something
/// new runs after a reboot is it looked at again, so often.
const SETTLES: u32 = 20;
/// After this time. No descriptor tells that a program became another one.
const SETTLE: Duration = Duration::from_millis(100);

/// Looks at the zones of a site.
#[derive(Debug, Clone)]
pub struct Eyes {
    layout: Layout,
    policy: Policy,
    brands: Vec<String>,
    shelf: PathBuf,
    known: Known,
}

impl Eyes {
    /// `policy` says what may stay; `brands` are those of the platforms, in the order of the plan;
    /// in the folder `shelf`, which exists, cells share what a fresh installation looks like.
    #[must_use]
    pub fn new(site: &Site, policy: &Policy, brands: Vec<String>, shelf: PathBuf) -> Self {
        Self {
            layout: site.layout(),
            policy: policy.clone(),
            brands,
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
        let noise = self.known_noise(cell).with(&golden.noise);
        let sight = Sight::new(cell, &self.policy, noise, None, shelf);
        Box::new(Followed {
            layout: self.layout.clone(),
            sight,
            steps: cell.steps.len(),
            image: golden.origin.zone.clone(),
            shared: self.known.of(&golden.origin.zone),
            own: None,
        })
    }
}

#[derive(Debug, Clone)]
struct Followed {
    layout: Layout,
    sight: Sight,
    steps: usize,
    /// The zone of the image.
    image: String,
    shared: Shared,
    /// What the zone may have had of its own when it was looked at first.
    own: Option<Candidates>,
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

    fn see(&mut self, zone: &str, when: &When) -> Result<(), String> {
        let place = self.place(zone);
        // What was the zone's own at its first look may be as in the image by now.
        let own = self.own.as_ref().and_then(|_| self.own(zone));
        let only = known::both(self.own.as_ref(), own.as_ref());
        let seen = self.sight.look(&place, when, only.as_ref());
        seen.map_err(|error| error.to_string())
    }
}

impl Inspection for Followed {
    fn look(&mut self, zone: &str, when: Look) -> Result<(), String> {
        match when {
            Look::Start => self.begin(zone).map_err(|error| error.to_string()),
            Look::Rebooted => {
                self.see(zone, &When::Rebooted)?;
                for _ in 0..SETTLES {
                    if !self.sight.is_unsettled() {
                        break;
                    }
                    std::thread::sleep(SETTLE);
                    self.see(zone, &When::Rebooted)?;
                }
                Ok(())
            }
            Look::End(at) => match self.sight.has(&When::Step(at)) {
                true => Ok(()),
                false => self.see(zone, &When::Step(at)),
            },
            Look::Step(at) => {
                let is_last = at + 1 == self.steps;
                let when = When::Step(at);
                let is_wanted = self.sight.wants(&when);
                match is_last {
                    // The end, and still running.
                    true => self.see(zone, &When::Alive)?,
                    false if is_wanted => self.see(zone, &when)?,
                    false => {}
                }
                if is_last && at == 0 && is_wanted {
                    self.sight.also(&When::Alive, &when);
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

    fn fork(&self, cell: &Cell) -> Box<dyn Inspection> {
        Box::new(Self {
            sight: self.sight.fork(cell),
            steps: cell.steps.len(),
            ..self.clone()
        })
    }

    fn judge(&mut self, check: &Check) -> CheckResult {
        self.sight.judge(check)
    }
}
