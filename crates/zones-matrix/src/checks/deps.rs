//! Whether all that programs need is in the zone.
//!
//! A program is followed as the loader follows it: what it needs, what that needs, each looked for
//! where the loader looks. Source: ld.so(8), execve(2).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::leftovers::{
    Class, Elf, Finding, Inventory, Kind, Lead, Needs, Path, Subject, Weight, finding, follow,
    shown,
};

/// Where every loader looks, after the folders of the configuration.
const USUAL: [&[u8]; 4] = [b"/lib", b"/usr/lib", b"/lib64", b"/usr/lib64"];
/// Where `env` finds programs.
const PROGRAMS: [&[u8]; 6] = [
    b"/usr/local/sbin",
    b"/usr/local/bin",
    b"/usr/sbin",
    b"/usr/bin",
    b"/sbin",
    b"/bin",
];

/// What is missing now and was not before, one finding for each file that needs it.
#[must_use]
pub fn closed(before: &Inventory, now: &Inventory) -> Vec<Finding> {
    let known: BTreeSet<(Path, Path)> = missing(before).into_keys().collect();
    let lacking = missing(now)
        .into_iter()
        .filter(|(key, _)| !known.contains(key));
    let found = lacking.map(|((path, what), lack)| {
        let name = shown(&path);
        let text = shown(&what);
        let (detail, weight) = match lack {
            Lack::Library => (format!("library {text} is not in the zone"), Weight::Fault),
            Lack::Loader => (
                format!("its loader {text} is not in the zone"),
                Weight::Fault,
            ),
            Lack::Interpreter => (
                format!("its interpreter {text} is not there"),
                Weight::Fault,
            ),
            Lack::Elsewhere(place) => {
                let place = shown(&place);
                let text = format!("library {text} is in {place}, where its loader does not look");
                (text, Weight::Note)
            }
            Lack::Folder => (
                format!("looks for libraries in {text}, which is not in the zone"),
                Weight::Note,
            ),
        };
        let mut one = finding(Subject::Need, Class::Missing, name, detail);
        one.weight = weight;
        one.owner = now.owner(&path).cloned();
        one
    });
    found.collect()
}

/// Programs on which a preloaded library has no effect, among the files that came: a fake clock
/// does not reach them.
#[must_use]
pub fn overridden(before: &Inventory, now: &Inventory) -> Vec<Finding> {
    let came = now
        .needs
        .iter()
        .filter(|(path, needs)| before.needs.get(*path) != Some(needs));
    let found = came.filter_map(|(path, needs)| {
        let Needs::Elf(elf) = needs else {
            return None;
        };
        let is_java = path.ends_with(b"/java");
        let why = match (elf.is_go, elf.is_static, is_java) {
            (true, ..) => "a Go program asks the kernel itself: it sees the real time",
            (_, true, _) => "a static program takes no preloaded library: it sees the real time",
            (.., true) => "Java may wait too long or spin under a faked clock",
            _ => return None,
        };
        let class = Class::Meta;
        let mut one = finding(Subject::Need, class, shown(path), why.to_owned());
        one.weight = Weight::Note;
        Some(one)
    });
    found.collect()
}

enum Lack {
    Library,
    Loader,
    Interpreter,
    /// A library of that name is there, but not where the loader looks.
    Elsewhere(Path),
    /// A folder of the search path.
    Folder,
}

/// Pairs of a file and what it lacks.
fn missing(all: &Inventory) -> BTreeMap<(Path, Path), Lack> {
    let mut search = Search::new(all);
    for (path, needs) in &all.needs {
        match needs {
            Needs::Script(words) if is_executable(path, all) => search.script(path, words),
            Needs::Elf(elf) if elf.interpreter.is_some() => search.program(path, elf),
            _ => {}
        }
    }
    // What no program loads by itself: modules that are opened by name.
    for (path, needs) in &all.needs {
        if let Needs::Elf(elf) = needs
            && elf.interpreter.is_none()
            && !search.loaded.contains(path)
        {
            search.module(path, elf);
        }
    }
    search.found
}

fn is_executable(path: &[u8], all: &Inventory) -> bool {
    all.files
        .get(path)
        .is_some_and(|entry| entry.mode & 0o111 != 0)
}

struct Search<'a> {
    all: &'a Inventory,
    loaded: BTreeSet<Path>,
    found: BTreeMap<(Path, Path), Lack>,
    /// Names of libraries, and one place of each.
    names: BTreeMap<&'a [u8], &'a Path>,
}

impl<'a> Search<'a> {
    fn new(all: &'a Inventory) -> Self {
        let libraries = all.files.iter().filter(|(path, entry)| {
            let is_library = matches!(all.needs.get(*path), Some(Needs::Elf(_)));
            is_library || entry.kind == Kind::Link
        });
        let names = libraries.map(|(path, _)| (base(path), path)).collect();
        Self {
            all,
            loaded: BTreeSet::new(),
            found: BTreeMap::new(),
            names,
        }
    }

    fn lacks(&mut self, path: &[u8], what: &[u8], lack: Lack) {
        self.found.insert((path.to_vec(), what.to_vec()), lack);
    }

    fn is_there(&self, path: &[u8]) -> bool {
        match follow(path, self.all) {
            Lead::Here(_) | Lead::Unknown => true,
            Lead::Nowhere => false,
        }
    }

    fn script(&mut self, path: &[u8], words: &[Path]) {
        let Some(program) = words.first() else {
            return;
        };
        if !self.is_there(program) {
            return self.lacks(path, program, Lack::Interpreter);
        }
        if base(program) != b"env" {
            return;
        }
        // Options and assignments stand in front of the name.
        let is_name = |word: &&Path| !word.starts_with(b"-") && !word.contains(&b'=');
        let Some(name) = words[1..].iter().find(is_name) else {
            return;
        };
        let is_found = match name.starts_with(b"/") {
            true => self.is_there(name),
            false => PROGRAMS
                .iter()
                .any(|folder| self.is_there(&join(folder, name))),
        };
        if !is_found {
            self.lacks(path, name, Lack::Interpreter);
        }
    }

    fn program(&mut self, path: &Path, elf: &Elf) {
        if let Some(loader) = &elf.interpreter
            && !self.is_there(loader)
        {
            self.lacks(path, loader, Lack::Loader);
        }
        self.folders(path, elf);
        // Folders of DT_RPATH of whoever loads count for what is loaded.
        let mut seen = BTreeSet::from([path.clone()]);
        let mut queue = VecDeque::from([(path.clone(), elf, inherited(path, elf, &[]))]);
        // What is loaded already is looked for nowhere: it may be in a folder that only the program
        // names. Source: ld.so(8), dlopen(3).
        let mut known: BTreeSet<&Path> = BTreeSet::new();
        while let Some((user, elf, rpath)) = queue.pop_front() {
            for name in &elf.needed {
                if known.contains(name) {
                    continue;
                }
                let Some(found) = self.library(&user, elf, &rpath, name) else {
                    self.lacks(&user, name, Lack::Library);
                    continue;
                };
                known.insert(name);
                if let Some(Needs::Elf(next)) = self.all.needs.get(&found)
                    && seen.insert(found.clone())
                {
                    self.loaded.insert(found.clone());
                    let rpath = inherited(&found, next, &rpath);
                    queue.push_back((found, next, rpath));
                }
            }
        }
    }

    fn module(&mut self, path: &Path, elf: &Elf) {
        self.folders(path, elf);
        let rpath = inherited(path, elf, &[]);
        for name in &elf.needed {
            if self.library(path, elf, &rpath, name).is_some() {
                continue;
            }
            let lack = match self.names.get(base(name)) {
                Some(place) => Lack::Elsewhere((*place).clone()),
                None => Lack::Library,
            };
            self.lacks(path, name, lack);
        }
    }

    /// Folders that are named and not there, often those of the machine that built it.
    fn folders(&mut self, path: &Path, elf: &Elf) {
        for folder in elf.rpath.iter().chain(&elf.runpath) {
            let place = expand(folder, path, elf);
            if place.starts_with(b"/") && !self.is_there(&place) {
                self.lacks(path, &place, Lack::Folder);
            }
        }
    }

    /// The file that the loader takes for a name, links followed.
    fn library(&self, user: &[u8], elf: &Elf, rpath: &[Path], name: &[u8]) -> Option<Path> {
        if name.contains(&b'/') {
            return self.fits(&expand(name, user, elf), elf);
        }
        let own = elf.runpath.iter().map(|folder| expand(folder, user, elf));
        let rpath = rpath.iter().filter(|_| elf.runpath.is_empty()).cloned();
        let known = self.all.library_dirs.iter().cloned();
        let usual = USUAL.iter().map(|folder| folder.to_vec());
        let mut folders = rpath.chain(own).chain(known).chain(usual);
        folders.find_map(|folder| self.fits(&join(&folder, name), elf))
    }

    /// A library of another machine is passed over.
    fn fits(&self, path: &[u8], user: &Elf) -> Option<Path> {
        match follow(path, self.all) {
            Lead::Unknown => Some(path.to_vec()),
            Lead::Nowhere => None,
            Lead::Here(place) => match self.all.needs.get(&place) {
                Some(Needs::Elf(elf)) => {
                    let is_fit = (elf.machine, elf.wide) == (user.machine, user.wide);
                    is_fit.then_some(place)
                }
                _ => None,
            },
        }
    }
}

fn inherited(path: &[u8], elf: &Elf, above: &[Path]) -> Vec<Path> {
    if !elf.runpath.is_empty() {
        return above.to_vec();
    }
    let own = elf.rpath.iter().map(|folder| expand(folder, path, elf));
    own.chain(above.iter().cloned()).collect()
}

fn base(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

fn join(folder: &[u8], name: &[u8]) -> Path {
    [folder, b"/", name].concat()
}

/// Fills in `$ORIGIN` and `$LIB`. Source: ld.so(8).
fn expand(text: &[u8], file: &[u8], elf: &Elf) -> Path {
    let slash = file.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let lib: &[u8] = if elf.wide { b"lib64" } else { b"lib" };
    let words: [(&[u8], &[u8]); 4] = [
        (b"${ORIGIN}", &file[..slash]),
        (b"$ORIGIN", &file[..slash]),
        (b"${LIB}", lib),
        (b"$LIB", lib),
    ];
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        match words.iter().find(|(word, _)| rest.starts_with(word)) {
            Some((word, value)) => {
                out.extend_from_slice(value);
                rest = &rest[word.len()..];
            }
            None => {
                out.push(rest[0]);
                rest = &rest[1..];
            }
        }
    }
    out
}
