//! What a plan says of itself: figures, tables, JSON, what to fetch.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};
use zones_ips::action::Actuator;
use zones_ips::preserve::{Outcome, Removal};
use zones_ips::{Action, ActionKind, Publisher};

use super::collect::{Table, parents};
use super::{Actuators, Change, Editables, Item, License, MediatorChange, Plan, Step};

/// What a file takes on disk is a multiple of this, in bytes.
const BLOCK: u64 = 4096;

/// The figures of a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    /// `Packages to remove`.
    pub remove: usize,
    /// `Packages to install`.
    pub install: usize,
    /// `Packages to update`.
    pub update: usize,
    /// `Packages to change`: same version, other variants, facets or mediators.
    pub change: usize,
    /// `Packages to fix`.
    pub fix: usize,
    /// `Mediators to change`.
    pub mediators: usize,
    /// `Services to change`.
    pub services: usize,
    /// Payloads to fetch.
    pub files: usize,
    /// Bytes to fetch, compressed.
    pub fetched_bytes: u64,
    /// Bytes that the image grows by while the operation runs; what it replaces is not taken off.
    pub added_bytes: u64,
}

/// Fills in what follows from the steps.
pub(super) fn gather(table: &Table<'_>, plan: &mut Plan) {
    plan.licenses = licenses(table, plan);
    finish(plan);
}

/// As [`gather`], for plans that concern no licence.
pub(crate) fn finish(plan: &mut Plan) {
    plan.actuators = actuators(plan);
    plan.editables = editables(plan);
}

/// Licences of packages that come or change, as far as their text is new.
fn licenses(table: &Table<'_>, plan: &Plan) -> Vec<License> {
    let steps = plan.installs.iter().chain(&plan.updates);
    let mut found = Vec::new();
    for step in steps {
        let Some(item) = step.to else { continue };
        let action = table.action(item);
        if action.kind() == ActionKind::License {
            found.push(License {
                item,
                from: step.from,
                must_accept: action.must_accept(),
                must_display: action.must_display(),
            });
        }
    }
    found.sort_by_key(|license| (plan.fmri(license.item), license.item));
    found
}

fn actuators(plan: &Plan) -> Actuators {
    let mut lists: [BTreeSet<&str>; 4] = Default::default();
    let mut reboot_needed = false;
    for step in plan.steps() {
        let items = [step.to, step.from.filter(|_| step.to.is_none())];
        for item in items.into_iter().flatten() {
            for actuator in plan.action(item).actuators() {
                let (at, service) = match actuator {
                    Actuator::DisableFmri(service) => (0, service),
                    Actuator::RefreshFmri(service) => (1, service),
                    Actuator::RestartFmri(service) => (2, service),
                    Actuator::SuspendFmri(service) => (3, service),
                    Actuator::RebootNeeded => {
                        reboot_needed = true;
                        continue;
                    }
                };
                lists[at].insert(service);
            }
        }
    }
    let [disable_fmri, refresh_fmri, restart_fmri, suspend_fmri] =
        lists.map(|list| list.into_iter().map(str::to_owned).collect());
    Actuators {
        disable_fmri,
        refresh_fmri,
        restart_fmri,
        suspend_fmri,
        reboot_needed,
    }
}

fn editables(plan: &Plan) -> Editables {
    let mut found = Editables::default();
    let editable = |item: Option<Item>| {
        let action = plan.action(item?);
        let is_editable = matches!(action.preserve(), Ok(Some(_)));
        let path = action.path().ok().filter(|_| is_editable)?;
        Some(path.to_owned())
    };
    for step in plan.steps() {
        let (from, to) = (editable(step.from), editable(step.to));
        match (from, to) {
            (Some(from), Some(to)) if from != to => found.moved.push((from, to)),
            (Some(path), None) if step.to.is_none() && step.removal() != Removal::Leave => {
                found.removed.push(path);
            }
            (_, Some(path)) if step.from.is_none() && changes(step) => found.installed.push(path),
            (_, Some(path)) if changes(step) => found.updated.push(path),
            _ => {}
        }
    }
    found.moved.sort();
    for list in [&mut found.removed, &mut found.installed, &mut found.updated] {
        list.sort();
    }
    found
}

fn changes(step: &Step) -> bool {
    !matches!(step.outcome, Some(Outcome::Leave | Outcome::Keep) | None)
}

/// The items whose payload is needed, each payload once.
pub(super) fn content(plan: &Plan) -> Vec<Item> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for step in plan.steps() {
        let Some(item) = step.to else { continue };
        let action = plan.action(item);
        let is_needed = action.kind() == ActionKind::License || step.needs_content();
        if is_needed && seen.insert((plan.fmri(item).publisher(), action.payload())) {
            found.push(item);
        }
    }
    found
}

impl Plan {
    /// The figures.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let mut numbers = Numbers {
            mediators: self.mediators.len(),
            services: self.services().len(),
            ..Numbers::default()
        };
        for change in &self.changes {
            match (&change.from, &change.to) {
                (Some(_), None) => numbers.remove += 1,
                (None, Some(_)) => numbers.install += 1,
                (Some(from), Some(to)) if from != to => numbers.update += 1,
                _ => numbers.fix += 1,
            }
        }
        let touched: HashSet<_> = self
            .steps()
            .filter_map(|step| step.to.or(step.from))
            .map(|item| self.fmri(item))
            .collect();
        let named: HashSet<_> = self
            .changes
            .iter()
            .flat_map(|change| [&change.from, &change.to])
            .flatten()
            .collect();
        numbers.change = touched.difference(&named).count();
        for item in self.content() {
            let action = self.action(item);
            numbers.files += 1;
            numbers.fetched_bytes += action.compressed_size().unwrap_or(0);
        }
        numbers.added_bytes = self
            .steps()
            .map(|step| step.added_bytes(self))
            .fold(0, u64::saturating_add);
        numbers
    }

    fn services(&self) -> BTreeSet<&str> {
        let it = &self.actuators;
        let lists = [
            &it.disable_fmri,
            &it.refresh_fmri,
            &it.restart_fmri,
            &it.suspend_fmri,
        ];
        lists.into_iter().flatten().map(String::as_str).collect()
    }

    /// `Changed packages:` with a line for the publisher, the name, and the versions; also the
    /// table of editable files. As `pkg install -nv` prints them.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.list_packages(&mut lines);
        self.list_mediators(&mut lines);
        self.list_services(&mut lines);
        self.list_editables(&mut lines);
        lines
    }

    fn list_packages(&self, lines: &mut Vec<String>) {
        let mut by_publisher: BTreeMap<Option<&Publisher>, Vec<&Change>> = BTreeMap::new();
        for change in &self.changes {
            let named = change.to.as_ref().or(change.from.as_ref());
            let publisher = named.and_then(|fmri| fmri.publisher());
            by_publisher.entry(publisher).or_default().push(change);
        }
        if by_publisher.is_empty() {
            return;
        }
        lines.push("Changed packages:".to_owned());
        for (publisher, changes) in by_publisher {
            lines.push(publisher.map_or_else(String::new, |it| it.as_str().to_owned()));
            for change in changes {
                let Some(named) = change.to.as_ref().or(change.from.as_ref()) else {
                    continue;
                };
                lines.push(format!("  {}", named.stem().as_str()));
                let [from, to] = [&change.from, &change.to].map(|fmri| match fmri {
                    Some(fmri) => version(&fmri.short()),
                    None => "None".to_owned(),
                });
                lines.push(format!("    {from} -> {to}"));
            }
        }
        lines.push(String::new());
    }

    fn list_mediators(&self, lines: &mut Vec<String>) {
        if self.mediators.is_empty() {
            return;
        }
        lines.push("Changed mediators:".to_owned());
        for change in &self.mediators {
            lines.push(format!("  mediator {}:", change.mediator));
            let version = |it: &zones_ips::mediator::Choice| it.version.0.clone();
            let implementation = |it: &zones_ips::mediator::Choice| it.implementation.0.clone();
            let rows = [
                (
                    "version",
                    shown(change.from.as_ref().and_then(version)),
                    shown(change.to.as_ref().and_then(version)),
                ),
                (
                    "implementation",
                    shown(change.from.as_ref().and_then(implementation)),
                    shown(change.to.as_ref().and_then(implementation)),
                ),
            ];
            for (word, from, to) in rows {
                if from != to {
                    lines.push(format!("{word:>18}: {from} -> {to}"));
                }
            }
        }
        lines.push(String::new());
    }

    fn list_services(&self, lines: &mut Vec<String>) {
        let it = &self.actuators;
        let rows = [
            ("disable_fmri", &it.disable_fmri),
            ("refresh_fmri", &it.refresh_fmri),
            ("restart_fmri", &it.restart_fmri),
            ("suspend_fmri", &it.suspend_fmri),
        ];
        if rows.iter().all(|(_, list)| list.is_empty()) {
            return;
        }
        lines.push("Services:".to_owned());
        for (word, list) in rows.into_iter().filter(|(_, list)| !list.is_empty()) {
            lines.push(format!("  {word}:"));
            lines.extend(list.iter().map(|service| format!("    {service}")));
        }
        lines.push(String::new());
    }

    fn list_editables(&self, lines: &mut Vec<String>) {
        let moved: Vec<_> = self
            .editables
            .moved
            .iter()
            .map(|(from, to)| format!("{from} -> {to}"))
            .collect();
        let text = |list: &[zones_ips::ImagePath]| -> Vec<String> {
            list.iter().map(ToString::to_string).collect()
        };
        let rows = [
            ("Move", moved),
            ("Remove", text(&self.editables.removed)),
            ("Install", text(&self.editables.installed)),
            ("Update", text(&self.editables.updated)),
        ];
        if rows.iter().all(|(_, list)| list.is_empty()) {
            return;
        }
        lines.push("Editable files to change:".to_owned());
        for (word, list) in rows.into_iter().filter(|(_, list)| !list.is_empty()) {
            lines.push(format!("  {word}:"));
            lines.extend(list.into_iter().map(|path| format!("    {path}")));
        }
        lines.push(String::new());
    }

    /// The plan for `--parsable 0`. Keys that speak of the image as a whole, such as boot
    /// environments and free space, are for the caller to add.
    #[must_use]
    pub fn parsable(&self) -> Value {
        let names = |pick: fn(&Change) -> Option<String>| -> Vec<String> {
            self.changes.iter().filter_map(pick).collect()
        };
        let changed = self.changes.iter().filter_map(|change| {
            let (from, to) = (change.from.as_ref()?, change.to.as_ref()?);
            Some(json!([from.to_string(), to.to_string()]))
        });
        let it = &self.actuators;
        let services = [
            ("disable_fmri", &it.disable_fmri),
            ("refresh_fmri", &it.refresh_fmri),
            ("restart_fmri", &it.restart_fmri),
            ("suspend_fmri", &it.suspend_fmri),
        ];
        let services = services
            .into_iter()
            .flat_map(|(word, list)| list.iter().map(move |service| json!([word, service])));
        let licenses = self
            .licenses
            .iter()
            .map(|license| self.license_value(license));
        json!({
            "activate-be": true,
            "add-packages": names(added),
            "affect-packages": [],
            "affect-services": services.collect::<Vec<_>>(),
            "backup-be-name": null,
            "be-name": null,
            "boot-archive-rebuild": false,
            "change-editables": self.editables_value(),
            "change-facets": [],
            "change-mediators": self.mediators_value(),
            "change-packages": changed.collect::<Vec<_>>(),
            "change-variants": [],
            "child-images": [],
            "create-backup-be": false,
            "create-new-be": false,
            "image-name": null,
            "item-messages": {},
            "licenses": licenses.collect::<Vec<_>>(),
            "release-notes": [],
            "remove-packages": names(removed),
            "space-available": null,
            "space-required": self.numbers().added_bytes,
            "version": 0,
        })
    }

    fn editables_value(&self) -> Value {
        let mut rows = Vec::new();
        let it = &self.editables;
        for (from, to) in &it.moved {
            rows.push(json!(["moved", [from.as_str(), to.as_str()]]));
        }
        for (word, list) in [
            ("removed", &it.removed),
            ("installed", &it.installed),
            ("updated", &it.updated),
        ] {
            rows.extend(list.iter().map(|path| json!([word, [path.as_str()]])));
        }
        Value::Array(rows)
    }

    fn mediators_value(&self) -> Value {
        let side = |choice: Option<&zones_ips::mediator::Choice>| {
            choice.map(|choice| {
                json!({
                    "version": choice.version.0.as_ref().map(ToString::to_string),
                    "version-source": choice.version.1.as_str(),
                    "implementation": choice.implementation.0.as_ref().map(ToString::to_string),
                    "implementation-source": choice.implementation.1.as_str(),
                })
            })
        };
        let row = |it: &MediatorChange| {
            json!([it.mediator, side(it.from.as_ref()), side(it.to.as_ref())])
        };
        Value::Array(self.mediators.iter().map(row).collect())
    }

    fn license_value(&self, license: &License) -> Value {
        let name = |item: Item| self.action(item).get("license").unwrap_or_default();
        let from = license
            .from
            .map(|item| json!([self.fmri(item).to_string(), [], name(item)]));
        json!([
            self.fmri(license.item).to_string(),
            from,
            [
                self.fmri(license.item).to_string(),
                name(license.item),
                license.must_accept,
                license.must_display
            ]
        ])
    }

    /// Folders in which the plan writes, each once, sorted.
    pub(crate) fn folders_written(&self) -> Vec<String> {
        let mut folders = BTreeSet::new();
        for step in self.steps() {
            for item in [step.from, step.to].into_iter().flatten() {
                let action: &Action = self.action(item);
                if action.kind().row().has_path {
                    let path = action.key().unwrap_or_default();
                    folders.insert(parents(path).next().unwrap_or_default());
                }
            }
        }
        folders.insert("etc");
        folders.into_iter().map(str::to_owned).collect()
    }
}

impl Step {
    fn added_bytes(&self, plan: &Plan) -> u64 {
        match self.to {
            Some(item) if self.needs_content() => {
                let size = plan.action(item).size().unwrap_or(0);
                size.checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX)
            }
            Some(_) if self.from.is_none() && self.outcome.is_none() => BLOCK,
            _ => 0,
        }
    }
}

fn added(change: &Change) -> Option<String> {
    let fmri = change.to.as_ref().filter(|_| change.from.is_none())?;
    Some(fmri.to_string())
}

fn removed(change: &Change) -> Option<String> {
    let fmri = change.from.as_ref().filter(|_| change.to.is_none())?;
    Some(fmri.to_string())
}

/// The version of a short name.
fn version(short: &str) -> String {
    let version = short.rsplit_once('@').map(|(_, version)| version);
    version.unwrap_or_default().to_owned()
}

fn shown(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| value.to_string())
}
