//! Hooks as real programs in the folder of a brand.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use zones_brand::{Brand, BrandError, Hook, HookCall, HookEnd, HookError, Stream};

/// A host's folder of brands with one brand.
struct Brands(TempDir);

impl Brands {
    fn new(hooks: &str) -> Self {
        let brands = Self(tempfile::tempdir().unwrap());
        fs::create_dir(brands.folder()).unwrap();
        brands.mode(brands.0.path(), 0o755);
        brands.mode(&brands.folder(), 0o755);
        brands.manifest(&format!("name = \"test\"\ninit = []\n[hooks]\n{hooks}"));
        brands
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("test")
    }

    fn mode(&self, path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn manifest(&self, text: &str) {
        let path = self.folder().join("brand.toml");
        fs::write(&path, text).unwrap();
        self.mode(&path, 0o644);
    }

    fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.folder().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        self.mode(&path, 0o755);
        path
    }

    fn find(&self) -> Result<Brand, BrandError> {
        Brand::find(&"test".parse().unwrap(), self.0.path())
    }

    fn call(&self, hook: Hook) -> (Result<Option<HookEnd>, HookError>, String) {
        self.call_with(hook, &[], &[])
    }

    fn call_with(
        &self,
        hook: Hook,
        interrupts: &[std::os::fd::BorrowedFd<'_>],
        arguments: &[String],
    ) -> (Result<Option<HookEnd>, HookError>, String) {
        let zone = "z1".parse().unwrap();
        let environ = [("_ZONECFG_uuid".to_owned(), "u-1".to_owned())];
        let call = HookCall {
            hook,
            zone: &zone,
            zonepath: "/zones/z 1",
            environ: &environ,
            arguments,
        };
        let mut said = String::new();
        let mut say = |stream: Stream, line: &str| {
            said += &format!("{}{line}\n", if stream == Stream::Err { "! " } else { "" });
        };
        let end = self.find().unwrap().run_hook(&call, interrupts, &mut say);
        (end, said)
    }
}

#[test]
fn a_hook_gets_its_words_and_a_clean_world() {
    let brands = Brands::new("boot = \"show -z %z '-R %R' 100%%\"");
    brands.script(
        "show",
        "for word; do echo \"[$word]\"; done\nenv | grep -v '^_=\\|^PWD=\\|^SHLVL=' | sort\npwd\n\
         for fd in /proc/$$/fd/??*; do case $(readlink $fd) in */show) ;; *) [ -e $fd ] && echo open $fd ;; esac; done\n\
         read line && echo input\necho oops >&2\nps -o pgid= -p $$ | tr -d ' ' | grep -qx $$ || echo not a group leader",
    );
    // Whoever called us may have left a descriptor open for every program to come.
    let null = fs::File::open("/dev/null").unwrap();
    let leak = rustix::io::fcntl_dupfd_cloexec(&null, 50).unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let (end, said) = brands.call_with(Hook::Boot, &[], &["%z".to_owned(), "a b".to_owned()]);
    assert_eq!(end.unwrap(), Some(HookEnd::Done));
    let said: Vec<&str> = said.lines().filter(|line| *line != "! oops").collect();
    assert_eq!(
        said,
        [
            "[-z]",
            "[z1]",
            "[-R /zones/z 1]",
            "[100%]",
            "[%z]",
            "[a b]",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "_ZONECFG_uuid=u-1",
            "/",
        ]
    );
    drop(leak);
}

#[test]
fn statuses_have_their_classic_meaning() {
    for (body, want) in [
        ("exit 0", HookEnd::Done),
        ("exit 253", HookEnd::Usage),
        ("exit 254", HookEnd::NotComplete),
        ("exit 255", HookEnd::Fatal),
        ("exit 3", HookEnd::Failed(3)),
        ("kill -9 $$", HookEnd::Killed(9)),
    ] {
        let brands = Brands::new("install = \"/usr/lib/brand/test/go\"");
        brands.script("go", body);
        assert_eq!(brands.call(Hook::Install).0.unwrap(), Some(want), "{body}");
        assert_eq!(brands.call(Hook::Halt).0.unwrap(), None);
    }
}

#[test]
fn output_is_told_line_by_line_and_streams_apart() {
    let brands = Brands::new("query = \"q\"");
    brands.script(
        "q",
        "echo one; echo two >&2; printf 'three\\r\\nend without newline'",
    );
    let (_, said) = brands.call(Hook::Query);
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["! two", "end without newline", "one", "three"]);
}

#[test]
fn an_interrupted_hook_and_its_children_end() {
    let brands = Brands::new("boot = \"b\"");
    let mark = brands.0.path().join("cleaned");
    let trap = format!(
        "trap 'echo x > {}; exit 0' TERM\necho up\nsleep 600 & wait",
        mark.display()
    );
    brands.script("b", &trap);
    let (read, write) = rustix::pipe::pipe().unwrap();
    drop(write);
    let (end, _) = brands.call_with(Hook::Boot, &[read.as_fd()], &[]);
    assert_eq!(end.unwrap(), Some(HookEnd::Interrupted));
}

#[test]
fn a_hook_that_leaves_a_daemon_behind_has_ended() {
    let brands = Brands::new("boot = \"b\"");
    brands.script("b", "sleep 30 & echo $!");
    let (end, said) = brands.call(Hook::Boot);
    assert_eq!(end.unwrap(), Some(HookEnd::Done));
    let pid = rustix::process::Pid::from_raw(said.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn what_others_could_have_written_is_not_run() {
    let brands = Brands::new("boot = \"b\"\nhalt = \"../b\"\nsysboot = \"none\"");
    let path = brands.script("b", "exit 0");
    let error = |hook| {
        let error = brands.call(hook).0.unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    assert!(error(Hook::Halt).contains("not inside of the brand's folder"));
    assert!(error(Hook::Sysboot).contains("cannot look at"));
    brands.mode(&path, 0o777);
    assert!(error(Hook::Boot).contains("writable by others than its owner (chmod go-w)"));
    brands.mode(&path, 0o644);
    assert!(error(Hook::Boot).contains("Permission denied"));
    brands.mode(&path, 0o755);
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12), None).unwrap();
        assert!(error(Hook::Boot).contains("belongs to user 12"));
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    }
    brands.mode(&brands.folder().join("brand.toml"), 0o666);
    assert!(matches!(brands.find(), Err(BrandError::Distrust { .. })));
}

#[test]
fn manifests_of_solaris_are_taken_where_there_is_no_other() {
    let brands = Brands::new("");
    let config = brands.folder().join("config.xml");
    let text = "<brand name=\"test\"><halt>/usr/lib/brand/test/h %z</halt></brand>";
    fs::write(&config, text).unwrap();
    brands.mode(&config, 0o644);
    brands.script("h", "echo halting $1");
    assert!(brands.find().unwrap().hooks.is_empty());
    fs::remove_file(brands.folder().join("brand.toml")).unwrap();
    assert_eq!(brands.call(Hook::Halt).1, "halting z1\n");
    assert!(zones_brand::brand_names(brands.0.path()).contains(&"test".to_owned()));
    fs::write(&config, "<brand name=\"test\">").unwrap();
    let error = brands.find().unwrap_err().to_string();
    assert!(
        error.contains("config.xml`: the document ends too early"),
        "{error}"
    );
}

#[test]
fn a_manifest_stands_in_the_folder_of_its_brand() {
    let brands = Brands::new("");
    brands.manifest("name = \"other\"\ninit = []");
    assert!(
        brands
            .find()
            .unwrap_err()
            .to_string()
            .contains("is the manifest of brand `other`")
    );
    brands.manifest("name = \"test\"\ninit = []\n[hooks]\nbogus = \"x\"");
    assert!(matches!(brands.find(), Err(BrandError::Parse { .. })));
}
