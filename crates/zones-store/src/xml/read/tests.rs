use super::*;
use crate::write_document;

/// As `zonecfg` of illumos writes it, with every kind of child.
const ILLUMOS: &str = include_str!("../../../tests/data/illumos.xml");
/// As SmartOS writes it.
const SMARTOS: &str = include_str!("../../../tests/data/smartos.xml");
/// As `zoneadm detach` writes it.
const DETACHED: &str = include_str!("../../../tests/data/detached.xml");

#[test]
fn documents_of_other_systems_are_read_and_written_back_whole() {
    for text in [ILLUMOS, SMARTOS, DETACHED] {
        let config = read_document(text).unwrap();
        assert_eq!(read_document(&write_document(&config)).unwrap(), config);
    }
    let config = read_document(ILLUMOS).unwrap();
    assert_eq!(config.filesystems[0].options, ["ro", "nodevices"]);
    assert_eq!(config.cpu_cap(), Some(150));
    assert_eq!(config.physical_memory, Some(Bytes(1 << 30)));
    assert_eq!(config.dedicated_cpu.unwrap().importance, Some(10));
    let config = read_document(SMARTOS).unwrap();
    assert_eq!(config.nets[0].properties[0].value, "9000");
    assert_eq!(config.nets[0].vlan_id, "12");
    let config = read_document(DETACHED).unwrap();
    assert_eq!(config.devices.len(), 1);
}

#[test]
fn the_written_form_is_the_classic_one() {
    let text = include_str!("../../../tests/data/reference.xml");
    assert_eq!(write_document(&read_document(text).unwrap()), text);
}

#[test]
fn special_characters_survive() {
    let mut config = ZoneConfig::blank("z".parse().unwrap());
    config.bootargs = "a\t<b> & \"c\" 'd' ü".to_owned();
    assert_eq!(read_document(&write_document(&config)).unwrap(), config);
}

#[test]
fn what_is_no_part_of_the_format_is_named_with_its_place() {
    let head = r#"<zone name="z" zonepath="/z" autoboot="false">"#;
    let cases = [
        ("", "line 1, column 1: Empty document"),
        (
            "<!-- only a comment -->",
            "line 1, column 1: Empty document",
        ),
        (
            "\n <host/>",
            "line 2, column 2: `host` where the one `zone` was expected",
        ),
        (
            "@\n  <bogus/></zone>",
            "line 2, column 3: unknown element `bogus`",
        ),
        (
            "@<attr name='a' value='b'/>",
            "line 1, column 47: `attr` lacks its attribute `type`",
        ),
        (
            "@<attr name='a' type='float' value='b'/>",
            "line 1, column 47: attribute `type` of `attr` cannot be `float`",
        ),
        (
            "@<dataset name='a' size='b'/>",
            "line 1, column 47: unknown attribute `size` of `dataset`",
        ),
        (
            "@words</zone>",
            "line 1, column 47: text outside of an attribute",
        ),
        (
            "@<device match='/dev/x'/>",
            "line 1, column 71: the document ends too early",
        ),
        (
            "@</zone>@</zone>",
            "line 1, column 54: `zone` where the one `zone` was expected",
        ),
        (
            "<zone name='bad name' zonepath='' autoboot='false'/>",
            "line 1, column 1: attribute `name` of `zone` cannot be `bad name`",
        ),
        (
            "<zone name='z' zonepath='z' autoboot='false'/>",
            "line 1, column 1: attribute `zonepath` of `zone` cannot be `z`",
        ),
        (
            "<zone name='z' zonepath='/z' autoboot='yes'/>",
            "line 1, column 1: attribute `autoboot` of `zone` cannot be `yes`",
        ),
        (
            "<zone name='z' zonepath='/z' autoboot='true' ip-type='none'/>",
            "line 1, column 1: attribute `ip-type` of `zone` cannot be `none`",
        ),
        (
            "<zone name='z' zonepath='/z' autoboot='true' bootargs='a&#10;b'/>",
            "line 1, column 1: attribute `bootargs` holds a control character",
        ),
        (
            "@<rctl name='zone.x'><rctl-value priv='privileged' limit='-1' action='deny'/></rctl>",
            "line 1, column 67: attribute `limit` of `rctl-value` cannot be `-1`",
        ),
        (
            "@<device match='x'><fsoption name='ro'/>",
            "line 1, column 65: unknown element `fsoption`",
        ),
    ];
    for (text, expected) in cases {
        let error = read_document(&text.replace('@', head)).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
}

#[test]
fn no_content_makes_the_reader_panic() {
    for text in [ILLUMOS, SMARTOS] {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = read_document(&text[..end]);
        }
        // A fixed sequence: the test repeats exactly.
        let mut random = 0x9e37_79b9_u64;
        for _ in 0..2000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let mut bytes = text.as_bytes().to_vec();
            let at = usize::try_from(random >> 33).unwrap() % bytes.len();
            bytes[at] ^= u8::try_from(random >> 25 & 0xff).unwrap();
            if let Ok(text) = std::str::from_utf8(&bytes) {
                let _ = read_document(text);
            }
        }
    }
}
