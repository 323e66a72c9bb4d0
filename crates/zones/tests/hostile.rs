//! Repositories that are damaged, old, or made to harm, as `pkg` meets them: one clear error, the
//! right status, and an image that is as it was.
#![allow(clippy::unwrap_used, missing_docs, clippy::print_stdout)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

const ZONES: &str = env!("CARGO_BIN_EXE_zones");
/// A command that takes longer than this hangs.
const PATIENCE_SECONDS: &str = "60";
/// The status of timeout(1) for one that did.
const HUNG: i32 = 124;

/// A repository with `app/foo` in versions 1.0 and 2.0 and an image with the first.
struct Site {
    folder: TempDir,
}

const FOO: &str = "dir path=usr owner=root group=root mode=0755\n\
    file foo path=usr/foo owner=root group=root mode=0644\n";

impl Site {
    fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let repository = site.word("repo");
        site.good("pkgrepo", &["create", &repository]);
        let prefix = ["set", "-s", &repository, "publisher/prefix=test"];
        site.good("pkgrepo", &prefix);
        fs::create_dir(site.path("proto")).unwrap();
        fs::create_dir(site.path("outside")).unwrap();
        fs::write(site.path("proto/foo"), "one\n").unwrap();
        site.publish("app/foo@1.0", FOO);
        let from = format!("test={repository}");
        let image = site.word("image");
        site.good("pkg", &["image-create", "-F", "-p", &from, &image]);
        site.good("pkg", &["-R", &image, "install", "foo@1.0"]);
        copy(&site.path("repo"), &site.path("old"));
        fs::write(site.path("proto/foo"), "two, which is longer\n").unwrap();
        site.publish("app/foo@2.0", FOO);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn word(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Status, and all that was said.
    fn run(&self, applet: &str, args: &[&str]) -> (i32, String) {
        let mut command = Command::new("timeout");
        command
            .args([PATIENCE_SECONDS, ZONES, applet])
            .args(args)
            .env("ZONES_ROOT", self.folder.path())
            .env("PKG_CLIENT_LOWSPEED_TIMEOUT", "1")
            .env_remove("http_proxy")
            .env_remove("https_proxy")
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let status = output.status.code().unwrap_or(-1);
        assert_ne!(status, HUNG, "{applet} {args:?} hangs");
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        (status, format!("{out}{err}"))
    }

    fn good(&self, applet: &str, args: &[&str]) -> String {
        let (status, text) = self.run(applet, args);
        assert_eq!(status, 0, "{applet} {args:?}: {text}");
        text
    }

    fn pkg(&self, args: &[&str]) -> (i32, String) {
        let image = self.word("image");
        let mut all = vec!["-R", &image];
        all.extend(args);
        self.run("pkg", &all)
    }

    fn publish(&self, fmri: &str, actions: &str) {
        let manifest = self.path("manifest");
        let text = format!("set name=pkg.fmri value=pkg://test/{fmri}\n{actions}");
        fs::write(&manifest, text).unwrap();
        let (repository, proto) = (self.word("repo"), self.word("proto"));
        let manifest = manifest.display().to_string();
        let args = ["publish", "-s", &repository, "-d", &proto, &manifest];
        self.good("pkgsend", &args);
    }

    fn store(&self, below: &str) -> PathBuf {
        self.path("repo/publisher/test").join(below)
    }

    /// Has the parts of the catalog be read, and not the log of what is new.
    fn without_logs(&self) {
        for file in fs::read_dir(self.store("catalog")).unwrap().flatten() {
            if file.file_name().to_string_lossy().starts_with("update.") {
                fs::remove_file(file.path()).unwrap();
            }
        }
    }

    /// The manifest of version 2.0.
    fn manifest(&self) -> PathBuf {
        let folder = self.store("pkg/app%2Ffoo");
        let mut files = fs::read_dir(folder).unwrap().flatten();
        let file = files.find(|it| it.file_name().to_string_lossy().starts_with("2.0"));
        file.unwrap().path()
    }

    /// The payload of version 2.0.
    fn payload(&self) -> PathBuf {
        let text = fs::read_to_string(self.manifest()).unwrap();
        let line = text.lines().find(|it| it.starts_with("file ")).unwrap();
        let name = line.split(' ').nth(1).unwrap();
        self.store("file").join(&name[..2]).join(name)
    }

    /// Changes the manifest of 2.0 and leaves no catalog that says otherwise.
    fn remake(&self, change: impl FnOnce(String) -> String) {
        let path = self.manifest();
        let text = fs::read_to_string(&path).unwrap();
        let new = change(text.clone());
        assert_ne!(text, new);
        fs::write(path, new).unwrap();
        fs::remove_dir_all(self.store("catalog")).unwrap();
    }

    /// All that is in the image but copies of what publishers offer and the history.
    fn image(&self) -> Vec<String> {
        let skipped = ["publisher", "history", "cache", "known", "lock"];
        tree(&self.path("image"), &skipped)
    }
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(done.unwrap().success());
}

fn fifo(path: &Path) {
    let _ = fs::remove_file(path);
    let done = Command::new("mkfifo").arg(path).status();
    assert!(done.unwrap().success());
}

/// Names, kinds and content below a folder.
fn tree(folder: &Path, skipped: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if skipped.contains(&&*entry.file_name().to_string_lossy()) {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        let content = match kind.is_file() {
            true => fs::read(&path).unwrap(),
            false => Vec::new(),
        };
        all.push(format!("{} {kind:?} {content:?}", path.display()));
        if kind.is_dir() {
            all.extend(tree(&path, skipped));
        }
    }
    all.sort();
    all
}

/// What is done to a repository, and what `pkg update` says of it.
struct Case {
    name: &'static str,
    harm: fn(&Site),
    says: &'static str,
}

fn edit(path: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let new = change(text.clone());
    assert_ne!(text, new, "{}", path.display());
    fs::write(path, new).unwrap();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

const CASES: [Case; 24] = [
    Case {
        name: "catalog.attrs cut short",
        harm: |site| {
            let path = site.store("catalog/catalog.attrs");
            edit(&path, |text| text[..text.len() / 2].to_owned());
        },
        says: "catalog.attrs",
    },
    Case {
        name: "catalog.attrs of another time",
        harm: |site| {
            let path = site.store("catalog/catalog.attrs");
            edit(&path, |text| text.replacen("20", "21", 1));
        },
        says: "signature",
    },
    Case {
        name: "deep catalog",
        harm: |site| {
            let path = site.store("catalog/catalog.attrs");
            fs::write(path, "[".repeat(1 << 20)).unwrap();
        },
        says: "catalog.attrs",
    },
    Case {
        name: "catalog part is noise",
        harm: |site| {
            site.without_logs();
            fs::write(site.store("catalog/catalog.base.C"), [0xff; 4096]).unwrap();
        },
        says: "catalog.base.C",
    },
    Case {
        name: "catalog part is gone",
        harm: |site| {
            site.without_logs();
            fs::remove_file(site.store("catalog/catalog.base.C")).unwrap();
        },
        says: "catalog.base.C",
    },
    Case {
        name: "catalog part of an older catalog",
        harm: |site| {
            site.without_logs();
            let old = site.path("old/publisher/test/catalog/catalog.base.C");
            fs::copy(old, site.store("catalog/catalog.base.C")).unwrap();
        },
        says: "catalog.base.C",
    },
    Case {
        name: "older catalog than was seen",
        harm: |site| {
            let (status, text) = site.pkg(&["refresh"]);
            assert_eq!(status, 0, "{text}");
            fs::remove_dir_all(site.store("catalog")).unwrap();
            let old = site.path("old/publisher/test/catalog");
            copy(&old, &site.store("catalog"));
        },
        says: "older than the one of",
    },
    Case {
        name: "catalog is a pipe",
        harm: |site| fifo(&site.store("catalog/catalog.attrs")),
        says: "no regular file",
    },
    Case {
        name: "catalog leads out",
        harm: |site| {
            let path = site.store("catalog/catalog.attrs");
            fs::rename(&path, site.path("outside/attrs")).unwrap();
            symlink(site.path("outside/attrs"), path).unwrap();
            fs::remove_file(site.manifest()).unwrap();
        },
        says: "No updates available",
    },
    Case {
        name: "manifest was changed",
        harm: |site| edit(&site.manifest(), |text| text.replace("0644", "4755")),
        says: "the catalog says",
    },
    Case {
        name: "manifest is gone",
        harm: |site| fs::remove_file(site.manifest()).unwrap(),
        says: "has no package",
    },
    Case {
        name: "manifest is a pipe",
        harm: |site| fifo(&site.manifest()),
        says: "no regular file",
    },
    Case {
        name: "path leads out",
        harm: |site| site.remake(|text| text.replace("usr/foo", "../outside/foo")),
        says: "../outside/foo",
    },
    Case {
        name: "path into the data of the image",
        harm: |site| site.remake(|text| text.replace("usr/foo", "var/pkg/pkg5.image")),
        says: "which is reserved",
    },
    Case {
        name: "two owners of a path",
        harm: |site| {
            site.remake(|text| {
                let line = text.lines().find(|it| it.starts_with("file ")).unwrap();
                let second = line.replace("0644", "4755");
                format!("{text}{second}\n")
            });
        },
        says: "multiple copies of file usr/foo",
    },
    Case {
        name: "no digest",
        harm: |site| {
            site.remake(|text| {
                let line = text.lines().find(|it| it.starts_with("file ")).unwrap();
                let name = line.split(' ').nth(1).unwrap();
                text.replace(name, "NOHASH")
            });
        },
        says: "names no content",
    },
    Case {
        name: "payload is noise",
        harm: |site| fs::write(site.payload(), [0xff; 64]).unwrap(),
        says: "cannot get the file",
    },
    Case {
        name: "payload is cut short",
        harm: |site| {
            let bytes = fs::read(site.payload()).unwrap();
            fs::write(site.payload(), &bytes[..bytes.len() - 6]).unwrap();
        },
        says: "cannot get the file",
    },
    Case {
        name: "payload is another",
        harm: |site| fs::write(site.payload(), gzip(b"who, which is longer\n")).unwrap(),
        says: "should be",
    },
    Case {
        name: "payload is a bomb",
        harm: |site| fs::write(site.payload(), gzip(&vec![0; 64 << 20])).unwrap(),
        says: "larger than",
    },
    Case {
        name: "payload is gone",
        harm: |site| fs::remove_file(site.payload()).unwrap(),
        says: "No file could be found",
    },
    Case {
        name: "payload is a pipe",
        harm: |site| fifo(&site.payload()),
        says: "cannot get the file",
    },
    Case {
        name: "payload leads out",
        harm: |site| {
            let path = site.payload();
            fs::rename(&path, site.path("outside/payload")).unwrap();
            symlink(site.path("outside/payload"), path).unwrap();
        },
        says: "No file could be found",
    },
    Case {
        name: "payload is a hole",
        harm: |site| {
            let file = fs::File::create(site.payload()).unwrap();
            file.set_len(1 << 40).unwrap();
        },
        says: "cannot get the file",
    },
];

#[test]
fn harmful_repositories_change_nothing() {
    for case in CASES {
        let site = Site::new();
        (case.harm)(&site);
        let (before, outside) = (site.image(), tree(&site.path("outside"), &[]));
        let (status, text) = site.pkg(&["update"]);
        let name = case.name;
        assert!(text.contains(case.says), "{name}: {status} {text}");
        let expected = if text.contains("No updates") { 4 } else { 1 };
        assert_eq!(status, expected, "{name}: {text}");
        assert_eq!(site.image(), before, "{name}: {text}");
        assert_eq!(tree(&site.path("outside"), &[]), outside, "{name}");
        assert!(!text.contains("panicked"), "{name}: {text}");
        let (status, text) = site.pkg(&["verify"]);
        assert_eq!(status, 0, "{name}: {text}");
    }
}

#[test]
fn links_of_packages_lead_nowhere() {
    let rows = [
        "link path=way target=../../outside\n",
        "link path=way target=OUTSIDE\n",
    ];
    for link in rows {
        let site = Site::new();
        let link = link.replace("OUTSIDE", &site.word("outside"));
        site.publish("app/link@1.0", &link);
        let file = "file foo path=way/foo owner=root group=root mode=0644\n";
        site.publish("app/file@1.0", file);
        site.publish("app/both@1.0", &format!("{link}{file}"));
        let (status, text) = site.pkg(&["refresh"]);
        assert_eq!(status, 0, "{text}");
        for names in [&["link", "file"][..], &["both"]] {
            let mut args = vec!["install"];
            args.extend(names);
            let (status, text) = site.pkg(&args);
            assert_eq!(status, 1, "{text}");
            assert_eq!(tree(&site.path("outside"), &[]), Vec::<String>::new());
        }
        let (status, text) = site.pkg(&["install", "link"]);
        assert_eq!(status, 0, "{text}");
        let (status, text) = site.pkg(&["install", "file"]);
        assert_eq!(status, 1, "{text}");
        assert!(text.contains("conflicting action types to way"), "{text}");
        assert_eq!(tree(&site.path("outside"), &[]), Vec::<String>::new());
    }
}

#[test]
fn words_of_packages_do_not_move_the_terminal() {
    let site = Site::new();
    let escape = "\u{1b}]0;owned\u{7}\u{9b}31m";
    let actions = format!(
        "set name=pkg.summary value=\"{escape}\"\n\
         set name=pkg.description value=\"{escape}\"\n\
         set name=pkg.human-version value=\"{escape}\"\n\
         dir path=usr/\u{1b}[31mred owner=root group=root mode=0755\n"
    );
    site.publish("app/words@1.0", &actions);
    let (status, text) = site.pkg(&["refresh"]);
    assert_eq!(status, 0, "{text}");
    let (status, text) = site.pkg(&["install", "-v", "words"]);
    assert_eq!(status, 0, "{text}");
    fs::set_permissions(
        site.path("image/usr/\u{1b}[31mred"),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    for args in [
        &["list", "-s"][..],
        &["info", "words"],
        &["contents", "words"],
        &["contents", "-o", "action.raw", "words"],
        &["contents", "-H", "-F", "tsv", "words"],
        &["search", "-l", "*owned*"],
        &["verify"],
        &["fix"],
    ] {
        let (_, text) = site.pkg(args);
        let bad = text.contains(['\u{1b}', '\u{7}', '\u{9b}']);
        assert!(!bad, "{args:?}: {text:?}");
    }
    let repository = site.word("repo");
    for args in [
        &["list", "-s", &repository][..],
        &["search", "-s", &repository, "*owned*"],
    ] {
        let (_, text) = site.run("pkgrepo", args);
        let bad = text.contains(['\u{1b}', '\u{7}', '\u{9b}']);
        assert!(!bad, "{args:?}: {text:?}");
    }
}

/// What a server does with the connection; the path that was asked for decides.
type Answer = Arc<dyn Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync>;

/// A server for as long as the test runs: it gives the files of the repository, and on a path that
/// holds `harmed` what `answer` does. Gives its port.
fn serve(site: &Site, harmed: &'static str, answer: Answer) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let store = site.store("");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (store, answer) = (store.clone(), Arc::clone(&answer));
            std::thread::spawn(move || one(stream, &store, harmed, &answer));
        }
    });
    port
}

fn one(mut stream: TcpStream, store: &Path, harmed: &str, answer: &Answer) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else {
        return;
    };
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            break;
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    // The client may be gone; that is what some tests want.
    let _ = match path.contains(harmed) {
        true => answer(&path, &mut stream),
        false => whole(&mut stream, file(store, &path)),
    };
}

/// The file of the repository that a path of the protocol means.
fn file(store: &Path, path: &str) -> Option<Vec<u8>> {
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    let place = match words.as_slice() {
        ["test", "catalog", "1", name] => store.join("catalog").join(name),
        ["test", "manifest", "0", name] => {
            let (stem, version) = name.split_once('@')?;
            store.join("pkg").join(stem).join(version)
        }
        ["test", "file", "0", name] => store.join("file").join(&name[..2]).join(name),
        _ => return None,
    };
    fs::read(place).ok()
}

fn whole(stream: &mut TcpStream, bytes: Option<Vec<u8>>) -> std::io::Result<()> {
    let status = if bytes.is_some() {
        "200 OK"
    } else {
        "404 Not Found"
    };
    let bytes = bytes.unwrap_or_default();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        bytes.len()
    )?;
    stream.write_all(&bytes)
}

fn head(stream: &mut TcpStream, lines: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {lines}\r\n\r\n")
}

/// What a server does, where, and what `pkg update` says of it.
struct Server {
    name: &'static str,
    harmed: &'static str,
    answer: fn(&mut TcpStream) -> std::io::Result<()>,
    says: &'static str,
}

fn endless(stream: &mut TcpStream) -> std::io::Result<()> {
    head(stream, "200 OK\r\nConnection: close")?;
    let chunk = [b'a'; 1 << 16];
    loop {
        stream.write_all(&chunk)?;
    }
}

fn drip(stream: &mut TcpStream) -> std::io::Result<()> {
    head(stream, "200 OK\r\nContent-Length: 100000")?;
    loop {
        stream.write_all(b"a")?;
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn silent(stream: &mut TcpStream) -> std::io::Result<()> {
    std::thread::sleep(Duration::from_secs(30));
    stream.write_all(b"late")
}

const SERVERS: [Server; 16] = [
    Server {
        name: "endless catalog",
        harmed: "/catalog.attrs",
        answer: endless,
        says: "more than",
    },
    Server {
        name: "endless payload",
        harmed: "/file/",
        answer: endless,
        says: "larger than",
    },
    Server {
        name: "slow catalog",
        harmed: "/catalog.attrs",
        answer: drip,
        says: "less than 1024 bytes a second",
    },
    Server {
        name: "slow payload",
        harmed: "/file/",
        answer: drip,
        says: "cannot get the file",
    },
    Server {
        name: "silent",
        harmed: "/manifest/",
        answer: silent,
        says: "timeout",
    },
    Server {
        name: "endless head",
        harmed: "/manifest/",
        answer: |stream| {
            write!(stream, "HTTP/1.1 200 OK\r\n")?;
            loop {
                write!(stream, "X-More: and more\r\n")?;
            }
        },
        says: "cannot get the manifest",
    },
    Server {
        name: "no HTTP",
        harmed: "/manifest/",
        answer: |stream| stream.write_all(b"\x16\x03\x01 what\r\n\r\n"),
        says: "cannot get the manifest",
    },
    Server {
        name: "sent to a file",
        harmed: "/manifest/",
        answer: |stream| {
            head(
                stream,
                "302 Found\r\nLocation: file:///etc/hostname\r\nContent-Length: 0",
            )
        },
        says: "sends its clients to 'file:///etc/hostname'",
    },
    Server {
        name: "sent to another host",
        harmed: "/file/",
        answer: |stream| {
            head(
                stream,
                "307 Moved\r\nLocation: http://127.0.0.2:9/secret\r\nContent-Length: 0",
            )
        },
        says: "name that as the origin if you trust it",
    },
    Server {
        name: "sent around",
        harmed: "/manifest/",
        answer: |stream| {
            head(
                stream,
                "302 Found\r\nLocation: /test/manifest/0/again\r\nContent-Length: 0",
            )
        },
        says: "sends its clients to",
    },
    Server {
        name: "more promised than given",
        harmed: "/manifest/",
        answer: |stream| {
            head(
                stream,
                "200 OK\r\nContent-Length: 5000\r\nConnection: close",
            )?;
            stream.write_all(b"set name=a value=b\n")
        },
        says: "cannot get the manifest",
    },
    Server {
        name: "less promised than given",
        harmed: "/manifest/",
        answer: |stream| {
            head(stream, "200 OK\r\nContent-Length: 4\r\nConnection: close")?;
            stream.write_all(b"set name=a value=b\n")
        },
        says: "the catalog says",
    },
    Server {
        name: "an error with escapes",
        harmed: "/manifest/",
        answer: |stream| {
            head(stream, "403 No\r\nContent-Length: 20\r\nConnection: close")?;
            stream.write_all(b"<p>\x1b[31m no \x07 </p>..")
        },
        says: "403",
    },
    Server {
        name: "packed twice",
        harmed: "/manifest/",
        answer: |stream| {
            let bomb = gzip(&vec![b'\n'; 64 << 20]);
            head(
                stream,
                &format!(
                    "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close",
                    bomb.len()
                ),
            )?;
            stream.write_all(&bomb)
        },
        says: "cannot get the manifest",
    },
    Server {
        name: "no catalog",
        harmed: "/catalog.attrs",
        answer: |stream| whole(stream, None),
        says: "no catalog of publisher",
    },
    Server {
        name: "always busy",
        harmed: "/catalog.attrs",
        answer: |stream| head(stream, "503 Busy\r\nContent-Length: 0\r\nConnection: close"),
        says: "503",
    },
];

#[test]
fn harmful_servers_change_nothing() {
    let site = Site::new();
    let (status, text) = site.pkg(&["refresh"]);
    assert_eq!(status, 0, "{text}");
    let kept = site.path("kept");
    copy(&site.path("image"), &kept);
    for server in SERVERS {
        let answer = server.answer;
        let port = serve(
            &site,
            server.harmed,
            Arc::new(move |_, stream| answer(stream)),
        );
        fs::remove_dir_all(site.path("image")).unwrap();
        copy(&kept, &site.path("image"));
        let uri = format!("http://127.0.0.1:{port}/");
        let words = ["set-publisher", "--no-refresh", "-O", &uri, "test"];
        let (status, text) = site.pkg(&words);
        assert_eq!(status, 0, "{text}");
        let before = site.image();
        let (status, text) = site.pkg(&["update"]);
        let name = server.name;
        assert_eq!(status, 1, "{name}: {text}");
        assert!(text.contains(server.says), "{name}: {text}");
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{name}: {text:?}");
        assert!(!text.contains("panicked"), "{name}: {text}");
        assert_eq!(site.image(), before, "{name}: {text}");
    }
    // An honest server does, also one that sends its clients on to itself.
    let store = site.store("");
    let answer: Answer = Arc::new(move |path, stream| match path.strip_prefix("/moved") {
        Some(path) => whole(stream, file(&store, path)),
        None => {
            let to = format!("301 Moved\r\nLocation: /moved{path}\r\nContent-Length: 0");
            head(stream, &format!("{to}\r\nConnection: close"))
        }
    });
    let port = serve(&site, "", answer);
    let uri = format!("http://127.0.0.1:{port}/");
    let words = ["set-publisher", "--no-refresh", "-O", &uri, "test"];
    let (status, text) = site.pkg(&words);
    assert_eq!(status, 0, "{text}");
    let (status, text) = site.pkg(&["update"]);
    assert_eq!(status, 0, "{text}");
    assert_eq!(
        fs::read_to_string(site.path("image/usr/foo")).unwrap(),
        "two, which is longer\n"
    );
}
