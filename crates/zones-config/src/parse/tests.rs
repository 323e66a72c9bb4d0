use super::*;
use crate::command::Element;

fn one(text: &str) -> Command<'_> {
    let mut parser = parse(text);
    let statement = parser.next().unwrap().unwrap();
    assert!(parser.next().is_none(), "{text}");
    statement.command
}

#[test]
fn statements_end_at_newlines_and_semicolons() {
    let text = "# comment\n\n  create -b; set autoboot=true\r\n;;\n\tend\r\n#x";
    let lines: Vec<_> = parse(text).map(|s| s.map(|s| s.line).unwrap()).collect();
    assert_eq!(lines, [3, 3, 5]);
}

#[test]
fn values_may_be_quoted_lists_and_pairs() {
    let set = |text| match one(text) {
        Command::Set { value, .. } => value,
        other => panic!("{other:?}"),
    };
    let text = |text: &'static str| Value::Text(Cow::Borrowed(text));
    assert_eq!(
        set("set bootargs=\"-m verbose; x=1\""),
        text("-m verbose; x=1")
    );
    assert_eq!(set("set bootargs = a,b"), text("a,b"));
    assert_eq!(set("set value=options"), text("options"));
    assert_eq!(set("set value=\"\""), text(""));
    assert_eq!(set("set value=\"say \"\"hi\"\"\""), text("say \"hi\""));
    assert_eq!(set("set options=[ro]"), text("ro"));
    assert_eq!(set("set options=[]"), Value::List(vec![]));
    let element = |text: &'static str| Element::Text(Cow::Borrowed(text));
    let list = Value::List(vec![element("ro"), element("a,b"), element("c")]);
    assert_eq!(set("set options=[ ro , \"a,b\",c ]"), list);
    let pairs = Value::Pairs(vec![
        ("priv", Cow::Borrowed("privileged")),
        ("limit", Cow::Borrowed("10")),
    ]);
    assert_eq!(set("set value=( priv = privileged, limit=10 )"), pairs);
}

#[test]
fn every_command_gives_its_help() {
    for row in VERBS {
        let text = format!("{} -?", row.name);
        assert_eq!(one(&text), Command::Help(Some(Cow::Borrowed(row.name))));
    }
    assert_eq!(one("?"), Command::Help(None));
}

#[test]
fn the_parser_goes_on_after_a_mistake() {
    let text = "bogus 1; end\nset x\ncommit";
    let results: Vec<_> = parse(text).collect();
    let good = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!((results.len(), good), (4, 2));
}

#[test]
fn any_text_is_survived() {
    let text = "add fs;set options=[a,\"b\"],(\n\"\r\nset value=(priv=a,limit=\"x\"\"\")ü\t-F";
    for start in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
        for end in (start..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            for diag in parse(&text[start..end]).filter_map(Result::err) {
                assert!(diag.line >= 1 && diag.column >= 1);
            }
        }
    }
}

#[test]
fn places_count_characters() {
    let place = |text: &str| {
        let diag = parse(text).find_map(Result::err).unwrap();
        (diag.line, diag.column)
    };
    assert_eq!(place("\u{e4}b"), (1, 1));
    assert_eq!(place("end\n\tset autobot=x"), (2, 6));
    assert_eq!(place("set bootargs=\u{e4}\u{e4}; bogus"), (1, 18));
    let all: Vec<_> = parse("a;b; c\n d").filter_map(Result::err).collect();
    let places: Vec<_> = all.iter().map(|diag| (diag.line, diag.column)).collect();
    assert_eq!(places, [(1, 1), (1, 3), (1, 6), (2, 2)]);
}

#[test]
fn long_lists_and_many_mistakes_take_linear_time() {
    let count = 1 << 17;
    let list: Vec<String> = (0..count).map(|n| format!("o{n}")).collect();
    let text = format!("set options=[{}]", list.join(","));
    let mut statements = parse(&text);
    let Some(Ok(Statement {
        command: Command::Set {
            value: Value::List(found),
            ..
        },
        ..
    })) = statements.next()
    else {
        panic!("no list");
    };
    assert_eq!(found.len(), count);
    // With a look at the whole text for each, these would be 2^34 steps and more.
    for separator in [";", "\n"] {
        let text = format!("end x{separator}").repeat(count);
        assert_eq!(parse(&text).filter(Result::is_err).count(), count);
    }
}
