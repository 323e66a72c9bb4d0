//! A root in a temporary folder, packages, and where their content comes from.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use zones_image::apply::{self, ApplyError, Content, Report, Source, apply};
use zones_image::check::{self, ImageDisk, verify};
use zones_image::plan::{Package, Plan, PlanError, Policy, Request, plan};
use zones_ips::manifest::Unknown;
use zones_ips::{Action, Algorithm, Digest, Fmri, Manifest};
use zones_sys::RootFd;

/// The second that names things in lost+found.
pub(crate) const TIME: &str = "20261121T120000Z";

/// Payloads by name, as a repository stores them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store(pub(crate) HashMap<String, Vec<u8>>);

impl Content for Store {
    fn open(&self, _: &Fmri, action: &Action) -> io::Result<Source> {
        let name = action.payload().unwrap_or_default();
        let missing = || io::Error::new(io::ErrorKind::NotFound, "not fetched");
        let packed = self.0.get(name).ok_or_else(missing)?.clone();
        Ok(Source::Packed(Box::new(Cursor::new(packed))))
    }
}

pub(crate) struct World {
    pub(crate) temp: tempfile::TempDir,
    pub(crate) root: RootFd,
    pub(crate) store: Store,
    pub(crate) installed: Vec<Package>,
    pub(crate) policy: Policy,
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// `pkg://test/NAME@VERSION`, complete.
pub(crate) fn fmri(short: &str) -> Fmri {
    format!("pkg://test/{short}:20260101T000000Z")
        .parse()
        .expect("fmri")
}

pub(crate) fn apply_options() -> apply::Options {
    apply::Options {
        licenses: "var/pkg/license".parse().expect("path"),
        salvage: "var/pkg/lost+found".parse().expect("path"),
        time: TIME.parse().expect("time"),
        threads: 2,
        is_flushed: false,
    }
}

pub(crate) fn check_options() -> check::Options {
    check::Options {
        licenses: "var/pkg/license".parse().expect("path"),
        threads: 2,
    }
}

/// Whether owners can be set; says so when not.
pub(crate) fn is_root(name: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("SKIP {name}: needs root to set owners");
    }
    is_root
}

impl World {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().expect("temp dir");
        fs::create_dir(temp.path().join("root")).expect("root");
        Self::at(temp)
    }

    /// In memory where the host allows it: what is synced there costs nothing.
    pub(crate) fn quick() -> Self {
        let temp = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let temp = temp.expect("temp dir");
        fs::create_dir(temp.path().join("root")).expect("root");
        Self::at(temp)
    }

    pub(crate) fn at(temp: tempfile::TempDir) -> Self {
        let root = RootFd::open(&temp.path().join("root")).expect("root");
        Self {
            temp,
            root,
            store: Store::default(),
            installed: Vec::new(),
            policy: Policy::default(),
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.temp.path().join("root").join(path)
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("folders");
        fs::write(path, text).expect("write");
    }

    /// The line of a file action; its content goes into the store.
    pub(crate) fn file(&mut self, path: &str, content: &str, more: &str) -> String {
        self.store.file(path, content.as_bytes(), more)
    }

    /// A package of these lines.
    pub(crate) fn package(&self, short: &str, lines: &[String]) -> Package {
        package(short, lines)
    }

    pub(crate) fn plan(&self, wanted: &[Package]) -> Result<Plan, PlanError> {
        let request = Request {
            installed: &self.installed,
            wanted,
            before: &self.policy,
            after: &self.policy,
        };
        plan(&request, &ImageDisk::new(&self.root))
    }

    pub(crate) fn apply(&self, plan: &Plan) -> Result<Report, ApplyError> {
        apply(plan, &self.root, &self.store, &apply_options(), &|_| {})
    }

    /// Plans and applies; the store must have what is needed, and need have no more.
    pub(crate) fn install(&mut self, wanted: &[Package]) -> Report {
        let plan = self.plan(wanted).expect("plan");
        let needed: Vec<_> = plan.content();
        let mut fetched = Store::default();
        for item in needed {
            let name = plan.action(item).payload().expect("payload");
            fetched
                .0
                .insert(name.to_owned(), self.store.0[name].clone());
        }
        let report = apply(&plan, &self.root, &fetched, &apply_options(), &|_| {});
        self.installed = wanted.to_vec();
        report.expect("apply")
    }

    pub(crate) fn verify(&self) -> check::Report {
        verify(
            &self.root,
            &self.installed,
            &|_| true,
            &self.policy,
            &check_options(),
            &|_| {},
        )
    }

    pub(crate) fn assert_clean(&self) {
        let report = self.verify();
        assert!(report.is_clean(), "{:#?}", report.lines(true));
    }

    /// All files in lost+found, by path below it, with their content.
    pub(crate) fn salvaged(&self) -> Vec<(String, String)> {
        let top = self.path("var/pkg/lost+found");
        let mut found = Vec::new();
        walk(&top, &top, &mut found);
        found.sort();
        found
    }
}

impl Store {
    pub(crate) fn file(&mut self, path: &str, content: &[u8], more: &str) -> String {
        let sha1 = Digest::of(Algorithm::Sha1, content).to_string();
        let sha2 = Digest::of(Algorithm::Sha512t256, content);
        let packed = gzip(content);
        let (size, csize) = (content.len(), packed.len());
        self.0.insert(sha1.clone(), packed);
        let mode = if more.contains("mode=") {
            ""
        } else {
            "mode=0644"
        };
        format!(
            "file {sha1} path={path} owner=root group=root {mode} pkg.size={size} \
             pkg.csize={csize} pkg.content-hash=file:sha512t_256:{sha2} {more}"
        )
    }
}

pub(crate) fn package(short: &str, lines: &[String]) -> Package {
    let fmri = fmri(short);
    let mut text = format!("set name=pkg.fmri value={fmri}\n");
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    Package {
        fmri,
        manifest: Arc::new(Manifest::parse(&text, Unknown::Kept).expect("manifest")),
    }
}

fn walk(top: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(top, &path, found);
        } else {
            let name = path.strip_prefix(top).expect("below").display().to_string();
            found.push((name, fs::read_to_string(&path).unwrap_or_default()));
        }
    }
}

/// All names below a root.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path
                .strip_prefix(folder)
                .expect("below")
                .display()
                .to_string();
            if entry.file_type().is_ok_and(|it| it.is_dir()) {
                open.push(path);
            }
            found.push(name);
        }
    }
    found.sort();
    found
}
