//! Actions: what programs of pkg(7) were seen to read and write, and that both are inverse.

use zones_ips::action::{Action, ActionError};

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
