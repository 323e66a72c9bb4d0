//! Golden images: made once by key, shared, rebuilt for what changed, collected, never half-made.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};

use support::{Files, Host, err, out, refused, until};

/// Two platforms from one archive, the first of them with a script.
const MATRIX: &str = r#"
schema = 1
name = "acme"
[axes]
kind = ["scripted", "plain"]
[platform]
id = "{kind}"
brand = "lx"
image.import = { tarball = "busybox.tar" }
[[platform.override]]
when = { kind = "scripted" }
image.kickstart = "kick.sh"
[option]
full = { env = { A = "b" } }
[artifact]
new = { path = "release" }
[step]
install.run = "true"
[scenario.fresh]
steps = ["install:new"]
"#;

const SCRIPT: &str = "#!/bin/sh\nset -e\necho kicked > /etc/kicked\necho from the script\n";

struct Bench {
    host: Host,
}

impl Bench {
    fn new(host: Host) -> Self {
        host.archive();
        let bench = Self { host };
        fs::create_dir(bench.host.path().join("release")).unwrap();
        bench.write("matrix.toml", MATRIX);
        bench.script(SCRIPT);
        bench
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.host.path().join(name), text).unwrap();
    }

    fn script(&self, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        self.write("kick.sh", text);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.host.path().join("kick.sh"), mode).unwrap();
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.host.command("matrix", &[&["image"], args].concat());
        command.current_dir(self.host.path());
        command
    }

    fn image(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.image(args);
        assert!(
            output.status.success(),
            "{args:?}: {}{}",
            out(&output),
            err(&output)
        );
        out(&output)
    }

    fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Platform and zone of every image.
    fn list(&self) -> Vec<(String, String)> {
        let text = self.ok(&["list", "-p"]);
        let rows = text.lines().map(|line| {
            let mut fields = line.split(':').map(str::to_owned);
            (fields.next().unwrap(), fields.next().unwrap())
        });
        rows.collect()
    }

    fn matrix(&self) -> PathBuf {
        self.host.path().join("var/lib/zones/matrix")
    }

    /// Names of the zones of the matrix' host.
    fn zones(&self) -> String {
        let root = self.matrix().join("host");
        let index = fs::read_to_string(root.join("etc/zones/index")).unwrap_or_default();
        let lines = index.lines().filter(|line| line.contains("golden-"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// A command of the matrix' host.
    fn inner(&self, applet: &str, args: &[&str]) -> String {
        let host = self.matrix().join("host");
        let output = std::process::Command::new(support::ZONES)
            .args([applet, "-R", host.to_str().unwrap()])
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}{}",
            out(&output),
            err(&output)
        );
        out(&output)
    }

    fn root(&self, zone: &str) -> PathBuf {
        self.matrix().join("host/zones").join(zone).join("root")
    }
}

#[test]
fn one_byte_of_a_script_makes_the_images_anew_that_have_it() {
    let host = host_or_skip!("one_byte_of_a_script_makes_the_images_anew_that_have_it");
    let bench = Bench::new(host);
    let said = bench.ok(&["build"]);
    assert!(said.contains("scripted: running the script"), "{said}");
    let first = bench.list();
    let names: Vec<&str> = first
        .iter()
        .map(|(platform, _)| platform.as_str())
        .collect();
    assert_eq!(names, ["plain", "scripted"]);
    let scripted = &first[1].1;
    {
        let files = Files::look(&bench.root(scripted));
        assert_eq!(fs::read(files.join("etc/kicked")).unwrap(), b"kicked\n");
    }
    assert!(!bench.zones().contains(":incomplete:"), "{}", bench.zones());
    // There is nothing to do.
    let again = bench.ok(&["build"]);
    assert!(!again.contains("installing"), "{again}");
    assert_eq!(bench.ok(&["explain", "scripted"]), "no input differs\n");

    bench.script(&SCRIPT.replace("kicked >", "kickeD >"));
    let why = bench.ok(&["explain", "scripted"]);
    assert!(
        why.starts_with("/kickstart: \"") && why.lines().count() == 1,
        "{why}"
    );
    assert_eq!(bench.ok(&["explain", "plain"]), "no input differs\n");
    let said = bench.ok(&["build"]);
    assert!(said.contains("scripted: installing"), "{said}");
    assert!(!said.contains("plain: installing"), "{said}");
    let all = bench.list();
    assert_eq!(all.len(), 3);
    // Two that exist are told apart as well.
    let (old, new) = (&all[1].1, &all[2].1);
    let why = bench.ok(&["explain", old, new]);
    assert!(why.starts_with("/kickstart: "), "{why}");
    assert_eq!(bench.host.leftovers(), Vec::<String>::new());
}

#[test]
fn two_runners_share_what_one_of_them_makes_and_a_killed_one_leaves_nothing() {
    let host =
        host_or_skip!("two_runners_share_what_one_of_them_makes_and_a_killed_one_leaves_nothing");
    let bench = Bench::new(host);
    bench.script("#!/bin/sh\nsleep 1\necho kicked > /etc/kicked\n");
    let mut dying = bench.start(&["build", "scripted"]);
    until("the zone of the image is there", || {
        !bench.zones().is_empty()
    });
    dying.kill().unwrap();
    dying.wait().unwrap();
    assert_eq!(bench.list(), []);

    let both = [(); 2].map(|()| bench.start(&["build", "scripted"]));
    let mut said = String::new();
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", err(&output));
        said += &out(&output);
    }
    assert_eq!(said.matches("made in").count(), 1, "{said}");
    assert_eq!(bench.list().len(), 1);
    assert_eq!(bench.zones().lines().count(), 1);
    until("nothing of the killed one is left", || {
        bench.host.leftovers().is_empty()
    });
}

#[test]
fn a_build_that_fails_is_one_error_and_no_zone() {
    let host = host_or_skip!("a_build_that_fails_is_one_error_and_no_zone");
    let bench = Bench::new(host);
    bench.script("#!/bin/sh\necho the mirror is on fire >&2\nexit 3\n");
    let output = bench.image(&["build", "scripted"]);
    refused(&output, 1, "cannot make the image of platform `scripted`");
    let text = err(&output);
    assert!(text.contains("the mirror is on fire"), "{text}");
    let log = text.split("log: ").nth(1).unwrap().lines().next().unwrap();
    assert!(
        fs::read_to_string(log).unwrap().contains("+ zlogin"),
        "{log}"
    );
    assert_eq!((bench.list(), bench.zones()), (Vec::new(), String::new()));
    assert_eq!(bench.host.leftovers(), Vec::<String>::new());

    // The archive is not what the file says it is.
    let wrong = "0".repeat(64);
    let named = format!("tarball = \"busybox.tar\", blake3 = \"{wrong}\"");
    bench.write(
        "matrix.toml",
        &MATRIX.replace("tarball = \"busybox.tar\"", &named),
    );
    let output = bench.image(&["build", "plain"]);
    refused(&output, 1, "was expected");
    assert_eq!(bench.zones(), "");
    // What failed builds left goes with the next collection.
    let said = bench.ok(&["gc"]);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert_eq!(
        fs::read_dir(bench.matrix().join("images")).unwrap().count(),
        0
    );
}

#[test]
fn images_go_by_age_but_for_pinned_ones_and_clones_stay_whole() {
    let host = host_or_skip!("images_go_by_age_but_for_pinned_ones_and_clones_stay_whole");
    let bench = Bench::new(host);
    bench.ok(&["build"]);
    let images = bench.list();
    let (plain, scripted) = (images[0].1.clone(), images[1].1.clone());
    let path = bench.matrix().join("host/zones/cell");
    let commands = format!("create -b; set brand=lx; set zonepath={}", path.display());
    bench.inner("zonecfg", &["-z", "cell", &commands]);
    bench.inner("zoneadm", &["-z", "cell", "clone", &scripted]);

    bench.ok(&["pin", "plain", "good"]);
    let listed = bench.ok(&["list", "-p"]);
    assert!(
        listed.lines().next().unwrap().ends_with(":good"),
        "{listed}"
    );
    let said = bench.ok(&["gc", "--keep", "0"]);
    assert!(said.contains(&scripted) && !said.contains(&plain), "{said}");
    assert_eq!(bench.list(), [("plain".to_owned(), plain.clone())]);
    // The clone has all that it shared.
    bench.inner("zoneadm", &["-z", "cell", "boot"]);
    let text = bench.inner("zlogin", &["cell", "cat", "/etc/kicked"]);
    assert_eq!(text, "kicked\n");
    bench.inner("zoneadm", &["-z", "cell", "halt"]);

    bench.ok(&["unpin", "good"]);
    bench.ok(&["gc", "--max-size", "0"]);
    assert_eq!(bench.list(), []);
    refused(
        &bench.image(&["remove", "plain"]),
        1,
        "no image is called `plain`",
    );
    refused(
        &bench.image(&["gc", "--keep", "x"]),
        2,
        "--keep is a number",
    );
    assert_eq!(bench.host.leftovers(), Vec::<String>::new());
}

#[test]
fn an_image_is_carried_by_key_and_shows_when_it_is_whole() {
    let host = host_or_skip!("an_image_is_carried_by_key_and_shows_when_it_is_whole");
    let bench = Bench::new(host);
    bench.ok(&["build", "scripted"]);
    let zone = bench.list()[0].1.clone();
    let depot = bench.host.path().join("depot");
    let (depot, elsewhere) = (depot.to_str().unwrap(), "-delsewhere");
    let elsewhere = [&elsewhere[..2], &elsewhere[2..]];
    let sent = bench.ok(&["push", depot, "scripted"]);
    assert!(sent.contains(": sent, "), "{sent}");
    assert!(bench.ok(&["push", depot]).contains(": is there"));

    let pull = |more: &[&str]| bench.image(&[&["pull"], &elsewhere[..], more].concat());
    // A byte of the stream is another one.
    let stream = fs::read_dir(depot).unwrap().flatten();
    let stream = stream.map(|entry| entry.path());
    let stream = stream
        .into_iter()
        .find(|path| path.extension().unwrap() == "zone");
    let stream = stream.unwrap();
    let bytes = fs::read(&stream).unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    fs::write(&stream, &damaged).unwrap();
    refused(&pull(&[depot, "scripted"]), 1, "is damaged");
    let listed = bench.ok(&["list", "-p", "-d", "elsewhere"]);
    assert_eq!(listed, "");
    fs::write(&stream, &bytes).unwrap();

    // By a shell at the other end, as ssh(1) would start one.
    let rsh = bench.host.path().join("rsh");
    bench.write(
        "rsh",
        "#!/bin/sh\n[ \"$1\" = far ] && exec /bin/sh -c \"$2\"\n",
    );
    fs::set_permissions(&rsh, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let rsh = format!("{} far", rsh.display());
    let came = pull(&["--rsh", &rsh, depot, &zone]);
    assert!(
        out(&came).contains(": came, "),
        "{}{}",
        out(&came),
        err(&came)
    );
    assert!(out(&pull(&[depot, "scripted"])).contains(": is there"));
    // What is planned here is there now, so nothing is made.
    let built = bench.ok(&["build", "-d", "elsewhere", "scripted"]);
    assert!(!built.contains("installing"), "{built}");
    let far = bench.host.path().join("there");
    let far = far.to_str().unwrap();
    assert!(bench.ok(&["push", "--rsh", &rsh, far]).contains(": sent, "));
    let names = |folder: &str| {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(far), names(depot));
    refused(&pull(&[depot, "0000"]), 1, "no platform");
    assert_eq!(bench.host.leftovers(), Vec::<String>::new());
}

#[test]
fn what_a_platform_changes_by_itself_is_learned_once() {
    let host = host_or_skip!("what_a_platform_changes_by_itself_is_learned_once");
    let bench = Bench::new(host);
    let local = "#!/bin/sh\\ndate > /etc/booted\\n";
    bench.script(&format!(
        "#!/bin/sh\nprintf '{local}' > /etc/rc.local\nchmod 755 /etc/rc.local\n"
    ));
    let noise = |args: &[&str]| {
        let mut command = bench.host.command("matrix", &[&["noise"], args].concat());
        let output = command.current_dir(bench.host.path()).output().unwrap();
        assert!(output.status.success(), "{}", err(&output));
        out(&output)
    };
    let shown = noise(&["--show", "scripted"]);
    assert!(shown.contains("scripted: file /etc/booted\n"), "{shown}");
    assert!(!shown.contains("rc.local"), "{shown}");
    let begun = std::time::Instant::now();
    assert_eq!(noise(&["--show", "scripted"]), shown);
    assert!(begun.elapsed().as_secs() < 5);
    let lines = noise(&[]);
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(!bench.zones().contains("noise-"), "{}", bench.zones());
    assert_eq!(bench.host.leftovers(), Vec::<String>::new());
}
