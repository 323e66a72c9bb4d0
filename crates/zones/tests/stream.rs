//! `zoneadm export`, `zoneadm import`: to a file, through a pipe, cut, killed.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Stdio;

use support::{Host, err, out};
use zones_archive::{DiffOptions, Silent, differ};

fn assert_same(one: &Path, other: &Path) {
    let times = DiffOptions {
        times: true,
        ..DiffOptions::default()
    };
    let look = |root| zones_storage::look(root).unwrap();
    let (a, b) = (look(one), look(other));
    let changes = differ(Some(&a), &b, times, &Silent).unwrap();
    assert!(changes.is_empty(), "{changes:#?}");
}

fn export(host: &Host, args: &[&str]) -> Vec<u8> {
    let all = [&["-z", "web", "export"], args].concat();
    let output = host.run("zoneadm", &all);
    assert!(output.status.success(), "{}", err(&output));
    output.stdout
}

/// Gives `bytes` to import; what it says when it fails.
fn import(host: &Host, zone: &str, args: &[&str], bytes: &[u8]) -> Result<(), String> {
    let all = [&["-z", zone, "import"], args].concat();
    let mut command = host.command("zoneadm", &all);
    let command = command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A receiver that refuses does not read to the end.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), bytes);
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(err(&output)),
    }
}

#[test]
fn a_zone_goes_through_a_pipe() {
    let host = host_or_skip!("a_zone_goes_through_a_pipe");
    host.install(
        "web",
        "set ip-type=exclusive; add attr; set name=comment; set type=string; set value=here; end",
    );
    let bytes = export(&host, &[]);
    let path = host.zonepath("new");
    let refused = import(&host, "new", &[], &bytes).unwrap_err();
    assert!(refused.contains("with -d"), "{refused}");
    import(&host, "new", &["-d", path.to_str().unwrap()], &bytes).unwrap();
    assert_same(&host.zonepath("web").join("root"), &path.join("root"));
    let config = host.ok("zonecfg", &["-z", "new", "export"]);
    assert!(
        config.contains("set value=here") && config.contains("/new\n"),
        "{config}"
    );
    host.ok("zoneadm", &["-z", "new", "boot"]);
    assert_eq!(host.inside("new", "hostname").trim(), "new");
    // One that runs is not exported, and not imported over.
    let refused = host.run("zoneadm", &["-z", "new", "export", "-"]);
    assert!(
        err(&refused).contains("halt it, or export a snapshot"),
        "{}",
        err(&refused)
    );
    let refused = import(&host, "new", &[], &bytes).unwrap_err();
    assert!(refused.contains("in use"), "{refused}");
    host.ok("zoneadm", &["-z", "new", "halt"]);
    let refused = import(&host, "new", &[], &bytes).unwrap_err();
    assert!(refused.contains("installed already"), "{refused}");
}

#[test]
fn a_file_and_a_zone_that_is_configured_already() {
    let host = host_or_skip!("a_file_and_a_zone_that_is_configured_already");
    host.install("web", "");
    let file = host.path().join("web.zone");
    let said = export(&host, &[file.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&said).contains("1 roots"));
    host.configure(
        "own",
        "add attr; set name=comment; set type=string; set value=own; end",
    );
    host.ok("zoneadm", &["-z", "own", "import", file.to_str().unwrap()]);
    let config = host.ok("zonecfg", &["-z", "own", "export"]);
    assert!(config.contains("set value=own"), "{config}");
    assert_same(
        &host.zonepath("web").join("root"),
        &host.zonepath("own").join("root"),
    );
    host.ok("zoneadm", &["-z", "own", "uninstall", "-F"]);
    assert!(!host.zonepath("own").exists());
}

/// The driver is the one that the zone asks for, here as with install; what somebody asked for
/// elsewhere and nobody can fulfil is told and left out.
#[test]
fn an_imported_zone_has_the_driver_that_it_asks_for() {
    let host = host_or_skip!("an_imported_zone_has_the_driver_that_it_asks_for");
    let driver = |host: &Host, zone: &str| {
        let fields = ["-z", zone, "list", "-p", "-o", "driver"];
        host.ok("zoneadm", &fields).trim().to_owned()
    };
    let asks =
        |name: &str| format!("add attr; set name=storage; set type=string; set value={name}; end");
    host.install("web", "");
    host.ok("zoneadm", &["-z", "web", "snapshot", "first"]);
    let file = host.path().join("web.zone");
    let file = file.to_str().unwrap();
    export(&host, &[file]);
    host.configure("own", &asks("dir"));
    host.ok("zoneadm", &["-z", "own", "import", file]);
    assert_eq!(driver(&host, "own"), "dir");
    host.ok("zoneadm", &["-z", "own", "snapshot", "one"]);
    for root in ["root", "snap/first", "snap/one"] {
        let root = host.zonepath("own").join(root);
        assert!(root.join("bin").is_dir(), "{}", root.display());
    }
    // One that asks for what is not here.
    host.ok("zonecfg", &["-z", "web", &asks("zfs")]);
    export(&host, &[file]);
    let path = host.zonepath("new");
    let args = ["-z", "new", "import", "-d", path.to_str().unwrap(), file];
    let said = host.run("zoneadm", &args);
    assert!(said.status.success(), "{}", err(&said));
    assert!(
        err(&said).contains("attr storage is left out"),
        "{}",
        err(&said)
    );
    let config = host.ok("zonecfg", &["-z", "new", "export"]);
    assert!(!config.contains("zfs"), "{config}");
    host.ok("zoneadm", &["-z", "new", "boot"]);
    host.ok("zoneadm", &["-z", "new", "halt"]);
    // Who asks here is refused, and nothing is left.
    host.configure("bad", &asks("zfs"));
    let said = host.run("zoneadm", &["-z", "bad", "import", file]);
    support::refused(&said, 1, "asks for storage driver zfs, which cannot work");
    assert!(!host.zonepath("bad").exists());
    assert_eq!(host.state("bad"), "configured");
}

#[test]
fn nothing_is_left_of_what_is_refused() {
    let host = host_or_skip!("nothing_is_left_of_what_is_refused");
    host.install("web", "");
    let bytes = export(&host, &[]);
    let path = host.zonepath("new");
    let to = ["-d", path.to_str().unwrap()];
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 4;
    for (bad, why) in [
        (&b"no stream"[..], "no stream of a zone"),
        (&bytes[..bytes.len() / 2], "cut short"),
        (flipped.as_slice(), "damaged"),
    ] {
        let refused = import(&host, "new", &to, bad).unwrap_err();
        assert!(refused.contains(why), "{refused}");
        assert!(!path.exists(), "{why}");
        let list = host.ok("zoneadm", &["list", "-cp"]);
        assert!(!list.contains(":new:"), "{list}");
    }
}

#[test]
fn what_was_cut_is_gone_on_with() {
    let host = host_or_skip!("what_was_cut_is_gone_on_with");
    host.install("web", "");
    let bytes = export(&host, &[]);
    let path = host.zonepath("new");
    let to = ["-r", "-d", path.to_str().unwrap()];
    let refused = import(&host, "new", &to, &bytes[..bytes.len() - 10]).unwrap_err();
    let token = host.ok("zoneadm", &["-z", "new", "import", "-t"]);
    assert!(refused.contains(token.trim()), "{refused}");
    assert!(!path.join("root").exists());
    let rest = export(&host, &["--resume", token.trim(), "-"]);
    assert!(
        rest.len() < bytes.len() / 2,
        "{} of {}",
        rest.len(),
        bytes.len()
    );
    import(&host, "new", &["-r"], &rest).unwrap();
    assert_same(&host.zonepath("web").join("root"), &path.join("root"));
    let none = host.run("zoneadm", &["-z", "new", "import", "-t"]);
    assert!(err(&none).contains("nothing is kept"));
}

/// Killed while the stream comes: the next import begins anew, as if nothing had been.
#[test]
fn a_killed_import_is_begun_anew() {
    let host = host_or_skip!("a_killed_import_is_begun_anew");
    host.install("web", "");
    let bytes = export(&host, &[]);
    let path = host.zonepath("new");
    let to = ["-d", path.to_str().unwrap()];
    for part in [20, bytes.len() / 2, bytes.len() - 50] {
        let all = [&["-z", "new", "import"], &to[..]].concat();
        let mut child = host
            .command("zoneadm", &all)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, &bytes[..part]).unwrap();
        // All but what a pipe holds was read by now.
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!path.join("root").exists());
    }
    import(&host, "new", &to, &bytes).unwrap();
    assert_same(&host.zonepath("web").join("root"), &path.join("root"));
    let left = fs::read_dir(&path)
        .unwrap()
        .flatten()
        .map(|it| it.file_name());
    assert!(!left.into_iter().any(|it| it == ".import"));
    assert!(out(&host.run("zoneadm", &["list", "-ip"])).contains(":new:installed:"));
}

/// Bytes do not come any more: a signal ends it, and nothing is left.
#[test]
fn a_waiting_import_can_be_stopped() {
    let host = host_or_skip!("a_waiting_import_can_be_stopped");
    host.install("web", "");
    let bytes = export(&host, &[]);
    let path = host.zonepath("new");
    let all = ["-z", "new", "import", "-d", path.to_str().unwrap()];
    let mut command = host.command("zoneadm", &all);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, &bytes[..bytes.len() / 2]).unwrap();
    support::until("the zone is configured", || {
        host.ok("zoneadm", &["list", "-cp"]).contains(":new:")
    });
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(input);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("stopped"), "{}", err(&output));
    assert!(!path.exists());
    assert!(!host.ok("zoneadm", &["list", "-cp"]).contains(":new:"));
}
