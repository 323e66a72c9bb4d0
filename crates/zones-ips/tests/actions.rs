//! Actions: what programs of pkg(7) were seen to read and write, and that both are inverse.

use proptest::prelude::*;
use zones_ips::action::{Action, ActionError, Overlay};
use zones_ips::manifest::{Manifest, Unknown};
use zones_ips::preserve::Preserve;
use zones_ips::{ActionKind, Algorithm, Digest};

/// Line, and what it is printed as.
const READ: [(&str, &str); 17] = [
    (r#"set name=x value="a" 'b'"#, "set name=x value=ab"),
    (r#"set name=x value="a""b""#, "set name=x value=ab"),
    (r#"set name=x value="a\"b""#, r#"set name=x value='a"b'"#),
    (r#"set name=x value="a\\b""#, r"set name=x value=a\b"),
    (r#"set name=x value="a\nb""#, r"set name=x value=a\nb"),
    (r#"set name=x value="""#, r#"set name=x value="""#),
    ("set foo=bar", "set name=foo value=bar"),
    (
        "file abc path=/etc/x mode=0644 owner=root group=root",
        "file abc group=root mode=0644 owner=root path=etc/x",
    ),
    ("file hash=a=b path=x", "file hash=a=b path=x"),
    ("file hash=abc path=x", "file abc path=x"),
    (
        r#"license NOHASH license="a b""#,
        r#"license NOHASH license="a b""#,
    ),
    ("dir\tmode=0o755  path=//a", "dir mode=0755 path=a"),
    (
        "driver name=x alias=b alias=a",
        "driver alias=b alias=a name=x",
    ),
    (r#"set name=x value="it's""#, r#"set name=x value="it's""#),
    (r#"set name=x value='"'"'""#, r#"set name=x value="\"'""#),
    ("set name=x value=$(date)", r#"set name=x value="$(date)""#),
    ("unknown a=b", "unknown a=b"),
];

/// Line, and the message that refuses it.
const REFUSED: [(&str, &str); 19] = [
    (
        r"set name=x value=a\ b",
        "Malformed action at position: 21: missing value:",
    ),
    (
        "set name=x value=",
        "Malformed action at position: 17: missing value:",
    ),
    (
        r#"set name=x value="a"#,
        "Malformed action at position: 19: unfinished quoted value:",
    ),
    (
        r#"set na"me=x"#,
        "Malformed action at position: 6: quote in key:",
    ),
    ("set", "Malformed action at position: 3: no attributes:"),
    ("set ", "Malformed action at position: 4: no attributes:"),
    ("set =x", "Malformed action at position: 4: missing key:"),
    (
        "set a=b c d=e",
        "Malformed action at position: 9: whitespace in key:",
    ),
    (
        "set a= b=c",
        "Malformed action at position: 6: missing value:",
    ),
    (
        "set a=b\nset c=d",
        "Malformed action at position: 7: control character in action:",
    ),
    (
        "file path=/ mode=1",
        r#"invalid action, 'file mode=1 path=""': Empty or invalid path attribute"#,
    ),
    (
        "file abc hash=abd path=x",
        "invalid action, 'file abc hash=abd path=x': \
         hash attribute not identical to positional hash",
    ),
    (
        "dir abc path=x",
        "invalid action, 'dir abc path=x': action type doesn't allow payload",
    ),
    (
        "dir path=x data=y",
        "invalid action, 'dir data=y path=x': invalid key: 'data'",
    ),
    (
        "dir path=x hash=y",
        "invalid action, 'dir hash=y path=x': invalid key: 'hash'",
    ),
    (
        "dir path=etc path=x",
        "invalid action, 'dir path=etc path=x': path attribute may only be specified once",
    ),
    (
        "depend type=require",
        "invalid action, 'depend type=require': no value specified for key attribute 'fmri'",
    ),
    ("foo a=b", "unknown action type 'foo' in action 'foo a=b'"),
    (
        "dir mode=0755",
        "invalid action, 'dir mode=0755': no value specified for key attribute 'path'",
    ),
];

#[test]
fn lines_print_as_the_known_programs_print_them() {
    for (line, printed) in READ {
        let action: Action = line
            .parse()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(action.to_string(), printed);
        assert_eq!(printed.parse(), Ok(action), "{printed}");
    }
}

#[test]
fn what_is_wrong_is_said_as_the_known_programs_say_it() {
    for (line, message) in REFUSED {
        let error = line.parse::<Action>().expect_err(line).to_string();
        assert_eq!(error.lines().next(), Some(message), "{line}");
    }
    let error = "set name=é x".parse::<Action>().expect_err("a key alone");
    let lines = "missing value:\n    set name=é x\n                ^";
    assert!(error.to_string().ends_with(lines), "{error}");
}

#[test]
fn unknown_kinds_are_kept_on_request() {
    let line = "feature abc hash=x name=y";
    assert!(matches!(
        line.parse::<Action>(),
        Err(ActionError::UnknownKind { .. })
    ));
    let action = Action::parse_keeping(line).unwrap();
    assert_eq!(action.kind(), zones_ips::ActionKind::Unknown);
    assert_eq!(action.to_string(), line);
}

/// Text with everything that quoting must get right.
fn values() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        '"', '\'', '\\', ' ', '\t', '$', '(', '=', '\r', 'a', 'é',
    ]);
    prop::collection::vec(odd, 0..8).prop_map(|letters| letters.into_iter().collect())
}

fn actions() -> impl Strategy<Value = Action> {
    let kinds: Vec<_> = ActionKind::all().collect();
    let keys = prop::sample::select(vec![
        "a",
        "alias",
        "mode2",
        "variant.arch",
        "z.é",
        "hat",
        "i",
    ]);
    let pairs = prop::collection::vec((keys, values()), 0..6);
    let parts = (
        prop::sample::select(kinds),
        prop::option::of(values()),
        values(),
        pairs,
    );
    parts.prop_map(|(kind, payload, key, pairs)| {
        let payload = payload.filter(|_| kind.row().has_payload);
        let path = format!("p{key}");
        let mut all = vec![
            (kind.row().key.unwrap_or("key"), path.as_str()),
            ("value", "v"),
        ];
        if kind == ActionKind::Signature {
            all.pop();
        }
        all.extend(pairs.iter().map(|(key, value)| (*key, value.as_str())));
        Action::new(kind, payload.as_deref(), all).expect("a valid action")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn printing_and_parsing_are_inverse(action in actions()) {
        let line = action.to_string();
        prop_assert_eq!(line.parse(), Ok(action.clone()), "{}", line);
        // Also within a manifest, which trims lines and joins at backslashes.
        let manifest = Manifest::new(vec![action.clone(), action]);
        let text = manifest.to_string();
        prop_assert_eq!(Manifest::parse(&text, Unknown::Refused), Ok(manifest), "{}", text);
    }

    #[test]
    fn no_line_makes_the_reader_panic(line in "(set|file|dir|x) [a-c= \"'\\\\/é\n]{0,20}") {
        if let Ok(action) = Action::parse_keeping(&line) {
            prop_assert_eq!(Action::parse_keeping(&action.to_string()), Ok(action), "{}", line);
        }
    }
}

#[test]
fn attributes_have_types() {
    let read = |line: &str| {
        line.parse::<Action>()
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let file = read(
        "file da39a3ee5e6b4b0d3255bfef95601890afd80709 path=etc/a mode=04755 owner=root group=bin \
         preserve=renamenew overlay=allow original_name=a/b:etc/old timestamp=20261121T123715Z \
         pkg.size=3 reboot-needed=true restart_fmri=svc:/a restart_fmri=svc:/b",
    );
    assert_eq!(file.check(), Ok(()));
    assert_eq!(file.path().unwrap().as_str(), "etc/a");
    assert_eq!(file.mode(), Ok(0o4755));
    assert_eq!(file.preserve(), Ok(Some(Preserve::RenameNew)));
    assert_eq!(file.overlay(), Ok(Some(Overlay::Allowed)));
    assert_eq!(&*file.original_name().unwrap().unwrap().path, "etc/old");
    assert_eq!(
        file.timestamp().unwrap().unwrap().to_string(),
        "20261121T123715Z"
    );
    assert_eq!((file.size(), file.actuators().len()), (Some(3), 3));
    assert_eq!(
        file.payload_digest(),
        Some(Digest::of(Algorithm::Sha1, b""))
    );
    let elf = read("file a path=x preserve=true elfhash=1");
    assert_eq!(elf.preserve(), Ok(None));
}

#[test]
fn unpublishable_actions_are_refused() {
    let lines = [
        "dir path=a/../b mode=0755 owner=root group=root",
        "dir path=a//b mode=0755 owner=root group=root",
        "dir path=a owner=root group=root",
        "dir path=a mode=- owner=root group=root",
        "dir path=a mode=99 owner=root group=root",
        "dir path=a mode=0755 mode=0700 owner=root group=root",
        "file x path=a mode=0755 owner=root group=root preserve=maybe",
        "file x path=a mode=0755 owner=root group=root preserve-version=1",
        "file x path=a mode=0755 owner=root group=root overlay=allow",
        "file x path=a mode=0755 owner=root group=root original_name=a:../b",
        "link path=a",
        "depend type=wish fmri=a",
        "depend type=require fmri=a fmri=b",
        "depend type=require fmri=pkg://p/a",
        "depend type=conditional fmri=a",
    ];
    for line in lines {
        let action: Action = line.parse().unwrap_or_else(|error| panic!("{error}"));
        assert!(action.check().is_err(), "{line}");
    }
}

/// Far more than a test's time would allow, were it not linear.
const MANY: usize = 1 << 18;

#[test]
fn a_driver_with_all_its_aliases_comes_back() {
    let line = "driver".to_owned() + &" alias=pci10ec,8168".repeat(MANY) + " name=x";
    let driver: Action = line.parse().expect("a driver");
    assert_eq!(driver.values("alias").len(), MANY);
    assert_eq!(driver.get("name"), Some("x"));
    assert_eq!(driver.to_string(), line);
    // Out of order, and one attribute a line.
    let text = "driver name=x".to_owned() + &" \\\n alias=pci10ec,8168".repeat(MANY);
    let manifest = Manifest::parse(&text, Unknown::Refused).expect("one long action");
    assert_eq!(manifest.actions(), [driver]);
}

#[test]
fn many_equal_lines_come_back() {
    let text = "set name=x value=y\n".repeat(MANY);
    let manifest = Manifest::parse(&text, Unknown::Refused).expect("many lines");
    assert_eq!(manifest.actions().len(), MANY);
    assert_eq!(manifest.to_string(), text);
}
