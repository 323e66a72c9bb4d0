//! zlogin: statuses, streams, users, console.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::process::Stdio;

use support::{Host, err, out, refused};

fn running(host: &Host) {
    host.install("z", "");
    host.ok("zoneadm", &["-z", "z", "boot"]);
}

#[test]
fn statuses_and_streams_are_exact() {
    let host = host_or_skip!("statuses_and_streams_are_exact");
    running(&host);
    assert_eq!(host.run("zlogin", &["z", "exit 3"]).status.code(), Some(3));
    assert_eq!(
        host.run("zlogin", &["z", "kill -9 $$"]).status.code(),
        Some(137)
    );
    assert_eq!(
        host.run("zlogin", &["z", "exit 255"]).status.code(),
        Some(255)
    );
    let both = host.run("zlogin", &["z", "echo out; echo err >&2"]);
    assert_eq!(
        (out(&both).as_str(), err(&both).as_str()),
        ("out\n", "err\n")
    );
    assert_eq!(host.inside("z", "echo a  b"), "a b\n");
    assert_eq!(
        host.ok("zlogin", &["z", "echo", "a  b", "$HOME"]),
        "a  b /root\n"
    );
    refused(
        &host.run("zlogin", &["nosuch"]),
        1,
        "zlogin: zone 'nosuch' unknown",
    );
    refused(
        &host.run("zlogin", &["global"]),
        1,
        "zlogin: 'zlogin' not applicable to the global zone",
    );
    assert_eq!(
        host.run("zlogin", &["-C", "z", "ls"]).status.code(),
        Some(2)
    );
    refused(
        &host.run("zlogin", &["-l", "nobody9", "z", "true"]),
        1,
        "user `nobody9` is not known in the zone",
    );
}

#[test]
fn bytes_pass_both_ways_unchanged() {
    let host = host_or_skip!("bytes_pass_both_ways_unchanged");
    running(&host);
    let bytes: Vec<u8> = (0..3_000_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let mut command = host.command("zlogin", &["z", "cat"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let copy = bytes.clone();
    let writer = std::thread::spawn(move || input.write_all(&copy).unwrap());
    let mut back = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut back).unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(
        back == bytes,
        "{} bytes came back of {}",
        back.len(),
        bytes.len()
    );
}

#[test]
fn the_environment_is_made_from_scratch() {
    let host = host_or_skip!("the_environment_is_made_from_scratch");
    running(&host);
    let mut command = host.command("zlogin", &["-l", "jo", "z", "env; id; pwd"]);
    let output = command
        .env_clear()
        .env("SECRET", "1")
        .env("TERM", "vt100")
        .output()
        .unwrap();
    let text = out(&output);
    for line in [
        "HOME=/home/jo",
        "LOGNAME=jo",
        "SHELL=/bin/sh",
        "TERM=vt100",
        "/home/jo",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in {text}"
        );
    }
    assert!(!text.contains("SECRET"));
    assert!(
        text.contains("uid=1000(jo) gid=1000(jo) groups=10(wheel),1000(jo)"),
        "{text}"
    );
    // Failsafe: root with a plain shell, whatever passwd says.
    host.inside("z", "echo broken > /etc/passwd");
    assert_eq!(
        host.ok("zlogin", &["-S", "z", "echo $HOME $SHELL"]),
        "/ /bin/sh\n"
    );
}

#[test]
fn the_console_takes_one_client_and_outlives_reboots() {
    let host = host_or_skip!("the_console_takes_one_client_and_outlives_reboots");
    host.install("z", "");
    let mut first = host
        .command("zlogin", &["-C", "z"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = first.stdout.take().unwrap();
    let mut keys = first.stdin.take().unwrap();
    let mut seen = String::new();
    read_until(&mut output, &mut seen, "[Connected to zone 'z' console]");
    host.ok("zoneadm", &["-z", "z", "boot"]);
    read_until(&mut output, &mut seen, "[NOTICE: Zone booting up]");
    let second = host.run("zlogin", &["-C", "z"]);
    refused(
        &second,
        1,
        &format!(
            "zlogin: Zone is already in use by process ID {}.",
            first.id()
        ),
    );
    keys.write_all(b"echo $((20+3))con\r").unwrap();
    read_until(&mut output, &mut seen, "23con");
    let broken = "printf '#!/none\\n' > /etc/rc.local; chmod 755 /etc/rc.local";
    host.inside("z", broken);
    host.ok("zoneadm", &["-z", "z", "reboot"]);
    read_until(&mut output, &mut seen, "[NOTICE: Zone rebooting]");
    read_until(
        &mut output,
        &mut seen,
        "init: cannot run /etc/rc.local: No such file",
    );
    host.ok("zoneadm", &["-z", "z", "halt"]);
    read_until(&mut output, &mut seen, "[NOTICE: Zone halted]");
    keys.write_all(b"\r~.").unwrap();
    read_until(
        &mut output,
        &mut seen,
        "[Connection to zone 'z' console closed]",
    );
    assert!(first.wait().unwrap().success());
    let log = std::fs::read_to_string(host.path().join("var/log/zones/z/console.log")).unwrap();
    assert!(log.contains("23con"));
}

fn read_until(stream: &mut impl Read, seen: &mut String, text: &str) {
    let mut bytes = [0; 1024];
    while !seen.contains(text) {
        let count = stream.read(&mut bytes).unwrap();
        assert!(
            count > 0,
            "the console ended before {text:?}; it said {seen:?}"
        );
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
}

#[test]
fn a_halt_ends_sessions() {
    let host = host_or_skip!("a_halt_ends_sessions");
    running(&host);
    let mut command = host.command("zlogin", &["z", "echo here; sleep 1000"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 5];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut line)
        .unwrap();
    host.ok("zoneadm", &["-z", "z", "halt"]);
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn zonename_tells_where_it_is() {
    let host = host_or_skip!("zonename_tells_where_it_is");
    running(&host);
    assert_eq!(out(&host.run("zonename", &[])), "global\n");
    std::fs::copy(support::ZONES, host.zonepath("z").join("root/bin/zonename")).unwrap();
    assert_eq!(
        host.inside(
            "z",
            "zonename; zonename -t; echo x > /run/zone/name || echo denied"
        ),
        "z\nshared\ndenied\n"
    );
    let tools = host.zonepath("z").join("root/bin");
    std::os::unix::fs::symlink("zonename", tools.join("zoneadm")).unwrap();
    std::os::unix::fs::symlink("zonename", tools.join("zonecfg")).unwrap();
    assert!(
        host.inside("z", "zoneadm list -p")
            .contains(":z:running:/:")
    );
    refused(
        &host.run("zlogin", &["z", "zoneadm -z z boot"]),
        1,
        "zoneadm: must be in the global zone to boot a zone.",
    );
    refused(
        &host.run("zlogin", &["z", "zonecfg -z z info"]),
        1,
        "zonecfg can only be run from the global zone.",
    );
}
