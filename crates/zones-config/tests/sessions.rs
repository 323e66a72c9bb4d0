//! Whole sessions: `tests/sessions/NAME.zcfg` goes in, `NAME.out` must come out (`! ` marks
//! standard error). The first line says how: `# MODE ZONE`. `BLESS=1` rewrites the outputs.
#![allow(clippy::unwrap_used)]

mod harness;

use std::fs;
use std::path::Path;

use harness::{Host, transcript};
use zones_config::ZoneConfig;
use zones_config::session::Input;
use zones_types::ZoneState;

/// A host with one zone of each state that matters, made by hand.
fn host() -> Host {
    let host = Host::default();
    let states = [
        ("made", ZoneState::Configured),
        ("half", ZoneState::Incomplete),
        ("inst", ZoneState::Installed),
        ("up", ZoneState::Running),
    ];
    for (name, state) in states {
        let mut config = ZoneConfig::blank(name.parse().unwrap());
        config.zonepath = format!("/zones/{name}").parse().ok();
        config.brand = "debian".parse().ok();
        host.zones
            .borrow_mut()
            .insert(config.name.clone(), (state, config));
    }
    host
}

#[test]
fn sessions_print_what_their_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "zcfg") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let (head, body) = text.split_once('\n').unwrap();
        let [_, mode, zone] = head.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{}: the first line is no `# MODE ZONE`", path.display());
        };
        let input = match mode {
            "terminal" => Input::Terminal,
            "pipe" => Input::Pipe,
            "stdin" => Input::StdinFile,
            "file" => Input::File("z.cfg".to_owned()),
            "arguments" => Input::Arguments,
            other => panic!("{other}"),
        };
        let got = transcript(&host(), zone, &input, body);
        let expected = path.with_extension("out");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &got).unwrap();
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(got, wanted, "{}", path.display());
        count += 1;
    }
    assert!(count >= 10, "only {count} sessions were found");
}
