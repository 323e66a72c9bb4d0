use super::*;

fn action(content: &[u8]) -> (Action, Vec<u8>) {
    let packed = pack_bytes(content).unwrap();
    let mut action: Action = "file x path=a owner=root group=root mode=0644"
        .parse()
        .unwrap();
    let plain = PlainFacts::of(&Opened::Bytes(content.into())).unwrap();
    let facts = Facts {
        plain,
        packed: PackedFacts::of(&packed),
    };
    facts.stamp(&mut action).unwrap();
    (action, packed)
}

#[test]
fn equal_content_packs_equally_without_name_or_time() {
    let packed = pack_bytes(b"hello").unwrap();
    assert_eq!(packed, pack_bytes(b"hello").unwrap());
    // Magic, deflate, no flags, no time.
    assert_eq!(packed[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
}

#[test]
fn a_stamped_action_proves_its_payload() {
    let (action, packed) = action(b"hello");
    assert_eq!(
        action.payload(),
        Some("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")
    );
    assert_eq!(action.size(), Some(5));
    assert_eq!(action.compressed_size(), Some(packed.len() as u64));
    let expected = Expected::of(&action);
    let mut out = Vec::new();
    assert_eq!(unpack(&packed[..], &expected, &mut out).unwrap(), 5);
    assert_eq!(out, b"hello");
    let mut stored = Vec::new();
    copy(&packed[..], &expected, &mut stored).unwrap();
    assert_eq!(stored, packed);
}

#[test]
fn what_is_not_the_payload_is_refused() {
    let (right, packed) = action(b"hello");
    let expected = Expected::of(&right);
    let other = pack_bytes(b"olleh").unwrap();
    let longer = pack_bytes(&vec![0; 1 << 20]).unwrap();
    let mut trailing = packed.clone();
    trailing.push(0);
    let refused = |bytes: &[u8]| {
        let copied = copy(bytes, &expected, &mut io::sink()).unwrap_err();
        let unpacked = unpack(bytes, &expected, &mut io::sink());
        (copied, unpacked.map_err(|error| error.to_string()))
    };
    assert!(matches!(refused(&other).0, PayloadError::Mismatch(_)));
    assert!(matches!(
        refused(&packed[..packed.len() - 3]).0,
        PayloadError::Damaged(_)
    ));
    assert!(matches!(refused(b"plain").0, PayloadError::Damaged(_)));
    assert!(matches!(refused(&longer).0, PayloadError::Large(_)));
    assert_eq!(refused(&longer).1.unwrap_err(), "larger than its 5 bytes");
    assert!(matches!(refused(&trailing).0, PayloadError::Large(_)));
}

#[test]
fn a_bomb_is_given_up_at_its_size() {
    let (bomb, packed) = action(&vec![0; 8 << 20]);
    let mut expected = Expected::of(&bomb);
    expected.size = Some(10);
    let mut out = Vec::new();
    let error = unpack(&packed[..], &expected, &mut out).unwrap_err();
    assert!(matches!(error, PayloadError::Large(10)), "{error}");
    assert!(out.is_empty());
}

#[test]
fn an_action_without_digests_proves_nothing() {
    let nothing = unpack(&b""[..], &Expected::default(), &mut io::sink());
    assert!(matches!(nothing, Err(PayloadError::Unproved)));
}

#[test]
fn facts_of_another_stored_form_replace_the_old_ones() {
    let (mut action, packed) = action(b"hello");
    let other = PackedFacts::of(b"another packing");
    assert!(!other.is_said_by(&action));
    other.stamp(&mut action).unwrap();
    assert!(other.is_said_by(&action));
    assert!(!PackedFacts::of(&packed).is_said_by(&action));
    assert_eq!(action.values("pkg.content-hash").len(), 2);
}
