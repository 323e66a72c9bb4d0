//! A scene as bytes: rows of JSON, packed. Paths are written as people see them, which can be read
//! back.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use zones_matrix::Key;
use zones_matrix::leftovers::{
    Account, Elf, Entry, Inventory, Job, Kind, Needs, Package, Path, Record, named, shown,
};

use super::{EvidenceError, Scene, Stamp};

/// Of this form; another one is not read.
const VERSION: u32 = 1;
/// Quick, and small enough.
const LEVEL: i32 = 3;
/// A scene is never as large, in bytes: what says so is damaged.
const LARGEST: usize = 1 << 30;

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    files: Vec<File>,
    owners: Vec<(String, BTreeSet<String>)>,
    users: BTreeMap<String, (u32, String)>,
    groups: BTreeMap<String, (u32, String)>,
    services: BTreeMap<String, (bool, Vec<String>)>,
    cron: BTreeMap<String, (bool, Vec<String>)>,
    packages: BTreeMap<String, (String, String)>,
    alternatives: BTreeMap<String, (String, Vec<String>)>,
    diversions: BTreeMap<String, String>,
    processes: BTreeMap<String, u32>,
    sets: [BTreeSet<String>; 6],
    config: Vec<String>,
    texts: Vec<(String, String)>,
    needs: Vec<(String, SavedNeeds)>,
    library_dirs: Vec<String>,
    notes: Vec<String>,
}

/// Short names: there are as many as files.
#[derive(Serialize, Deserialize)]
struct File {
    p: String,
    k: Kind,
    m: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    u: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    g: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    h: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    t: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    x: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<(u32, u32)>,
    #[serde(default, skip_serializing_if = "is_zero")]
    f: u32,
    i: (u64, i64, i64),
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Serialize, Deserialize)]
enum SavedNeeds {
    Script(Vec<String>),
    Elf {
        machine: u16,
        wide: bool,
        interpreter: Option<String>,
        needed: Vec<String>,
        rpath: Vec<String>,
        runpath: Vec<String>,
        is_static: bool,
        is_go: bool,
    },
}

impl Scene {
    /// As bytes, for a file.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let saved = Saved::from(self);
        let text = serde_json::to_vec(&saved).unwrap_or_default();
        zstd::encode_all(text.as_slice(), LEVEL).unwrap_or_default()
    }

    /// From what [`save`](Self::save) made.
    ///
    /// # Errors
    /// [`EvidenceError::Saved`] for anything else.
    pub fn load(bytes: &[u8]) -> Result<Self, EvidenceError> {
        use std::io::Read;
        let damaged = |why: &dyn ToString| EvidenceError::Saved(why.to_string());
        let reader = zstd::Decoder::new(bytes).map_err(|error| damaged(&error))?;
        let mut text = Vec::new();
        let mut reader = reader.take(LARGEST as u64);
        reader
            .read_to_end(&mut text)
            .map_err(|error| damaged(&error))?;
        let saved: Saved = serde_json::from_slice(&text).map_err(|error| damaged(&error))?;
        if saved.version != VERSION {
            return Err(damaged(&format!("it is of form {}", saved.version)));
        }
        saved.scene()
    }
}

fn texts<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Vec<String> {
    paths.into_iter().map(|path| shown(path)).collect()
}

fn paths<C: FromIterator<Path>>(texts: &[String]) -> C {
    texts.iter().map(|text| named(text)).collect()
}

fn jobs(jobs: &BTreeMap<String, Job>) -> BTreeMap<String, (bool, Vec<String>)> {
    let all = jobs
        .iter()
        .map(|(name, job)| (name.clone(), (job.enabled, texts(&job.paths))));
    all.collect()
}

fn accounts(all: &BTreeMap<String, Account>) -> BTreeMap<String, (u32, String)> {
    let all = all
        .iter()
        .map(|(name, it)| (name.clone(), (it.id, it.rest.clone())));
    all.collect()
}

fn file(path: &Path, entry: &Entry, stamp: Stamp) -> File {
    let attributes = entry
        .xattrs
        .iter()
        .map(|(key, value)| (shown(key), shown(value)));
    File {
        p: shown(path),
        k: entry.kind,
        m: entry.mode,
        u: entry.uid,
        g: entry.gid,
        s: (entry.kind == Kind::File).then_some(entry.size),
        h: entry.hash.map(|hash| hash.to_string()),
        t: entry.target.as_deref().map(shown),
        x: attributes.collect(),
        n: (entry.links != 1).then_some(entry.links),
        d: entry.device,
        f: entry.flags,
        i: (stamp.inode, stamp.modified, stamp.changed),
    }
}

impl From<&Scene> for Saved {
    fn from(scene: &Scene) -> Self {
        let all = &scene.inventory;
        let stamp = |path: &Path| scene.stamps.get(path).copied().unwrap_or_default();
        let mut owners: BTreeMap<&String, BTreeSet<String>> = BTreeMap::new();
        for (path, owner) in &all.owners {
            owners.entry(owner).or_default().insert(shown(path));
        }
        let packages = all.packages.iter();
        let alternatives = all.alternatives.iter();
        let needs = all
            .needs
            .iter()
            .map(|(path, needs)| (shown(path), SavedNeeds::from(needs)));
        Self {
            version: VERSION,
            files: all
                .files
                .iter()
                .map(|(path, entry)| file(path, entry, stamp(path)))
                .collect(),
            owners: owners
                .into_iter()
                .map(|(name, all)| (name.clone(), all))
                .collect(),
            users: accounts(&all.users),
            groups: accounts(&all.groups),
            services: jobs(&all.services),
            cron: jobs(&all.cron),
            packages: packages
                .map(|(name, it)| (name.clone(), (it.version.clone(), it.state.clone())))
                .collect(),
            alternatives: alternatives
                .map(|(name, it)| (name.clone(), (it.text.clone(), texts(&it.paths))))
                .collect(),
            diversions: all.diversions.clone(),
            processes: all.processes.clone(),
            sets: [
                &all.sockets,
                &all.ipc,
                &all.mounts,
                &all.rules,
                &all.keys,
                &all.units,
            ]
            .map(Clone::clone),
            config: texts(&all.config),
            texts: all
                .texts
                .iter()
                .map(|(path, text)| (shown(path), shown(text)))
                .collect(),
            needs: needs.collect(),
            library_dirs: texts(&all.library_dirs),
            notes: scene.notes.clone(),
        }
    }
}

impl From<&Needs> for SavedNeeds {
    fn from(needs: &Needs) -> Self {
        match needs {
            Needs::Script(words) => Self::Script(texts(words)),
            Needs::Elf(elf) => Self::Elf {
                machine: elf.machine,
                wide: elf.wide,
                interpreter: elf.interpreter.as_deref().map(shown),
                needed: texts(&elf.needed),
                rpath: texts(&elf.rpath),
                runpath: texts(&elf.runpath),
                is_static: elf.is_static,
                is_go: elf.is_go,
            },
        }
    }
}

impl From<SavedNeeds> for Needs {
    fn from(saved: SavedNeeds) -> Self {
        match saved {
            SavedNeeds::Script(words) => Self::Script(paths(&words)),
            SavedNeeds::Elf {
                machine,
                wide,
                interpreter,
                needed,
                rpath,
                runpath,
                is_static,
                is_go,
            } => Self::Elf(Elf {
                machine,
                wide,
                interpreter: interpreter.as_deref().map(named),
                needed: paths(&needed),
                rpath: paths(&rpath),
                runpath: paths(&runpath),
                is_static,
                is_go,
            }),
        }
    }
}

impl File {
    fn entry(self) -> Result<(Path, Entry, Stamp), EvidenceError> {
        let mut entry = Entry::new(self.k, self.m);
        (entry.uid, entry.gid) = (self.u, self.g);
        entry.size = self.s.unwrap_or(0);
        let hash = self.h.map(|hash| hash.parse::<Key>());
        entry.hash = hash
            .transpose()
            .map_err(|error| EvidenceError::Saved(error.to_string()))?;
        entry.target = self.t.as_deref().map(named);
        entry.xattrs = self
            .x
            .iter()
            .map(|(key, value)| (named(key), named(value)))
            .collect();
        entry.links = self.n.unwrap_or(1);
        entry.device = self.d;
        entry.flags = self.f;
        let (inode, modified, changed) = self.i;
        let stamp = Stamp {
            inode,
            modified,
            changed,
        };
        Ok((named(&self.p), entry, stamp))
    }
}

impl Saved {
    fn scene(self) -> Result<Scene, EvidenceError> {
        let jobs = |all: BTreeMap<String, (bool, Vec<String>)>| -> BTreeMap<String, Job> {
            let all = all.into_iter().map(|(name, (enabled, files))| {
                let paths = paths(&files);
                (name, Job { paths, enabled })
            });
            all.collect()
        };
        let accounts = |all: BTreeMap<String, (u32, String)>| -> BTreeMap<String, Account> {
            all.into_iter()
                .map(|(name, (id, rest))| (name, Account { id, rest }))
                .collect()
        };
        let [sockets, ipc, mounts, rules, keys, units] = self.sets;
        let owned = self.owners.iter();
        let owned =
            owned.flat_map(|(name, all)| all.iter().map(move |path| (named(path), name.clone())));
        let packages = self.packages.into_iter();
        let alternatives = self.alternatives.into_iter();
        let mut scene = Scene {
            inventory: Inventory {
                owners: owned.collect(),
                users: accounts(self.users),
                groups: accounts(self.groups),
                services: jobs(self.services),
                cron: jobs(self.cron),
                packages: packages
                    .map(|(name, (version, state))| (name, Package { version, state }))
                    .collect(),
                alternatives: alternatives
                    .map(|(name, (text, files))| {
                        let paths = paths(&files);
                        (name, Record { text, paths })
                    })
                    .collect(),
                diversions: self.diversions,
                processes: self.processes,
                sockets,
                ipc,
                mounts,
                rules,
                keys,
                units,
                config: paths(&self.config),
                texts: self
                    .texts
                    .iter()
                    .map(|(path, text)| (named(path), named(text)))
                    .collect(),
                needs: self
                    .needs
                    .into_iter()
                    .map(|(path, it)| (named(&path), it.into()))
                    .collect(),
                library_dirs: paths(&self.library_dirs),
                ..Inventory::default()
            },
            stamps: BTreeMap::new(),
            notes: self.notes,
        };
        for file in self.files {
            let (path, entry, stamp) = file.entry()?;
            scene.inventory.files.insert(path.clone(), entry);
            scene.stamps.insert(path, stamp);
        }
        Ok(scene)
    }
}
