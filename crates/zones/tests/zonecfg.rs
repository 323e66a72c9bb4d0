//! zonecfg as its users call it: the field guide's session, files, exit codes.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

mod support;

use std::io::Write;
use std::process::Stdio;

use support::{Host, err, out, refused};

/// A host for configurations only: any user has one.
fn host() -> Host {
    Host::new()
}

/// zonecfg, with this on its standard input.
fn typed(host: &Host, zone: &str, text: &str) -> std::process::Output {
    let mut child = host
        .command("zonecfg", &["-z", zone])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn file(host: &Host, name: &str, text: &str) -> String {
    let path = host.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn index(host: &Host) -> String {
    std::fs::read_to_string(host.path().join("etc/zones/index")).unwrap_or_default()
}

const DONUTSHOP: &str = "create
set zonepath=/zones/donutshop
add net
set physical=e1000g0
set address=192.0.2.17
end
add capped-cpu
set ncpus=1.5
end
verify
commit
exit
";

#[test]
fn the_field_guides_zone_is_configured_line_by_line() {
    let host = host();
    let output = typed(&host, "donutshop", DONUTSHOP);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    // The classic greeting of a name that is new.
    let said = out(&output) + &err(&output);
    assert!(
        said.contains("donutshop: No such zone configured"),
        "{said}"
    );
    assert!(
        said.contains("Use 'create' to begin configuring a new zone."),
        "{said}"
    );
    let info = host.ok("zonecfg", &["-z", "donutshop", "info"]);
    for line in [
        "zonename: donutshop",
        "zonepath: /zones/donutshop",
        "autoboot: false",
        "ip-type: shared",
        "net:",
        "\taddress: 192.0.2.17",
        "\tphysical: e1000g0",
        "capped-cpu:",
        "\t[ncpus: 1.50]",
    ] {
        assert!(
            info.lines().any(|found| found.trim_end() == line),
            "`{line}` is not in\n{info}"
        );
    }
    assert!(index(&host).contains("donutshop:configured:/zones/donutshop:"));
    let one = host.ok("zonecfg", &["-z", "donutshop", "info zonepath"]);
    assert_eq!(one, "zonepath: /zones/donutshop\n");
}

#[test]
fn the_exit_status_tells_done_failed_or_wrong_usage() {
    let host = host();
    let status = |args: &[&str]| host.run("zonecfg", args).status.code();
    assert_eq!(
        status(&["-z", "a", "create -b; set brand=lx; set zonepath=/z/a"]),
        Some(0)
    );
    assert_eq!(status(&["-z", "a", "info"]), Some(0));
    for wrong in [
        &["-z", "a", "set autoboot=perhaps"][..],
        &["-z", "a", "set nothing=1"],
        &["-z", "a", "bogus"],
        &["-z", "a", "add net; set physical=x"],
        &["-z", "nosuch", "info"],
        &["-z", "a", "-f", "/nonexistent"],
        &["-z", "SYSx", "info"],
        &["-z", "a", "select net physical=none"],
    ] {
        assert_eq!(status(wrong), Some(1), "{wrong:?}");
        assert!(
            !err(&host.run("zonecfg", wrong)).is_empty(),
            "{wrong:?} is silent"
        );
    }
    for usage in [
        &[][..],
        &["info"],
        &["-z"],
        &["-q", "-z", "a", "info"],
        &["-z", "a/b", "info"],
        &["-z", "-x", "info"],
        &["-z", "a", "-f", "file", "info"],
    ] {
        // Without -R, so that an empty line is one.
        let output = std::process::Command::new(support::ZONES)
            .arg("zonecfg")
            .args(usage)
            .env("ZONES_ROOT", host.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{usage:?} {}", err(&output));
    }
    // Nothing of what failed was kept.
    let info = host.ok("zonecfg", &["-z", "a", "export"]);
    assert!(
        !info.contains("add net") && info.contains("set autoboot=false"),
        "{info}"
    );
}

#[test]
fn a_file_is_taken_whole_or_not_at_all() {
    let host = host();
    let good = file(
        &host,
        "good.cfg",
        "# a comment\ncreate -b\nset brand=lx\nset zonepath=/z/a\n",
    );
    host.ok("zonecfg", &["-z", "a", "-f", &good]);
    let before = host.ok("zonecfg", &["-z", "a", "export"]);
    for (name, text, line) in [
        (
            "syntax",
            "set autoboot=true\nset bootargs=x\nfrobnicate\n",
            "3",
        ),
        (
            "value",
            "set autoboot=true\nset ip-type=both\nset bootargs=x\n",
            "2",
        ),
        (
            "unfinished",
            "set autoboot=true\nadd net\nset physical=x\n",
            "",
        ),
        (
            "commit",
            "set autoboot=true\nset zonepath=relative\ncommit\n",
            "2",
        ),
    ] {
        let path = file(&host, name, text);
        let output = host.run("zonecfg", &["-z", "a", "-f", &path]);
        refused(&output, 1, line);
        assert_eq!(host.ok("zonecfg", &["-z", "a", "export"]), before, "{name}");
    }
    // A new zone by a bad file is no zone.
    let bad = file(
        &host,
        "bad.cfg",
        "create -b\nset brand=lx\nset zonepath=/z/b\nset nothing=1\n",
    );
    refused(&host.run("zonecfg", &["-z", "b", "-f", &bad]), 1, "4");
    assert!(!index(&host).contains("b:"), "{}", index(&host));
    assert!(!host.path().join("etc/zones/b.xml").exists());
    let folder = host.path().to_str().unwrap().to_owned();
    refused(
        &host.run("zonecfg", &["-z", "a", "-f", &folder]),
        1,
        "is not a regular file.",
    );
}

/// A zone with one of nearly everything.
const FULL: &str = r#"create -b
set brand=lx
set zonepath=/z/full
set autoboot=true
set bootargs="-m verbose"
set ip-type=shared
set max-lwps=1000
set cpu-shares=20
set limitpriv=default,net_rawaccess
set hostid=80f0c086
add fs
set dir=/opt/with blank
set special=/export/a
set type=lofs
add options [ro,nodevices]
end
add net
set physical=br0
set address=192.0.2.5/24
set defrouter=192.0.2.1
end
add device
set match=/dev/fuse
end
add rctl
set name=zone.max-msg-ids
add value (priv=privileged,limit=128,action=deny)
end
add attr
set name=comment
set type=string
set value="it's [quoted], with; signs #1"
end
add capped-memory
set physical=512m
end
add capped-cpu
set ncpus=0.5
end
"#;

#[test]
fn an_export_makes_the_same_zone_again() {
    let host = host();
    // A value with blanks must be quoted; that line says so.
    let text = FULL.replace("dir=/opt/with blank", "dir=\"/opt/with blank\"");
    let path = file(&host, "full.cfg", &text);
    host.ok("zonecfg", &["-z", "full", "-f", &path]);
    let exported = host.ok("zonecfg", &["-z", "full", "export"]);
    let info = host.ok("zonecfg", &["-z", "full", "info"]);
    // By file, by standard input, and by `export -f`.
    let again = host.path().join("again.cfg");
    host.ok(
        "zonecfg",
        &["-z", "full", &format!("export -f {}", again.display())],
    );
    assert_eq!(std::fs::read_to_string(&again).unwrap(), exported);
    host.ok("zonecfg", &["-z", "full", "delete -F"]);
    host.ok("zonecfg", &["-z", "full", "-f", again.to_str().unwrap()]);
    assert_eq!(host.ok("zonecfg", &["-z", "full", "export"]), exported);
    assert_eq!(host.ok("zonecfg", &["-z", "full", "info"]), info);
    host.ok("zonecfg", &["-z", "full", "delete -F"]);
    let output = typed(&host, "full", &exported);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(host.ok("zonecfg", &["-z", "full", "export"]), exported);
}

#[test]
fn a_template_is_copied_but_for_its_place() {
    let host = host();
    let text = FULL.replace("dir=/opt/with blank", "dir=\"/opt/with blank\"");
    let path = file(&host, "full.cfg", &text);
    host.ok("zonecfg", &["-z", "full", "-f", &path]);
    host.ok(
        "zonecfg",
        &["-z", "copy", "create -t full; set zonepath=/z/copy"],
    );
    let source = host.ok("zonecfg", &["-z", "full", "export"]);
    assert_eq!(
        host.ok("zonecfg", &["-z", "copy", "export"]),
        source.replace("/z/full", "/z/copy")
    );
    // Two zones cannot live in one place.
    let output = host.run("zonecfg", &["-z", "third", "create -t full"]);
    if output.status.success() {
        let verify = host.run("zonecfg", &["-z", "third", "verify"]);
        println!("verify says: {}{}", out(&verify), err(&verify));
    }
    refused(
        &host.run("zonecfg", &["-z", "x", "create -t nosuch"]),
        1,
        "nosuch",
    );
    for template in ["SYSblank", "SYSdefault", "SYSlx", "SYSdebian"] {
        host.ok(
            "zonecfg",
            &[
                "-z",
                "t",
                &format!("create -F -t {template}; set brand=lx; set zonepath=/z/t"),
            ],
        );
    }
}

#[test]
fn json_says_what_info_says() {
    let host = host();
    let text = FULL.replace("dir=/opt/with blank", "dir=\"/opt/with blank\"");
    let path = file(&host, "full.cfg", &text);
    host.ok("zonecfg", &["-z", "full", "-f", &path]);
    let text = host.ok("zonecfg", &["-z", "full", "info -o json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let flat = json.to_string();
    for part in [
        "\"full\"",
        "\"/z/full\"",
        "192.0.2.5/24",
        "/opt/with blank",
        "it's [quoted], with; signs #1",
    ] {
        assert!(flat.contains(part), "{part} is not in {flat}");
    }
}

#[test]
fn rename_and_delete_follow_the_state() {
    let host = host_or_skip!("rename_and_delete_follow_the_state");
    host.configure("a", "");
    host.ok("zonecfg", &["-z", "a", "set zonename=b"]);
    refused(
        &host.run("zonecfg", &["-z", "a", "info"]),
        1,
        "a: No such zone configured",
    );
    assert_eq!(host.state("b"), "configured");
    assert!(!host.path().join("etc/zones/a.xml").exists());
    host.configure("c", "");
    let taken = host.run("zonecfg", &["-z", "b", "set zonename=c"]);
    assert_eq!(taken.status.code(), Some(1), "{}", err(&taken));
    // Without -F somebody must be there to be asked.
    let asked = host.run("zonecfg", &["-z", "c", "delete"]);
    assert_eq!(asked.status.code(), Some(1), "{}", err(&asked));
    assert_eq!(host.state("c"), "configured");
    host.ok("zonecfg", &["-z", "c", "delete -F"]);

    host.install("z", "");
    let refusals = |state: &str| {
        assert_eq!(host.state("z"), state);
        for command in ["set zonepath=/elsewhere", "set brand=debian"] {
            let output = host.run("zonecfg", &["-z", "z", command]);
            assert_eq!(output.status.code(), Some(1), "{state}: {command} worked");
            assert!(!err(&output).is_empty());
        }
        assert_eq!(host.state("z"), state);
    };
    refusals("installed");
    refused(
        &host.run("zonecfg", &["-z", "z", "delete"]),
        1,
        "Zone z not in configured state; delete not allowed.  Use -F to force delete.",
    );
    host.ok("zoneadm", &["-z", "z", "boot"]);
    refusals("running");
    refused(
        &host.run("zonecfg", &["-z", "z", "delete -F"]),
        1,
        "z: Zone state is invalid for the requested operation",
    );
    let rename = host.run("zonecfg", &["-z", "z", "set zonename=other"]);
    assert_eq!(
        rename.status.code(),
        Some(1),
        "a running zone keeps its name"
    );
    // What holds from the next boot on may be changed at any time.
    host.ok("zonecfg", &["-z", "z", "set autoboot=true"]);
    host.ok("zoneadm", &["-z", "z", "halt"]);
    // The administrator insists: the configuration goes, the files stay.
    host.ok("zonecfg", &["-z", "z", "delete -F"]);
    assert!(host.zonepath("z").join("root/etc/passwd").exists());
    assert!(!index(&host).contains("z:"));
    assert_eq!(host.leftovers(), Vec::<String>::new());
}

#[test]
fn a_quarter_million_attributes_are_read_and_kept() {
    let host = host();
    let count = 1 << 18;
    let mut text = String::from("create -b\nset brand=lx\nset zonepath=/z/many\n");
    for n in 0..count {
        text += &format!("add attr; set name=a{n}; set type=uint; set value={n}; end\n");
    }
    let path = file(&host, "many.cfg", &text);
    host.ok("zonecfg", &["-z", "many", "-f", &path]);
    let exported = host.ok("zonecfg", &["-z", "many", "export"]);
    assert_eq!(exported.matches("add attr").count(), count);
    let last = host.ok(
        "zonecfg",
        &["-z", "many", &format!("info attr name=a{}", count - 1)],
    );
    assert!(last.contains(&format!("value: {}", count - 1)), "{last}");
    // One name twice is an error, in a long list, too.
    let twice = "add attr; set name=a7; set type=uint; set value=1; end";
    assert_eq!(
        host.run("zonecfg", &["-z", "many", twice]).status.code(),
        Some(1)
    );
}

#[test]
fn each_malformed_file_has_one_error_with_its_place_and_changes_nothing() {
    let host = host();
    let good = "create -b; set brand=lx; set zonepath=/z/a; set autoboot=true";
    host.ok("zonecfg", &["-z", "a", good]);
    let before = host.ok("zonecfg", &["-z", "a", "export"]);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../zones-config/tests/data");
    let expected = std::fs::read_to_string(format!("{folder}/malformed.out")).unwrap();
    let lines: Vec<&str> = expected.lines().collect();
    let mut count = 0;
    for pair in lines.chunks_exact(2) {
        let text = pair[0].replace("\\n", "\n").replace("\\t", "\t");
        // What stands before the mistake is good, and is not kept for all that.
        let path = file(&host, "bad.cfg", &format!("set autoboot=false\n{text}\n"));
        let output = host.run("zonecfg", &["-z", "a", "-f", &path]);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(1), "{text}: {said}");
        let (line, rest) = pair[1].trim().split_once(", ").unwrap();
        let line: usize = line.strip_prefix("line ").unwrap().parse().unwrap();
        let (column, rest) = rest.split_once(", at ").unwrap();
        let message = rest.rsplit_once("': ").unwrap().1;
        let wanted = format!("zonecfg: {path}: line {}, {column}: {message}", line + 1);
        assert!(
            said.lines().any(|found| found == wanted),
            "{wanted}\nis not in\n{said}"
        );
        assert_eq!(said.matches("syntax error on line").count(), 1, "{said}");
        assert_eq!(host.ok("zonecfg", &["-z", "a", "export"]), before, "{text}");
        count += 1;
    }
    assert!(count >= 40, "only {count} files");
}

#[test]
fn a_uuid_is_of_one_zone_and_stays_with_it() {
    let host = host();
    let uuid = "3F2A0000-0000-4000-8000-00000000000A";
    let low = uuid.to_ascii_lowercase();
    let make = |zone: &str, more: &str| {
        let text = format!("create -b; set brand=lx; set zonepath=/z/{zone}; {more}");
        host.run("zonecfg", &["-z", zone, &text])
    };
    let set = format!("set uuid={uuid}");
    assert!(make("a", &set).status.success());
    assert_eq!(
        host.ok("zonecfg", &["-z", "a", "info uuid"]),
        format!("uuid: {low}\n")
    );
    assert!(
        host.ok("zonecfg", &["-z", "a", "info"])
            .contains(&format!("\nuuid: {low}\n"))
    );
    assert!(index(&host).contains(&format!("a:configured:/z/a:{low}")));
    refused(
        &make("b", &set),
        1,
        &format!("b: uuid {low} is that of zone a"),
    );
    refused(
        &make("c", "set uuid=12"),
        1,
        "illegal UUID value specified: 12",
    );
    refused(
        &host.run("zonecfg", &["-z", "a", "clear uuid"]),
        1,
        "not allowed",
    );
    // A copy is another zone; the same one under another name is not.
    let exported = host.ok("zonecfg", &["-z", "a", "export"]);
    assert!(!exported.contains("uuid"), "{exported}");
    host.ok("zonecfg", &["-z", "d", "create -t a; set zonepath=/z/d"]);
    assert_eq!(host.ok("zonecfg", &["-z", "d", "info uuid"]), "uuid: \n");
    host.ok("zonecfg", &["-z", "a", "set zonename=e"]);
    assert_eq!(
        host.ok("zonecfg", &["-u", &low, "info zonename"]),
        "zonename: e\n"
    );
}

#[test]
fn a_document_without_an_entry_is_registered_again() {
    let host = host();
    let make = "create -b; set brand=lx; set zonepath=/z/a; set max-lwps=1234";
    host.ok("zonecfg", &["-z", "a", make]);
    let exported = host.ok("zonecfg", &["-z", "a", "export"]);
    refused(
        &host.run("zonecfg", &["-z", "a", "create -X"]),
        1,
        "a: No such zone configured",
    );
    std::fs::remove_file(host.path().join("etc/zones/index")).unwrap();
    refused(
        &host.run("zonecfg", &["-z", "a", "info"]),
        1,
        "a: No such zone configured",
    );
    host.ok("zonecfg", &["-z", "a", "create -X"]);
    assert_eq!(host.ok("zonecfg", &["-z", "a", "export"]), exported);
    refused(
        &host.run("zonecfg", &["-z", "b", "create -X"]),
        1,
        "b: No such zone configured",
    );
    refused(
        &host.run("zonecfg", &["-z", "b", "create -X -b"]),
        1,
        "this option does not go",
    );
}

#[test]
fn an_automatic_network_has_defaults_and_rules() {
    let host = host();
    let make = "create -b; set brand=lx; set zonepath=/z/a; set ip-type=exclusive";
    host.ok("zonecfg", &["-z", "a", make]);
    host.ok(
        "zonecfg",
        &["-z", "a", "add anet; end; add anet; set vlan-id=7; end"],
    );
    let info = host.ok("zonecfg", &["-z", "a", "info anet linkname=net1"]);
    assert_eq!(
        info,
        "anet:\n\tlinkname: net1\n\tlower-link: auto\n\tallowed-address not specified\n\
         \tconfigure-allowed-address: true\n\tdefrouter not specified\n\
         \tlink-protection not specified\n\tmac-address: auto\n\tvlan-id: 7\n\
         \tmtu not specified\n\tmaxbw not specified\n\tbwshare not specified\n"
    );
    for (command, words) in [
        (
            "add anet; set linkname=net0; end",
            "An anet resource with the linkname 'net0' already",
        ),
        (
            "add net; set physical=net0; end",
            "anet: A net resource with the physical 'net0'",
        ),
        (
            "add anet; set defrouter=192.0.2.1; end",
            "anet: defrouter for net2 cannot be",
        ),
        (
            "set ip-type=shared",
            "anet: cannot be specified for a shared IP type",
        ),
        (
            "add anet; set mac-address=01:0:0:0:0:0; end",
            "invalid MAC address",
        ),
        ("add anet; set mtu=9; end", "mtu property is out of range"),
        (
            "add anet; set vlan-id=5000; end",
            "vlan-id property is out of range",
        ),
        ("add anet; set maxbw=fast; end", "invalid maxbw: fast"),
        (
            "add anet; set bwshare=101; end",
            "bwshare property is out of range",
        ),
        (
            "add anet; set link-protection=none; end",
            "'none' is not a valid link-protection",
        ),
        (
            "add anet; set allowed-address=192.0.2.1,x/99; end",
            "prefix lengths must be 0 - 32",
        ),
        (
            "add anet; set configure-allowed-address=1; end",
            "true or false",
        ),
    ] {
        refused(&host.run("zonecfg", &["-z", "a", command]), 1, words);
    }
    let exported = host.ok("zonecfg", &["-z", "a", "export"]);
    let output = typed(&host, "b", &exported.replace("/z/a", "/z/b"));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let again = host.ok("zonecfg", &["-z", "b", "export"]);
    assert_eq!(again, exported.replace("/z/a", "/z/b"));
}

#[test]
fn long_lists_are_linear_in_every_phase() {
    let host = host();
    let count = 1 << 17;
    let options: Vec<String> = (0..count).map(|n| format!("o{n}")).collect();
    let text = format!(
        "create -b\nset brand=lx\nset zonepath=/z/a\nadd fs\nset dir=/x\nset special=/x\n\
         set type=lofs\nset options=[{0}]\nadd options [{0}]\nend\n",
        options.join(",")
    );
    let path = file(&host, "long.cfg", &text);
    host.ok("zonecfg", &["-z", "a", "-f", &path]);
    let exported = host.ok("zonecfg", &["-z", "a", "export"]);
    assert_eq!(exported.matches("add options").count(), count, "each once");
    let remove = format!(
        "select fs dir=/x\nremove options [{}]\nend\n",
        options[1..].join(",")
    );
    let path = file(&host, "remove.cfg", &remove);
    host.ok("zonecfg", &["-z", "a", "-f", &path]);
    let info = host.ok("zonecfg", &["-z", "a", "info fs"]);
    assert!(info.contains("options: [o0]\n"));
    let json = host.ok("zonecfg", &["-z", "a", "info -o json fs"]);
    assert!(json.contains("\"o0\""), "{json}");
}
