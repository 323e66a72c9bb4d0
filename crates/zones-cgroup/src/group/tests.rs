//! Groups in a temporary tree that looks like each kind of host.

use std::fs;
use std::path::Path;

use super::*;
use crate::{Kind, Limits};

struct Tree(tempfile::TempDir);

impl Tree {
    /// `v1` lists the mounts with their options; `v2` the controllers of the unified mount, if any.
    fn new(v1: &[&str], v2: Option<&str>) -> (Self, Hierarchies) {
        let tree = Self(tempfile::tempdir().unwrap());
        let mut lines = String::new();
        for (n, name) in v1.iter().enumerate() {
            let dir = tree.path(name);
            fs::create_dir(&dir).unwrap();
            lines += &format!("1 1 0:{n} / {} rw - cgroup x rw,{name}\n", dir.display());
        }
        if let Some(controllers) = v2 {
            let dir = tree.path("unified");
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("cgroup.controllers"), controllers).unwrap();
            lines += &format!("1 1 0:99 / {} rw - cgroup2 x rw\n", dir.display());
        }
        let hierarchies = Hierarchies::probe(&lines).unwrap();
        (tree, hierarchies)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Files that the kernel would have made in the group.
    fn files(&self, dir: &str, files: &[&str]) {
        for file in files {
            fs::write(self.path(dir).join(file), "").unwrap();
        }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }
}

fn zone() -> ZoneName {
    "web1".parse().unwrap()
}

#[test]
fn v2_limits_land_in_the_unified_group() {
    let (tree, hosts) = Tree::new(&[], Some("cpu memory pids"));
    assert_eq!(hosts.kind(), Kind::V2);
    let group = ZoneGroup::create(&hosts, "zones", &zone()).unwrap();
    tree.files(
        "unified/zones/web1",
        &["cpu.max", "memory.high", "memory.max", "pids.max"],
    );
    let limits = Limits {
        cpu_cap_percent: Some(50),
        memory: Some(1 << 20),
        swap: Some(2 << 20),
        pids: Some(100),
        io_priority: Some(2),
        ..Limits::default()
    };
    let missing: Vec<_> = group.apply(&limits).into_iter().map(|m| m.what).collect();
    assert_eq!(missing, ["zfs-io-priority", "capped-memory swap"]);
    assert_eq!(tree.read("unified/zones/web1/cpu.max"), "50000 100000");
    assert_eq!(tree.read("unified/zones/web1/memory.max"), "1048576");
    assert!(group.helper_dir().is_some() && group.init_dir().is_some());
}

#[test]
fn v1_limits_land_in_their_hierarchies() {
    let (tree, hosts) = Tree::new(&["cpu", "memory", "pids", "name=systemd"], None);
    assert_eq!(hosts.kind(), Kind::V1);
    assert!(hosts.has(Controller::Systemd) && !hosts.has(Controller::Io));
    let group = ZoneGroup::create(&hosts, "zones/sub", &zone()).unwrap();
    assert!(group.helper_dir().is_none());
    let memory = "memory/zones/sub/web1";
    let limit = format!("{memory}/memory.limit_in_bytes");
    let total = format!("{memory}/memory.memsw.limit_in_bytes");
    tree.files(memory, &["memory.limit_in_bytes"]);
    let limits = Limits {
        memory: Some(3 << 20),
        swap: Some(2 << 20),
        ..Limits::default()
    };
    let missing = group.apply(&limits);
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(missing[0].why.contains("swapaccount"), "{missing:?}");
    fs::write(tree.path(&total), "9223372036854771712").unwrap();
    fs::write(tree.path(&limit), "").unwrap();
    fs::write(tree.path(&total), "1000").unwrap();
    assert_eq!(group.apply(&limits), []);
    assert_eq!(tree.read(&limit), "2097152");
    assert_eq!(tree.read(&total), "2097152");
}

#[test]
fn hybrid_hosts_join_both() {
    let (tree, hosts) = Tree::new(&["pids", "cpu,cpuacct"], Some("hugetlb"));
    assert_eq!(hosts.kind(), Kind::Hybrid);
    let group = ZoneGroup::create(&hosts, "zones", &zone()).unwrap();
    let dirs = [
        "unified/zones/web1",
        "pids/zones/web1",
        "cpu,cpuacct/zones/web1",
    ];
    for dir in dirs {
        tree.files(dir, &["cgroup.procs"]);
    }
    let me = rustix::process::getpid();
    group.join_v1(me).unwrap();
    assert_eq!(tree.read("unified/zones/web1/cgroup.procs"), "");
    assert_eq!(
        tree.read("pids/zones/web1/cgroup.procs"),
        me.as_raw_nonzero().to_string()
    );
    group.join(me).unwrap();
    assert_eq!(group.procs().unwrap(), [me]);
    let again = ZoneGroup::create(&hosts, "zones", &zone());
    assert!(matches!(again, Err(CgroupError::Busy(_))), "{again:?}");
    fs::write(tree.path("cpu,cpuacct/zones/web1/cpuacct.usage"), "77\n").unwrap();
    assert_eq!(group.usage().cpu_ns, Some(77));
}

#[test]
fn a_left_over_group_is_replaced_and_a_failed_one_undone() {
    let (tree, hosts) = Tree::new(&["pids", "cpu"], None);
    fs::create_dir_all(tree.path("pids/zones/web1/inner/most")).unwrap();
    ZoneGroup::create(&hosts, "zones", &zone()).unwrap();
    assert!(!tree.path("pids/zones/web1/inner").exists());
    fs::remove_dir(tree.path("cpu/zones/web1")).unwrap();
    fs::remove_dir(tree.path("pids/zones/web1")).unwrap();
    fs::remove_dir(tree.path("cpu/zones")).unwrap();
    std::os::unix::fs::symlink("/", tree.path("cpu/zones")).unwrap();
    assert!(ZoneGroup::create(&hosts, "zones", &zone()).is_err());
    assert!(!tree.path("pids/zones/web1").exists());
    assert!(!Path::new("/web1").exists());
}

#[test]
fn parents_cannot_lead_out() {
    for bad in [
        "", "/", "/zones", "..", "a/../b", "a//b", "a/", ".hidden", "a b",
    ] {
        assert!(
            matches!(parts(bad), Err(CgroupError::BadParent(_))),
            "{bad}"
        );
    }
    assert_eq!(parts("zones.slice/x@1").unwrap(), ["zones.slice", "x@1"]);
}

#[test]
fn limits_zone_and_helpers_have_a_group_each_on_v2() {
    let (tree, hosts) = Tree::new(&[], Some("memory pids"));
    let group = ZoneGroup::create(&hosts, "zones", &zone()).unwrap();
    let inode = |path: &str| {
        let meta = fs::metadata(tree.path(path)).unwrap();
        std::os::unix::fs::MetadataExt::ino(&meta)
    };
    let of = |fd: Option<BorrowedFd<'_>>| rustix::fs::fstat(fd.unwrap()).unwrap().st_ino;
    assert_eq!(of(group.init_dir()), inode("unified/zones/web1/zone"));
    assert_eq!(
        of(group.helper_dir()),
        inode("unified/zones/web1/zone/zlogin")
    );
    // The zone removes what is its to remove; a new helper finds its place all the same.
    fs::remove_dir(tree.path("unified/zones/web1/zone/zlogin")).unwrap();
    let mut again = ZoneGroup::open(&hosts, "zones", &zone()).unwrap();
    assert_eq!(of(again.helper_dir()), inode("unified/zones/web1/zone"));
    again.renew_helpers().unwrap();
    assert_eq!(
        of(again.helper_dir()),
        inode("unified/zones/web1/zone/zlogin")
    );
    tree.files("unified/zones/web1/zone", &["cgroup.procs"]);
    tree.files("unified/zones/web1/zone/zlogin", &["cgroup.procs"]);
    let one = Pid::from_raw(1).unwrap();
    again.join_init(one).unwrap();
    assert_eq!(tree.read("unified/zones/web1/zone/cgroup.procs"), "1");
    again.join(one).unwrap();
    assert_eq!(
        tree.read("unified/zones/web1/zone/zlogin/cgroup.procs"),
        "1"
    );
}

#[test]
fn a_unified_tree_without_controllers_stays_one_group() {
    let (tree, hosts) = Tree::new(&["memory"], Some(""));
    let group = ZoneGroup::create(&hosts, "zones", &zone()).unwrap();
    assert!(!tree.path("unified/zones/web1/zone").exists());
    let inode = |fd: Option<BorrowedFd<'_>>| rustix::fs::fstat(fd.unwrap()).unwrap().st_ino;
    assert_eq!(inode(group.init_dir()), inode(group.helper_dir()));
}
