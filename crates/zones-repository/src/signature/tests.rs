use zones_ips::manifest::Unknown;

use super::*;
use crate::{Content, Listing, Repository, Store};

const CA: &[u8] = include_bytes!("../../tests/data/ca.pem");
const MID: &[u8] = include_bytes!("../../tests/data/mid.pem");
const LEAF: &[u8] = include_bytes!("../../tests/data/leaf.pem");
const KEY: &[u8] = include_bytes!("../../tests/data/leaf.key");
/// Signed by another implementation.
const SIGNED: &str = include_str!("../../tests/data/signed.manifest");

/// A second at which the certificates of the tests are valid, and one at which no more.
const TODAY: i64 = 1_800_000_000;
const FAR: i64 = 9_000_000_000;

fn manifest(text: &str) -> Manifest {
    Manifest::parse(text, Unknown::Refused).unwrap()
}

fn trust(policy: Policy) -> Trust {
    Trust {
        policy,
        names: vec!["Test Signer".to_owned(), "Test Intermediate".to_owned()],
        anchors: Certificate::read_all(CA).unwrap(),
        revoked: Vec::new(),
        now: TODAY,
    }
}

fn known(name: &Digest) -> Option<Vec<u8>> {
    let files = [CA, MID, LEAF];
    let mut files = files.into_iter();
    files
        .find(|bytes| Digest::of(Algorithm::Sha1, bytes) == *name)
        .map(<[u8]>::to_vec)
}

#[test]
fn a_signature_of_another_implementation_holds() {
    let signed = manifest(SIGNED);
    for policy in [
        Policy::Verify,
        Policy::RequireSignatures,
        Policy::RequireNames,
    ] {
        let verdict = verify(&signed, &trust(policy), &known);
        assert_eq!(verdict.unwrap(), Verdict::Signed, "{}", policy.as_str());
    }
    let ignored = verify(&signed, &Trust::ignoring(), &|_| None);
    assert_eq!(ignored.unwrap(), Verdict::Unsigned);
}

#[test]
fn whatever_is_changed_voids_the_signature() {
    for (old, new) in [
        ("etc", "etd"),
        ("0755", "0777"),
        ("a@1", "a@2"),
        ("version=0", "x=y version=0"),
    ] {
        let changed = manifest(&SIGNED.replacen(old, new, 1));
        let error = verify(&changed, &trust(Policy::Verify), &known).unwrap_err();
        assert!(matches!(error, SignatureError::Wrong(_)), "{new}: {error}");
    }
    let more = format!("{SIGNED}set name=x value=y\n");
    assert!(verify(&manifest(&more), &trust(Policy::Verify), &known).is_err());
    // Another signature may come; it is none of what was signed.
    let more = format!("{SIGNED}signature algorithm=future value=00 version=0\n");
    assert!(verify(&manifest(&more), &trust(Policy::Verify), &known).is_ok());
}

#[test]
fn what_is_not_trusted_is_refused_with_its_reason() {
    let signed = manifest(SIGNED);
    let mut stranger = trust(Policy::Verify);
    stranger.anchors.clear();
    let mut late = trust(Policy::Verify);
    late.now = FAR;
    let mut early = trust(Policy::Verify);
    early.now = 0;
    let mut named = trust(Policy::RequireNames);
    named.names.push("Somebody Else".to_owned());
    for (trust, why) in [
        (stranger, "could not be found"),
        (late, "expired"),
        (early, "not valid yet"),
        (named, "Missing: Somebody Else"),
    ] {
        let error = verify(&signed, &trust, &known).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let lost = |name: &Digest| known(name).filter(|bytes| bytes != MID);
    let error = verify(&signed, &trust(Policy::Verify), &lost).unwrap_err();
    assert!(matches!(error, SignatureError::NoCertificate(_)), "{error}");
    let forged = |_: &Digest| Some(CA.to_vec());
    assert!(verify(&signed, &trust(Policy::Verify), &forged).is_err());
}

#[test]
fn unsigned_packages_pass_or_not_as_the_policy_says() {
    let digest = "set name=pkg.fmri value=pkg://test/a@1\n";
    let plain = manifest(digest);
    assert!(verify(&plain, &trust(Policy::Verify), &known).is_ok());
    let error = verify(&plain, &trust(Policy::RequireSignatures), &known);
    assert!(matches!(error, Err(SignatureError::Unsigned)));
}

#[test]
fn certificates_must_fit_their_place() {
    let rows: [(&[u8], &str); 4] = [
        (
            include_bytes!("../../tests/data/nosign.pem"),
            "digitalSignature",
        ),
        (
            include_bytes!("../../tests/data/odd.pem"),
            "critical extension",
        ),
        (
            include_bytes!("../../tests/data/below.pem"),
            "basicConstraints",
        ),
        (LEAF, ""),
    ];
    let between = [MID, include_bytes!("../../tests/data/noca.pem")];
    let between = between.map(|bytes| Certificate::read(bytes).unwrap());
    for (bytes, why) in rows {
        let leaf = Certificate::read(bytes).unwrap();
        let walked = chain::verify(&leaf, &between, &trust(Policy::Verify));
        match walked {
            Ok(names) => {
                assert!(why.is_empty());
                assert_eq!(names, ["Test Signer", "Test Intermediate", "Test Root"]);
            }
            Err(error) => assert!(
                !why.is_empty() && error.to_string().contains(why),
                "{error}"
            ),
        }
    }
    // What is trusted itself needs no issuer.
    let mut own = trust(Policy::Verify);
    own.anchors = vec![Certificate::read(LEAF).unwrap()];
    assert!(chain::verify(&own.anchors[0].clone(), &[], &own).is_ok());
    for bad in [
        &b""[..],
        b"x",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(Certificate::read(bad).is_err());
    }
}

fn published() -> (tempfile::TempDir, Store, zones_ips::Fmri) {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(folder.path()).unwrap();
    let store = repository.add_publisher(&"test".parse().unwrap()).unwrap();
    let text = "set name=pkg.fmri value=a@1\nfile x path=x owner=root group=root mode=0644\n";
    let content = |_: &Action| Ok(Some(Content::from(b"hello".to_vec())));
    let fmri = store
        .publish(manifest(text), &content, Listing::Now)
        .unwrap();
    (folder, store, fmri)
}

#[test]
fn a_package_is_signed_in_place_and_proved() {
    let (_folder, store, fmri) = published();
    let signer = Signer::new(KEY, LEAF.to_vec(), vec![MID.to_vec()]).unwrap();
    assert!(store.sign(&fmri, None).unwrap());
    assert!(store.sign(&fmri, Some(&signer)).unwrap());
    // Nothing new to say.
    assert!(!store.sign(&fmri, Some(&signer)).unwrap());
    assert!(!store.sign(&fmri, None).unwrap());
    assert!(store.transactions().unwrap().is_empty());
    let signed = store.manifest(&fmri).unwrap();
    assert_eq!(signed.of_kind(ActionKind::Signature).count(), 2);
    let certificate = |name: &Digest| store.certificate(name);
    let verdict = verify(&signed, &trust(Policy::RequireNames), &certificate);
    assert_eq!(verdict.unwrap(), Verdict::Signed);
    assert!(store.verify(&trust(Policy::Verify)).unwrap().is_empty());
    // The plain digest notices damage, too.
    let text = signed.to_string().replace("mode=0644", "mode=4755");
    assert!(verify(&manifest(&text), &trust(Policy::Verify), &certificate).is_err());
}

#[test]
fn keys_and_certificates_must_belong_together() {
    let strangers = Signer::new(KEY, MID.to_vec(), Vec::new()).unwrap_err();
    assert!(matches!(strangers, SignerError::Strangers), "{strangers}");
    for bad in [&b""[..], b"x", CA] {
        let error = Signer::new(bad, LEAF.to_vec(), Vec::new()).unwrap_err();
        assert!(error.to_string().contains("RSA key"), "{error}");
    }
}
