//! Images that the root of a zone wrote, worked on from the host: nothing in them moves the host to
//! read, connect, write or wait where it should not.
#![allow(clippy::unwrap_used, missing_docs, clippy::print_stdout)]

mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::{Host, err, out};

/// What root of a zone makes of the settings of its image.
type Change<'a> = Box<dyn Fn(String) -> String + 'a>;
/// What is planted, and how, at a path; the second one is a folder outside.
type Plant = (&'static str, fn(&Path, &Path));

/// A command that takes longer than this hangs.
const PATIENCE_SECONDS: &str = "60";
/// The status of timeout(1) for one that did.
const HUNG: i32 = 124;

/// A host with a publisher `test`, a zone `z1` from it, and a repository that no zone may see.
struct Site {
    host: Host,
}

fn package(host: &Host, repository: &Path, publisher: &str, fmri: &str, content: &str) {
    let folder = host.path().join("proto");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("data"), content).unwrap();
    let name = fmri.split(['@', '/']).nth(1).unwrap();
    let manifest = host.path().join("package.p5m");
    let text = format!(
        "set name=pkg.fmri value=pkg://{publisher}/{fmri}\n\
         dir path=usr mode=0755 owner=root group=root\n\
         file data path=usr/{name} mode=0644 owner=root group=root\n"
    );
    fs::write(&manifest, text).unwrap();
    let words = [repository, &folder, &manifest].map(|it| it.to_str().unwrap().to_owned());
    host.ok(
        "pkgsend",
        &["publish", "-s", &words[0], "-d", &words[1], &words[2]],
    );
}

fn repository(host: &Host, name: &str, publisher: &str) -> PathBuf {
    let path = host.path().join(name);
    let word = path.to_str().unwrap();
    host.ok("pkgrepo", &["create", word]);
    let prefix = format!("publisher/prefix={publisher}");
    host.ok("pkgrepo", &["set", "-s", word, &prefix]);
    path
}

impl Site {
    fn new(host: Host) -> Self {
        let shop = repository(&host, "repo", "test");
        package(&host, &shop, "test", "app/tool@1.0", "tool 1\n");
        package(&host, &shop, "test", "app/more@1.0", "more\n");
        let secret = repository(&host, "secret", "test");
        package(&host, &secret, "test", "app/secret@1.0", "of the host\n");
        let evil = repository(&host, "evil-repo", "evil");
        package(&host, &evil, "evil", "app/evil@1.0", "of the host\n");
        let site = Self { host };
        site.good(&["set-publisher", "-p", shop.to_str().unwrap()]);
        let zonepath = site.host.zonepath("z1");
        let commands = format!("create; set zonepath={}", zonepath.display());
        site.host.ok("zonecfg", &["-z", "z1", &commands]);
        site.host
            .ok("zoneadm", &["-z", "z1", "install", "-e", "app/tool"]);
        site
    }

    fn path(&self, name: &str) -> String {
        self.host.path().join(name).display().to_string()
    }

    fn root(&self) -> PathBuf {
        self.host.zonepath("z1").join("root")
    }

    /// `pkg`, killed when it hangs.
    fn pkg(&self, args: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command
            .arg(PATIENCE_SECONDS)
            .arg(support::ZONES)
            .arg("pkg")
            .args(args)
            .env("ZONES_ROOT", self.host.path())
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        assert_ne!(output.status.code(), Some(HUNG), "{args:?} hangs");
        output
    }

    fn good(&self, args: &[&str]) -> String {
        let output = self.pkg(args);
        let text = format!("{}{}", out(&output), err(&output));
        assert!(output.status.success(), "{args:?}: {text}");
        text
    }

    /// `pkg -R` of the zone's root: status and all that it said.
    fn zone(&self, args: &[&str]) -> (i32, String) {
        let root = self.root();
        let mut all = vec!["-R", root.to_str().unwrap()];
        all.extend(args);
        if args[0] == "update" {
            // A copy would turn the root into layers, and files are planted in it.
            all.push("--no-backup-be");
        }
        let output = self.pkg(&all);
        let text = format!("{}{}", out(&output), err(&output));
        (output.status.code().unwrap_or(-1), text)
    }

    fn data(&self, below: &str) -> PathBuf {
        self.root().join("var/pkg").join(below)
    }

    /// Changes the settings of the zone's image as its root might.
    fn edit(&self, change: impl FnOnce(String) -> String) {
        let path = self.data("pkg5.image");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, change(text)).unwrap();
    }

    /// The data of the image, to be put back.
    fn keep(&self) -> PathBuf {
        let kept = self.host.path().join("kept");
        copy(&self.data(""), &kept);
        kept
    }

    fn put_back(&self, kept: &Path) {
        let data = self.root().join("var/pkg");
        let _ = fs::remove_file(&data);
        let _ = fs::remove_dir_all(&data);
        copy(kept, &data);
    }
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(done.unwrap().success());
}

/// Names, kinds and content below a folder.
fn tree(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        let content = match kind.is_file() {
            true => fs::read(&path).unwrap(),
            false => Vec::new(),
        };
        all.push(format!("{} {kind:?} {content:?}", path.display()));
        if kind.is_dir() {
            all.extend(tree(&path));
        }
    }
    all.sort();
    all
}

#[test]
fn origins_of_the_zone_are_not_asked_by_the_host() {
    let site = Site::new(host_or_skip!("origins_of_the_zone"));
    let kept = site.keep();
    let wires = TcpListener::bind("127.0.0.1:0").unwrap();
    wires.set_nonblocking(true).unwrap();
    let port = wires.local_addr().unwrap().port();
    let (shop, secret, evil) = (
        site.path("repo"),
        site.path("secret"),
        site.path("evil-repo"),
    );
    let another = |uri: &str| {
        format!("\n[authority_evil]\nprefix = evil\norigins = ['{uri}']\nsticky = True\n")
    };
    let own = |text: String, more: &str| {
        text.replace("prefix = test\n", &format!("prefix = test\n{more}\n"))
    };
    // Whatever the zone says, the packages of `test` come from where the host says.
    let rows: [(&str, Change<'_>); 5] = [
        (
            "file: of test",
            Box::new(|text| text.replace(&shop, &secret)),
        ),
        ("mirror of test", {
            let line = format!("mirrors = ['file://{secret}']");
            Box::new(move |text| own(text.replace("mirrors = []", ""), &line))
        }),
        ("proxy of test", {
            let line = format!("proxies = ['file://{shop} http://127.0.0.1:{port}']");
            Box::new(move |text| own(text, &line))
        }),
        ("http: of test", {
            let uri = format!("http://127.0.0.1:{port}/");
            let shop = format!("file://{shop}");
            Box::new(move |text| text.replace(&shop, &uri))
        }),
        ("keys of test", {
            let fifo = site.path("fifo");
            let done = Command::new("mkfifo").arg(&fifo).status();
            assert!(done.unwrap().success());
            Box::new(move |text| {
                let text = text.replace("ssl_cert =", &format!("ssl_cert = {fifo}"));
                text.replace("ssl_key =", &format!("ssl_key = {fifo}"))
            })
        }),
    ];
    for (name, change) in &rows {
        let old = fs::read_to_string(site.data("pkg5.image")).unwrap();
        site.edit(change);
        let new = fs::read_to_string(site.data("pkg5.image")).unwrap();
        assert_ne!(old, new, "{name} changes nothing");
        let (status, text) = site.zone(&["refresh", "--full"]);
        assert_eq!(status, 0, "{name}: {text}");
        let (status, text) = site.zone(&["install", "secret"]);
        assert_eq!(status, 1, "{name}: {text}");
        assert!(text.contains("did not match"), "{name}: {text}");
        let (status, text) = site.zone(&["install", "more"]);
        assert_eq!(status, 0, "{name}: {text}");
        assert_eq!(
            fs::read_to_string(site.root().join("usr/more")).unwrap(),
            "more\n"
        );
        // The zone keeps what it said: it counts inside.
        let after = fs::read_to_string(site.data("pkg5.image")).unwrap();
        let origins = |text: &str| {
            let lines = text.lines().filter(|it| it.starts_with("origins"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(origins(&after), origins(&new), "{name}");
        assert!(wires.accept().is_err(), "{name}: the host connected");
        site.zone(&["uninstall", "more"]);
        site.put_back(&kept);
    }
    // A publisher of its own is not asked, and the administrator is told what to do.
    for uri in [
        format!("file://{evil}"),
        format!("http://127.0.0.1:{port}/"),
    ] {
        site.edit(|text| text + &another(&uri));
        let (status, text) = site.zone(&["install", "evil"]);
        assert_eq!(status, 1, "{text}");
        assert!(
            text.contains("publisher 'evil' is named only inside of zone 'z1'"),
            "{text}"
        );
        assert!(text.contains("set-publisher -O"), "{text}");
        let (status, text) = site.zone(&["update"]);
        assert_eq!(status, 4, "{text}");
        assert!(wires.accept().is_err(), "{uri}: the host connected");
        site.put_back(&kept);
    }
    // Named by the administrator it is asked, from then on, and where the administrator says.
    site.edit(|text| text + &another("file:///nowhere"));
    let uri = format!("file://{evil}");
    let (status, text) = site.zone(&["set-publisher", "-O", &uri, "evil"]);
    assert_eq!(status, 0, "{text}");
    let (status, text) = site.zone(&["install", "evil"]);
    assert_eq!(status, 0, "{text}");
    site.edit(|text| text.replace(&evil, "/nowhere"));
    let (status, text) = site.zone(&["refresh", "--full", "evil"]);
    assert_eq!(status, 0, "{text}");
    let (status, text) = site.zone(&["unset-publisher", "evil"]);
    assert_eq!(status, 0, "{text}");
    let (_, text) = site.zone(&["publisher", "-H"]);
    assert!(!text.contains("evil"), "{text}");
    site.host.ok("zoneadm", &["-z", "z1", "uninstall", "-F"]);
    assert!(!site.host.path().join("var/lib/zones/packages/z1").exists());
}

#[test]
fn what_the_administrator_gave_at_the_installation_counts() {
    let site = Site::new(host_or_skip!("what_the_administrator_gave"));
    let other = repository(&site.host, "other", "test");
    package(&site.host, &other, "test", "app/tool@2.0", "tool 2\n");
    let zonepath = site.host.zonepath("z2");
    let commands = format!("create; set zonepath={}", zonepath.display());
    site.host.ok("zonecfg", &["-z", "z2", &commands]);
    let from = format!("test={}", other.display());
    let words = ["-z", "z2", "install", "-P", &from, "-e", "app/tool"];
    site.host.ok("zoneadm", &words);
    let root = zonepath.join("root");
    let text = fs::read_to_string(root.join("var/pkg/pkg5.image")).unwrap();
    let planted = text.replace(other.to_str().unwrap(), &site.path("secret"));
    fs::write(root.join("var/pkg/pkg5.image"), planted).unwrap();
    package(&site.host, &other, "test", "app/tool@2.1", "tool 2.1\n");
    let words = ["-R", root.to_str().unwrap(), "update", "--no-backup-be"];
    site.good(&words);
    assert_eq!(
        fs::read_to_string(root.join("usr/tool")).unwrap(),
        "tool 2.1\n"
    );
    // The other zone follows the global image, also to another origin.
    let moved = site.path("moved");
    fs::rename(site.path("repo"), &moved).unwrap();
    site.good(&["set-publisher", "-O", &moved, "test"]);
    let (status, text) = site.zone(&["install", "more"]);
    assert_eq!(status, 0, "{text}");
}

#[test]
fn paths_that_the_zone_wrote_lead_the_host_nowhere() {
    let site = Site::new(host_or_skip!("paths_that_the_zone_wrote"));
    let other = site.path("other-image");
    let from = format!("test={}", site.path("repo"));
    site.good(&["image-create", "-F", "-p", &from, &other]);
    package(
        &site.host,
        Path::new(&site.path("repo")),
        "test",
        "app/tool@1.1",
        "tool 1.1\n",
    );
    let before = tree(Path::new(&other));
    let kept = site.keep();
    // A child that the zone claims is none of the host's.
    site.edit(|text| {
        let text = text.replace("default-recurse = False", "default-recurse = True");
        text + &format!(
            "\n[linked_system:x]\nli-name = system:x\nli-model = push\nli-path = {other}/\n"
        )
    });
    let (status, text) = site.zone(&["update", "-r"]);
    assert_eq!(status, 0, "{text}");
    assert!(!text.contains("system:x"), "{text}");
    assert_eq!(tree(Path::new(&other)), before);
    site.put_back(&kept);
    // A parent that the zone claims is not looked at.
    let link = site.data("linked/linked_prop");
    let claim = format!(
        r#"{{"li-name":"zone:z1","li-model":"pull","li-parent":"{other}/","li-path":"/"}}"#
    );
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    fs::write(&link, claim).unwrap();
    let (_, text) = site.zone(&["list-linked"]);
    assert!(!text.contains("other-image"), "{text}");
    let (_, text) = site.zone(&["sync-linked"]);
    assert!(!text.contains("other-image"), "{text}");
    site.put_back(&kept);
    // Images below the root of a zone: the way there is the zone's.
    let home = site.root().join("home");
    fs::create_dir_all(&home).unwrap();
    symlink(&other, home.join("link")).unwrap();
    for path in ["home/link", "home/link/x", "home"] {
        let path = site.root().join(path);
        let output = site.pkg(&["-R", path.to_str().unwrap(), "install", "tool"]);
        assert_eq!(output.status.code(), Some(1));
        let text = err(&output);
        assert!(text.contains("lies inside of zone 'z1'"), "{text}");
    }
    assert_eq!(tree(Path::new(&other)), before);
    // By another name of the folder it is the same zone.
    let alias = site.path("alias");
    symlink(site.root(), &alias).unwrap();
    site.edit(|text| text.replace(&site.path("repo"), &site.path("secret")));
    let output = site.pkg(&["-R", &alias, "install", "secret"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
}

/// Files of an image, and whether they are JSON.
const STATE: [(&str, bool); 12] = [
    ("pkg5.image", false),
    ("lock", false),
    ("modified", false),
    ("history/20260101T000000Z-01.xml", false),
    ("state/installed/catalog.attrs", true),
    ("state/installed/catalog.base.C", true),
    ("state/known/catalog.attrs", true),
    ("state/avoid_set", true),
    ("state/frozen_dict", true),
    ("state/operation.json", true),
    ("linked/linked_prop", true),
    ("publisher/test/catalog/catalog.attrs", true),
];

#[test]
fn planted_files_do_not_hang_or_fill_the_host() {
    let site = Site::new(host_or_skip!("planted_files"));
    let outside = site.host.path().join("outside");
    fs::create_dir_all(outside.join("folder")).unwrap();
    fs::write(outside.join("file"), "of the host\n").unwrap();
    let kept = site.keep();
    let before = tree(&outside);
    let plants: [Plant; 6] = [
        ("fifo", |path, _| {
            let done = Command::new("mkfifo").arg(path).status();
            assert!(done.unwrap().success());
        }),
        ("terabyte", |path, _| {
            let file = fs::File::create(path).unwrap();
            file.set_len(1 << 40).unwrap();
        }),
        ("deep", |path, _| {
            fs::write(path, "[".repeat(4 << 20)).unwrap();
        }),
        ("link out", |path, outside| {
            symlink(outside.join("file"), path).unwrap();
        }),
        ("folder", |path, _| fs::create_dir(path).unwrap()),
        ("device", |path, _| {
            let path = path.to_str().unwrap();
            let done = Command::new("mknod").args([path, "c", "1", "5"]).status();
            assert!(done.unwrap().success());
        }),
    ];
    for (name, is_json) in STATE {
        for (what, plant) in plants {
            if what == "deep" && !is_json {
                continue;
            }
            let path = site.data(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&path);
            plant(&path, &outside);
            for args in [&["list"][..], &["install", "more"]] {
                // Status 124 is looked at in there; 101 and signals are crashes.
                let (status, text) = site.zone(args);
                let is_end = matches!(status, 0..=9);
                assert!(is_end, "{what} as {name}, {args:?}: {status} {text}");
                if status == 1 {
                    assert!(text.contains("pkg"), "{what} as {name}: {text}");
                }
            }
            assert_eq!(tree(&outside), before, "{what} as {name}");
            site.put_back(&kept);
        }
    }
    // A packaged file that has become endless, or something else.
    for (what, plant) in plants {
        let path = site.root().join("usr/tool");
        fs::remove_file(&path).unwrap();
        plant(&path, &outside);
        for args in [&["verify"][..], &["fix"]] {
            let (status, text) = site.zone(args);
            assert!(
                matches!(status, 0..=9),
                "{what} as a file, {args:?}: {text}"
            );
        }
        assert_eq!(tree(&outside), before, "{what} as a file");
        assert_eq!(fs::read_to_string(&path).unwrap(), "tool 1\n", "{what}");
    }
    // Folders that are links out.
    for name in [
        "",
        "state",
        "history",
        "publisher",
        "publisher/test",
        "cache",
        "linked",
    ] {
        let path = site.root().join("var/pkg").join(name);
        let path = PathBuf::from(path.to_str().unwrap().trim_end_matches('/'));
        let _ = fs::remove_dir_all(&path);
        symlink(outside.join("folder"), &path).unwrap();
        for args in [
            &["refresh"][..],
            &["install", "more"],
            &["fix"],
            &["purge-history"],
        ] {
            let (status, text) = site.zone(args);
            assert!(matches!(status, 0..=9), "{name}, {args:?}: {text}");
        }
        assert_eq!(tree(&outside), before, "{name}");
        site.put_back(&kept);
    }
}

#[test]
fn planted_manifests_and_catalogs_are_not_believed() {
    let site = Site::new(host_or_skip!("planted_manifests"));
    let outside = site.host.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    let kept = site.keep();
    // Catalogs of the zone say that there is a newer tool; the host's do not.
    let secret = PathBuf::from(site.path("secret"));
    package(&site.host, &secret, "test", "app/tool@9.0", "planted\n");
    let from = secret.join("publisher/test/catalog");
    let to = site.data("publisher/test/catalog");
    fs::remove_dir_all(&to).unwrap();
    copy(&from, &to);
    let (status, text) = site.zone(&["update"]);
    assert_eq!(status, 4, "{text}");
    let (status, text) = site.zone(&["install", "--no-refresh", "tool@9.0"]);
    assert_eq!(status, 1, "{text}");
    site.put_back(&kept);
    // Manifests that lead out, in the place of installed ones: nothing of them is laid down.
    let folder = site.data("publisher/test/pkg/app%2Ftool");
    let manifest = fs::read_dir(&folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let old = fs::read_to_string(&manifest).unwrap();
    symlink(&outside, site.root().join("way")).unwrap();
    for path in ["../../../outside/x", "way/x", "/etc/x"] {
        fs::write(
            &manifest,
            old.replace("path=usr/tool", &format!("path={path}")),
        )
        .unwrap();
        let (status, text) = site.zone(&["fix"]);
        assert!(matches!(status, 0..=9), "{path}: {text}");
        assert_eq!(tree(&outside), Vec::<String>::new(), "{path}");
    }
    assert_eq!(
        fs::read_to_string(site.root().join("usr/tool")).unwrap(),
        "tool 1\n"
    );
}

#[test]
fn words_of_the_zone_do_not_move_the_terminal() {
    let site = Site::new(host_or_skip!("words_of_the_zone"));
    let escape = "\u{1b}]0;owned\u{7}";
    fs::write(site.data("lock"), format!("1\n{escape}\nhost\n")).unwrap();
    let lock = fs::File::options()
        .write(true)
        .open(site.data("lock"))
        .unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let history = "<history><client name='\u{1b}[31mx' version='1'></client>\
                   <operation name='op' username='\u{9b}31m' userid='0' \
                   result='Succeeded, None' start_time='20260101T000000Z' \
                   end_time='20260101T000000Z'></operation></history>";
    fs::write(site.data("history/20260101T000000Z-01.xml"), history).unwrap();
    site.edit(|text| {
        let text = text.replace("[property]\n", &format!("[property]\nmy-own = {escape}\n"));
        text.replace(
            "prefix = test\n",
            &format!("prefix = test\nalias = {escape}\n"),
        )
    });
    for args in [
        &["install", "more"][..],
        &["history"],
        &["history", "-l"],
        &["history", "-o", "user,client"],
        &["property"],
        &["publisher", "test"],
        &["list", "-H"],
    ] {
        let (_, text) = site.zone(args);
        let bad = text.contains(['\u{1b}', '\u{7}', '\u{9b}']);
        assert!(!bad, "{args:?}: {text:?}");
    }
}

#[test]
fn the_host_says_who_vouches_for_packages() {
    let site = Site::new(host_or_skip!("the_host_says_who_vouches"));
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zones-repository/tests/data");
    let file = |name: &str| data.join(name).display().to_string();
    let repository = site.path("repo");
    let words = [
        "-s",
        &repository,
        "-k",
        &file("leaf.key"),
        "-c",
        &file("leaf.pem"),
    ];
    let mut words = words.map(str::to_owned).to_vec();
    words.extend(["-i".to_owned(), file("mid.pem"), "app/more".to_owned()]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let signed = Command::new(support::ZONES)
        .arg("pkgsign")
        .args(&words)
        .output()
        .unwrap();
    assert!(signed.status.success(), "{}", err(&signed));
    // The zone trusts the authority; the host does not, and asks for signatures.
    let own = site.root().join("etc/ssl/pkg");
    fs::create_dir_all(&own).unwrap();
    fs::copy(file("ca.pem"), own.join("ca.pem")).unwrap();
    let (status, text) = site.zone(&["refresh"]);
    assert_eq!(status, 0, "{text}");
    let (status, text) = site.zone(&["install", "more"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("could not be found"), "{text}");
    site.edit(|text| text.replace("signature-policy = verify", "signature-policy = ignore"));
    site.good(&[
        "set-publisher",
        "--approve-ca-cert",
        &file("ca.pem"),
        "test",
    ]);
    site.good(&["set-property", "signature-policy", "require-signatures"]);
    package(
        &site.host,
        Path::new(&repository),
        "test",
        "app/bare@1.0",
        "bare\n",
    );
    let (status, text) = site.zone(&["refresh", "--full"]);
    assert_eq!(status, 0, "{text}");
    let (status, text) = site.zone(&["install", "bare"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("requires signatures"), "{text}");
    let (status, text) = site.zone(&["install", "more"]);
    assert_eq!(status, 0, "{text}");
}
