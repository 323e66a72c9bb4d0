//! Catalogs: bytes, signatures, logs, and how a client follows a server.

use zones_ips::catalog::{
    Attrs, BASE, Catalog, CatalogTime, Change, DEPENDENCY, EntrySet, Log, Part, Refresh, SUMMARY,
    SignatureError, Signed, Why, Written, log_name, plan, seal, unseal,
};
use zones_ips::hash::{Algorithm, Digest};
use zones_ips::manifest::{Manifest, Unknown};
use zones_ips::p5i::{P5i, PublisherInfo};
use zones_ips::{Fmri, Version};

fn time(text: &str) -> CatalogTime {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

fn sealed(object: &str) -> Vec<u8> {
    seal(object).0
}

const OBJECT: &str = concat!(
    r#"{"test":{"app/foo":[{"signature-sha-1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","#,
    r#""version":"1.0,5.11-0.1:20261121T123715Z"},{"extra":{"a":[1,null],"b":"caf\u00e9 \ud83d\ude00"},"#,
    r#""version":"1.1,5.11-0.1:20261121T123716Z"}]}}"#,
);

#[test]
fn a_part_comes_back_byte_for_byte() {
    let bytes = sealed(OBJECT);
    assert!(bytes.ends_with(b"\"}}\n"));
    let (part, signature) = Part::parse(&bytes, Signed::Required).unwrap();
    assert_eq!(part.to_bytes(), (bytes, signature.unwrap()));
    assert_eq!(part.counts(), (1, 2));
    let (fmri, entry) = part.iter().next().unwrap();
    assert_eq!(
        fmri.to_string(),
        "pkg://test/app/foo@1.0,5.11-0.1:20261121T123715Z"
    );
    assert_eq!(
        entry.manifest_digest(),
        Some(Digest::of(Algorithm::Sha1, b""))
    );
    let plain = part.to_unsigned();
    assert_eq!(plain, format!("{OBJECT}\n").as_bytes());
    assert_eq!(Part::parse(&plain, Signed::Optional).unwrap(), (part, None));
    assert!(Part::parse(&plain, Signed::Required).is_err());
}

#[test]
fn signatures_cover_every_byte() {
    let empty = Digest::of(Algorithm::Sha1, b"{}\n");
    let expected = format!("{{\"_SIGNATURE\":{{\"sha-1\":\"{empty}\"}}}}\n");
    assert_eq!(sealed("{}"), expected.as_bytes());
    assert_eq!(unseal(expected.as_bytes()), Ok(empty));
    let good = sealed(OBJECT);
    for at in 0..good.len() - 1 {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(unseal(&bad).is_err(), "byte {at}");
    }
    assert_eq!(unseal(b""), Err(SignatureError::Missing));
    assert_eq!(unseal(b"\"}}"), Err(SignatureError::Missing));
}

#[test]
fn what_is_no_part_is_refused() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    let bad = [
        "[]",
        &deep,
        r#"{"test":[]}"#,
        r#"{"../x":{}}"#,
        r#"{"test":{"../../etc":[]}}"#,
        r#"{"test":{"a":[{}]}}"#,
        r#"{"test":{"a":[{"version":"1."}]}}"#,
        r#"{"test":{"a":{}}}"#,
    ];
    for text in bad {
        assert!(
            Part::parse(&sealed(text), Signed::Required).is_err(),
            "{text}"
        );
    }
    let ignored = sealed(r#"{"_FEATURE":["utf8"],"test":{}}"#);
    assert!(Part::parse(&ignored, Signed::Required).is_ok());
}

const ATTRS: &str = concat!(
    r#"{"created":"20261121T123635.900604Z","last-modified":"20261121T123715.447749Z","#,
    r#""package-count":1,"package-version-count":1,"parts":{"catalog.base.C":{"#,
    r#""last-modified":"20261121T123715.447749Z","#,
    r#""signature-sha-1":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}},"#,
    r#""updates":{"update.20261121T12Z.C":{"last-modified":"20261121T123715.447749Z","#,
    r#""signature-sha-1":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}},"version":1}"#,
);

#[test]
fn attrs_come_back_byte_for_byte() {
    let bytes = sealed(ATTRS);
    let attrs = Attrs::parse(&bytes, Signed::Required).unwrap();
    assert_eq!(attrs.to_bytes(), bytes);
    let (name, log) = attrs.updates.iter().next().unwrap();
    assert_eq!(*name, log_name(log.modified));
    for (good, bad) in [
        ("catalog.base.C", "catalog.../x"),
        (r#""version":1"#, r#""version":2"#),
    ] {
        let bytes = sealed(&ATTRS.replace(good, bad));
        assert!(Attrs::parse(&bytes, Signed::Required).is_err(), "{bad}");
    }
}

#[test]
fn times_come_back() {
    for text in [
        "20261121T123715.447749Z",
        "20261121T123715Z",
        "20261121T123715.000001Z",
    ] {
        assert_eq!(time(text).to_string(), text);
        assert_eq!(
            CatalogTime::from_unix_micros(time(text).unix_micros()),
            Some(time(text))
        );
    }
    assert!(time("20261121T123715Z").next() > time("20261121T123715Z"));
    for bad in ["20261121T123715.4Z", "20261121T123715.+12345Z", "2026", ""] {
        assert!(bad.parse::<CatalogTime>().is_err(), "{bad}");
    }
}

const MANIFEST: &str = "\
set name=pkg.fmri value=pkg://test/app/foo@1.0,5.11:20261121T123715Z
set name=pkg.summary value=\"caf\u{e9}\"
set name=variant.arch value=i386
depend fmri=b type=require
dir group=sys mode=0755 owner=root path=etc
";

fn add(text: &str, version: &str) -> Change {
    let manifest = Manifest::parse(text, Unknown::Refused).expect("a right manifest");
    let fmri: Fmri = manifest.fmri().expect("a right manifest");
    let version: Version = version.parse().expect("a right manifest");
    let set = EntrySet::of(&version, &manifest, &manifest.digest());
    Change::Add(
        fmri.publisher().expect("a right manifest").clone(),
        fmri.stem().clone(),
        Box::new(set),
    )
}

fn attrs(written: &Written) -> Attrs {
    Attrs::parse(&written.attrs, Signed::Required).expect("a right manifest")
}

fn file<'a>(written: &'a Written, name: &str) -> &'a [u8] {
    let found = written.files.iter().find(|(known, _)| known == name);
    &found.unwrap_or_else(|| panic!("no {name}")).1
}

#[test]
fn entries_hold_what_solvers_and_people_need() {
    let Change::Add(_, _, set) = add(MANIFEST, "1.0") else {
        panic!("not added");
    };
    let dependency: Vec<_> = set.dependency.as_ref().unwrap().actions().collect();
    assert_eq!(
        dependency,
        [
            "set name=variant.arch value=i386",
            "depend fmri=b type=require"
        ]
    );
    let summary: Vec<_> = set.summary.as_ref().unwrap().actions().collect();
    assert_eq!(summary, ["set name=pkg.summary value=caf\u{e9}"]);
    let digest = Digest::of(Algorithm::Sha1, MANIFEST.replace('"', "").as_bytes());
    assert_eq!(set.base.manifest_digest(), Some(digest));
}

#[test]
fn a_client_follows_a_server_by_logs() {
    let mut server = Catalog::new(time("20261121T123635.900604Z"));
    let mut log = Log::default();
    let first = time("20261121T123715.447749Z");
    let second = time("20261121T124000.000005Z");
    server.apply(add(MANIFEST, "1.0"), first, &mut log);
    let old = server.write(Some((&log, first)));
    server.apply(add(MANIFEST, "1.1"), second, &mut log);
    let gone = add(MANIFEST, "1.0");
    let Change::Add(publisher, stem, set) = gone else {
        panic!("not added")
    };
    let removal = Change::Remove(publisher, stem, set.base.version().clone());
    server.apply(removal, second.next(), &mut log);
    let new = server.write(Some((&log, second.next())));

    let (old_attrs, new_attrs) = (attrs(&old), attrs(&new));
    let name = log_name(second);
    let parts = vec![BASE.to_owned(), DEPENDENCY.to_owned(), SUMMARY.to_owned()];
    let logs = Refresh::Logs {
        logs: vec![name.clone()],
        parts,
    };
    assert_eq!(plan(Some(&old_attrs), &new_attrs), logs);
    let (log, signature) = Log::parse(file(&new, &name), Signed::Required).unwrap();
    assert_eq!(signature, new_attrs.updates[&name].signature);
    assert_eq!(log.to_bytes().0, file(&new, &name));
    for (name, state) in &old_attrs.parts {
        let (mut part, _) = Part::parse(file(&old, name), Signed::Required).unwrap();
        log.apply(name, &mut part, state.modified);
        let (bytes, signature) = part.to_bytes();
        assert_eq!(bytes, file(&new, name), "{name}");
        assert_eq!(Some(signature), new_attrs.parts[name].signature);
    }
    assert_eq!((new_attrs.package_count, new_attrs.version_count), (1, 1));
}

#[test]
fn other_histories_are_fetched_whole() {
    let mut server = Catalog::new(time("20261121T123635.900604Z"));
    let mut log = Log::default();
    let first = time("20261121T123715.000001Z");
    server.apply(add(MANIFEST, "1.0"), first, &mut log);
    let old = attrs(&server.write(Some((&log, first))));
    assert_eq!(plan(None, &old), Refresh::Full(Why::First));
    assert_eq!(plan(Some(&old), &old), Refresh::Current);
    let mut other = old.clone();
    other.created = first;
    assert_eq!(plan(Some(&other), &old), Refresh::Full(Why::Identity));
    let mut newer = old.clone();
    newer.modified = first.next();
    assert_eq!(plan(Some(&newer), &old), Refresh::Full(Why::Obsolete));
    let mut less = old.clone();
    less.parts.remove(SUMMARY);
    assert_eq!(plan(Some(&less), &old), Refresh::Full(Why::Parts));
    let mut unlogged = old.clone();
    unlogged.updates.clear();
    let part = unlogged.parts.get_mut(BASE).unwrap();
    part.modified = first.next();
    assert_eq!(
        plan(Some(&old), &unlogged),
        Refresh::Parts(vec![BASE.to_owned()])
    );
}

#[test]
fn a_part_without_actions_is_not_there() {
    let mut catalog = Catalog::new(time("20261121T123635.900604Z"));
    let text = "set name=pkg.fmri value=pkg://test/a@1\n";
    catalog.apply(
        add(text, "1"),
        time("20261121T123715.000001Z"),
        &mut Log::default(),
    );
    let written = catalog.write(None);
    assert_eq!(attrs(&written).parts.keys().collect::<Vec<_>>(), [BASE]);
}

#[test]
fn origins_are_merged() {
    let part = |version: &str| {
        let object = format!(r#"{{"test":{{"a":[{{"version":"{version}"}}]}}}}"#);
        Part::parse(&sealed(&object), Signed::Required).unwrap().0
    };
    let mut merged = part("2");
    merged.merge(&part("1"));
    merged.merge(&part("2"));
    let versions: Vec<_> = merged.iter().map(|(fmri, _)| fmri.short()).collect();
    assert_eq!(versions, ["a@1", "a@2"]);
}

#[test]
fn p5i_files_come_back() {
    let publisher = PublisherInfo {
        name: "test".into(),
        ..PublisherInfo::default()
    };
    let file = P5i::new(vec![publisher], vec!["app/foo".into()]);
    let text = "{\n  \"packages\": [\n    \"app/foo\"\n  ],\n  \"publishers\": [\n    {\n      \
                \"alias\": null,\n      \"name\": \"test\",\n      \"packages\": [],\n      \
                \"repositories\": []\n    }\n  ],\n  \"version\": 1\n}\n";
    assert_eq!(file.to_text(), text);
    assert_eq!(P5i::parse(text.as_bytes()).unwrap(), file);
    assert_eq!(
        P5i::parse(b"{}").unwrap_err().to_string(),
        "missing version"
    );
    assert_eq!(
        P5i::parse(b"{\"version\":2}").unwrap_err().to_string(),
        "invalid version"
    );
    assert!(P5i::parse(b"{\"version\":1,\"publishers\":[{\"name\":\"a\",\"new\":1}]}").is_ok());
}
