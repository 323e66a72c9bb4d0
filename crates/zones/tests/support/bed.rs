//! Where verbs that work on files are cut short: a host with a zone, its snapshots and
//! environments, and what must be true of them whatever was cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::image::Ground;
use super::verbs::{Line, VERBS, Verb, words};
use super::{Files, Host, ZONES, err, has_tool, out, refused, tool, until};

/// System calls that change files, mounts or locks, and the end.
pub const CALLS: &str = "mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,\
                     symlink,symlinkat,setxattr,lsetxattr,fsetxattr,fsync,fdatasync,syncfs,\
                     ftruncate,fallocate,ioctl,chmod,fchmod,fchmodat,chown,fchown,fchownat,\
                     utimensat,mknodat,write,pwrite64,flock,open_tree,fsmount,copy_file_range,\
                     sendfile,clone,clone3,exit_group";

/// Where verbs are cut: zone `z` is installed, with snapshot `s` and environment `e`.
pub struct Bed<'a> {
    pub host: &'a Host,
    ground: Ground,
    /// Another file system.
    other: Option<Ground>,
    /// What the test itself has mounted.
    mounted: Vec<PathBuf>,
}

impl<'a> Bed<'a> {
    /// On a host that has these file systems.
    pub fn two(host: &'a Host, ground: Ground, other: Ground) -> Self {
        Self {
            host,
            ground,
            other: Some(other),
            mounted: [ground, other].map(|it| it.place(host)).into(),
        }
    }

    /// On a host that lies as a whole on this one, but for its `run`.
    pub fn whole(host: &'a Host, ground: Ground) -> Self {
        Self {
            host,
            ground,
            other: None,
            mounted: vec![host.path().to_owned(), host.path().join("run")],
        }
    }

    /// Installs what the verbs work on.
    pub fn lay(&self) {
        self.host.install_at("z", &self.path("z"), "");
        self.host.configure_at("t", &self.path("t"), "");
        if self.other.is_some() {
            fs::create_dir_all(self.elsewhere().parent().unwrap()).unwrap();
        }
        self.mark("one");
        self.ok("zoneadm -z z snapshot s");
        self.ok("beadm -z z create e");
        let all = self.stream("all");
        self.ok(&format!("zoneadm -z z export {}", all.display()));
        self.publish();
    }

    /// An image, and a repository with two versions of a package, and what would be a third one.
    fn publish(&self) {
        let image = self.image().display().to_string();
        let repository = self.repository();
        self.ok(&format!("pkgrepo create {repository}"));
        self.ok(&format!(
            "pkgrepo set -s {repository} publisher/prefix=test"
        ));
        fs::create_dir(self.host.path().join("proto")).unwrap();
        for (name, version) in [("app", "1"), ("app", "2"), ("other", "1")] {
            self.write(name, version);
            if name == "app" {
                self.ok(&self.publication());
            }
        }
        let create = format!("image-create -F -p test={repository} {image}");
        let mut command = Command::new(ZONES);
        command.env("ZONES_ROOT", self.host.path()).arg("pkg");
        let made = command.args(create.split(' ')).output().unwrap();
        assert!(made.status.success(), "{}", err(&made));
    }

    /// What is to be published.
    fn write(&self, name: &str, version: &str) {
        let proto = self.host.path().join("proto");
        let mut manifest = format!("set name=pkg.fmri value={name}@{version}\n");
        for number in 0..8 {
            let file = format!("file{number}");
            fs::write(proto.join(&file), format!("{version} {number}\n")).unwrap();
            manifest += &format!("file {file} path=usr/{file} owner=root group=root mode=0644\n");
        }
        fs::write(self.host.path().join("manifest"), manifest).unwrap();
    }

    /// The line that publishes it.
    pub fn publication(&self) -> String {
        let (repository, here) = (self.repository(), self.host.path().display());
        format!("pkgsend -s {repository} publish -d {here}/proto {here}/manifest")
    }

    pub fn repository(&self) -> String {
        self.host.path().join("repository").display().to_string()
    }

    fn image(&self) -> PathBuf {
        self.host.path().join("image")
    }

    /// The version of the package that the image has; all its files are those of it.
    pub fn version(&self) -> Option<String> {
        let text = fs::read_to_string(self.image().join("usr/file7")).ok();
        let version = text.and_then(|it| Some(it.split_once(' ')?.0.to_owned()));
        let listed = self.run("pkg list -H app");
        let found = out(&listed);
        let found = found.split_whitespace().nth(1).map(str::to_owned);
        assert_eq!(found, version, "{}", err(&listed));
        self.ok("pkg verify");
        version
    }

    /// The verbs, or the one that the environment variable `only` names.
    pub fn verbs(&self, only: &str) -> impl Iterator<Item = &'static Verb> {
        let only = std::env::var(only).ok();
        let has_other = self.other.is_some();
        let all = VERBS.iter().filter(move |it| has_other || !it.is_across);
        all.filter(move |it| only.as_ref().is_none_or(|only| only == it.name))
    }

    fn grounds(&self) -> impl Iterator<Item = Ground> {
        [Some(self.ground), self.other].into_iter().flatten()
    }

    fn zones(&self) -> PathBuf {
        self.ground.place(self.host).join("zones")
    }

    pub fn path(&self, zone: &str) -> PathBuf {
        self.zones().join(zone)
    }

    /// A zonepath on the other file system.
    pub fn elsewhere(&self) -> PathBuf {
        self.other.unwrap().place(self.host).join("zones/moved")
    }

    pub fn stream(&self, name: &str) -> PathBuf {
        self.host.path().join(format!("{name}.stream"))
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(&words(line)).output().unwrap()
    }

    pub fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        let (said, complaint) = (out(&output), err(&output));
        assert!(output.status.success(), "{line}: {said}{complaint}");
        said
    }

    pub fn mark(&self, text: &str) {
        let root = Files::open(&self.path("z").join("root"));
        let mut file = fs::File::create(root.join("mark")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.sync_all().unwrap();
    }

    pub fn marked(&self, root: &Path) -> String {
        fs::read_to_string(Files::look(root).join("mark")).unwrap()
    }

    pub fn snapshots(&self) -> Vec<String> {
        let list = self.ok("zoneadm -z z list-snapshots -p");
        let names = list.lines().filter_map(|line| line.split(':').next());
        names.map(str::to_owned).collect()
    }

    pub fn has_snapshot(&self, name: &str) -> bool {
        self.snapshots().iter().any(|it| it == name)
    }

    pub fn has_environment(&self, name: &str) -> bool {
        self.environments().iter().any(|it| it == name)
    }

    /// The environment of the next boot.
    pub fn next(&self) -> String {
        let list = self.ok("beadm -z z list -H");
        let rows = list.lines().map(|it| it.split(';').collect::<Vec<_>>());
        let mut next = rows.filter(|it| it[2].contains('R'));
        next.next().unwrap()[0].to_owned()
    }

    pub fn environments(&self) -> Vec<String> {
        let list = self.ok("beadm -z z list -H");
        let names = list.lines().filter_map(|line| line.split(';').next());
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        names.sort();
        names
    }

    /// What runs a line; `pkg` works on the image of the host.
    pub fn command(&self, line: &Line) -> Command {
        let args: Vec<&str> = line[1..].iter().map(String::as_str).collect();
        if line[0] != "pkg" {
            return self.host.command(&line[0], &args);
        }
        let mut command = Command::new(ZONES);
        command.env("ZONES_ROOT", self.host.path());
        command.args(["pkg", "-R"]).arg(self.image());
        command.args(args).stdin(Stdio::null());
        command
    }

    pub fn traced(&self, options: &[&str], line: &Line) -> Command {
        let command = self.command(line);
        let mut traced = Command::new("strace");
        traced.args(options).arg("--").arg(command.get_program());
        traced.args(command.get_args()).stdin(Stdio::null());
        let set = command.get_envs();
        traced.envs(set.filter_map(|(name, value)| Some((name, value?))));
        traced
    }

    /// Whatever was cut: everything has a name and a place, and nothing else is there.
    pub fn assert_clean(&self, round: &str) {
        assert_eq!(self.host.state("z"), "installed", "{round}");
        let verified = self.run("zoneadm -z z verify");
        assert!(verified.status.success(), "{round}: {}", err(&verified));
        // What was put aside is removed by a process of its own.
        until("the trash is empty", || {
            let mut litter = self.litter().into_iter();
            !litter.any(|it| it.contains(".zones-removed-") || it.contains("/trash/"))
        });
        assert_eq!(self.litter(), Vec::<String>::new(), "{round}");
        assert_eq!(self.mounts(), Vec::<String>::new(), "{round}");
        assert_eq!(self.layers(), Vec::<String>::new(), "{round}");
        assert_eq!(self.subvolumes(), Vec::<String>::new(), "{round}");
        let loops = tool("losetup", &["-l", "-n", "-O", "BACK-FILE"]);
        let here = self.host.path().to_str().unwrap();
        let loops = loops.lines().filter(|it| it.contains(here)).count();
        let own = self.other.map_or(0, |_| self.mounted.len());
        assert_eq!(loops, own, "{round}: loop devices");
    }

    /// Files that no finished work leaves.
    fn litter(&self) -> Vec<String> {
        const SIGNS: [&str; 9] = [
            ".new-",
            ".gone-",
            ".root-",
            ".note-",
            ".import",
            ".zones-removed",
            ".tmp",
            "SUNWdet",
            ".root.new",
        ];
        let mut found = Vec::new();
        let lib = self.host.path().join("var/lib/zones");
        let mut folders = vec![self.host.path().to_owned(), lib.clone(), lib.join("base")];
        for place in self.grounds() {
            let zones = place.place(self.host).join("zones");
            folders.push(zones.join(".zones-layers"));
            for zone in entries(&zones) {
                folders.extend([zone.clone(), zone.join("be"), zone.join("snap")]);
            }
            folders.push(zones);
        }
        for entry in folders.iter().flat_map(|it| entries(it)) {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if SIGNS.iter().any(|it| name.contains(it)) {
                found.push(entry.display().to_string());
            }
        }
        for folder in ["journal", "trash", "owners"] {
            let notes = entries(&lib.join(folder));
            found.extend(notes.iter().map(|it| it.display().to_string()));
        }
        found
    }

    /// Mounts that are not those of the test.
    fn mounts(&self) -> Vec<String> {
        let table = fs::read_to_string("/proc/thread-self/mounts").unwrap();
        let here = self.host.path().to_str().unwrap();
        let points = table.lines().filter_map(|line| line.split(' ').nth(1));
        let points = points.filter(|it| it.contains(here));
        let points = points.filter(|it| !self.mounted.iter().any(|own| own == Path::new(it)));
        points.map(str::to_owned).collect()
    }

    /// All roots of all zones of a file system.
    fn roots(&self, ground: Ground) -> Vec<PathBuf> {
        let zones = entries(&ground.place(self.host).join("zones")).into_iter();
        let of = |zone: PathBuf| {
            let others = ["be", "snap"].into_iter().flat_map(|folder| {
                let all = entries(&zone.join(folder)).into_iter();
                all.filter(|it| !it.file_name().unwrap().to_string_lossy().starts_with('.'))
                    .collect::<Vec<_>>()
            });
            let others: Vec<_> = others.collect();
            [vec![zone.join("root")], others].concat()
        };
        zones.flat_map(of).filter(|it| it.is_dir()).collect()
    }

    /// What is wrong between stacks and layers.
    fn layers(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for ground in self.grounds() {
            let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for root in self.roots(ground) {
                let Ok(text) = fs::read(root.join("stack")) else {
                    continue;
                };
                let stack: serde_json::Value = serde_json::from_slice(&text).unwrap();
                for layer in stack["layers"].as_array().unwrap() {
                    let stacks = named.entry(layer.as_str().unwrap().to_owned()).or_default();
                    stacks.insert(stack["id"].as_str().unwrap().to_owned());
                }
            }
            let store = ground.place(self.host).join("zones/.zones-layers");
            let mut there = BTreeMap::new();
            for layer in entries(&store) {
                let name = |it: &PathBuf| it.file_name().unwrap().to_string_lossy().into_owned();
                let refs = entries(&layer.join("refs"));
                there.insert(name(&layer), refs.iter().map(name).collect());
            }
            if named != there {
                wrong.push(format!("{}: {named:#?} but {there:#?}", ground.name()));
            }
        }
        wrong
    }

    /// Subvolumes that are no root.
    fn subvolumes(&self) -> Vec<String> {
        if !self.grounds().any(|it| it == Ground::Btrfs) || !has_tool("btrfs") {
            return Vec::new();
        }
        let place = match self.other {
            Some(_) => Ground::Btrfs.place(self.host),
            None => self.host.path().to_owned(),
        };
        let list = tool("btrfs", &["subvolume", "list", place.to_str().unwrap()]);
        let roots = self.roots(Ground::Btrfs);
        let paths = list.lines().filter_map(|line| line.split(" path ").nth(1));
        let strays = paths.filter(|it| !roots.contains(&place.join(it)));
        strays.map(str::to_owned).collect()
    }

    /// The zone goes, whatever is left of it.
    pub fn uninstalled(&self, zone: &str) {
        match self.host.state(zone).as_str() {
            "incomplete" => {
                let boot = self.run(&format!("zoneadm -z {zone} boot"));
                refused(&boot, 1, "must be installed before boot.");
                self.ok(&format!("zoneadm -z {zone} uninstall -F"));
            }
            "installed" => {
                self.ok(&format!("zoneadm -z {zone} verify"));
                assert_eq!(self.marked(&self.path(zone).join("root")), "one");
                self.ok(&format!("zoneadm -z {zone} uninstall -F"));
            }
            // Nothing to remove, but maybe to clean up.
            "configured" => drop(self.run(&format!("zoneadm -z {zone} uninstall -F"))),
            state => panic!("{zone} is {state}"),
        }
        assert_eq!(self.host.state(zone), "configured");
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    found.map(|it| it.path()).collect()
}
