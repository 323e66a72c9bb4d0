//! `info`, `export` and JSON of one configuration that has everything, byte for byte.
#![allow(clippy::unwrap_used)]

mod harness;

use harness::Host;
use zones_config::session::{Input, Mode, Session};
use zones_config::{ZoneConfig, export, info, json, parse, verify};

fn full() -> ZoneConfig {
    let text = include_str!("data/full.zcfg");
    let host = Host::default();
    let mode = Mode {
        input: Input::Arguments,
        can_ask: false,
        read_only: false,
        alternate_root: false,
        live: false,
    };
    let (mut session, _) = Session::begin("z1".parse().unwrap(), mode, &host);
    for statement in parse(text) {
        let reply = session.run(&statement.unwrap());
        assert_eq!(reply.lines, vec![]);
    }
    session.config().unwrap().clone()
}

fn pinned(name: &str, got: &str) {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    assert_eq!(got, std::fs::read_to_string(&path).unwrap());
}

#[test]
fn info_export_and_json_are_pinned() {
    let config = full();
    pinned("full.info", &info(&config));
    pinned("full.export", &export(&config));
    pinned("full.json", &format!("{:#}\n", json(&config)));
}

#[test]
fn everything_wrong_is_found_in_order() {
    let mut config = full();
    config.zonepath = None;
    config.brand = "none".parse().ok();
    config.limitpriv = "default,bogus".into();
    config.hostid = "xyz".into();
    config.scheduling_class = "FX".into();
    config.filesystems.push(config.filesystems[0].clone());
    config.nets[0].address = "192.0.2.1".into();
    config.nets[0].physical.clear();
    config.attrs[0].name = "-x".into();
    config.datasets[0].name = "/x".into();
    config.admins[0].auths = "fly".into();
    config.security_flags.as_mut().unwrap().upper = "none".into();
    let report = verify(&config, &|brand| brand == "lipkg");
    let lines: Vec<_> = report.errors.iter().chain(&report.warnings).collect();
    let text: Vec<_> = lines.iter().map(|line| format!("{line}\n")).collect();
    let reason = report.reason.unwrap();
    pinned("wrong.verify", &format!("{}{reason}\n", text.concat()));
}
