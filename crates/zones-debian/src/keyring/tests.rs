//! Keys that expired, were revoked or must not sign.

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, EncryptionCaps, KeyType, SecretKeyParamsBuilder,
    SignedPublicKey, SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::packet::{KeyFlags, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, Password, SigningKey, Tag, Timestamp};

use super::{Keys, SignatureError};

const TEXT: &str = "Suite: stable\n- a dash\nOrigin: Debian\n";
const DAY: i64 = 86_400;

fn none() -> Password {
    Password::empty()
}

fn now() -> i64 {
    i64::from(Timestamp::now().as_secs())
}

/// A main key that may sign, and one subkey.
fn new_key(subkey_signs: bool) -> SignedSecretKey {
    let mut subkey = SubkeyParamsBuilder::default();
    subkey
        .key_type(KeyType::Ed25519Legacy)
        .can_sign(subkey_signs)
        .can_authenticate(!subkey_signs)
        .can_encrypt(EncryptionCaps::None);
    let mut key = SecretKeyParamsBuilder::default();
    key.key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .can_sign(true)
        .can_encrypt(EncryptionCaps::None)
        .primary_user_id("Archive <archive@example.org>".into())
        .subkeys(vec![subkey.build().expect("subkey")]);
    let key = key.build().expect("key");
    key.generate(rand::thread_rng()).expect("generate")
}

fn signed(by: &impl SigningKey) -> String {
    let message = CleartextSignedMessage::sign(rand::thread_rng(), TEXT, by, &none());
    message
        .expect("sign")
        .to_armored_string(ArmorOptions::default())
        .expect("armor")
}

fn keys(public: &SignedPublicKey) -> Keys {
    let mut bytes = Vec::new();
    public.to_writer(&mut bytes).expect("write");
    let mut keys = Keys::default();
    assert_eq!(keys.add(&bytes), 1);
    keys
}

/// Why a key must not sign.
fn why(keys: &Keys, message: &str, now: i64) -> &'static str {
    match keys.verify(message, now) {
        Err(SignatureError::Key { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

/// A signature by the main key about keys.
fn about(key: &SignedSecretKey, kind: SignatureType, more: Vec<SubpacketData>) -> SignatureConfig {
    let rng = rand::thread_rng();
    let mut config = SignatureConfig::from_key(rng, &key.primary_key, kind).expect("config");
    let issuer = SubpacketData::IssuerFingerprint(key.primary_key.fingerprint());
    let when = SubpacketData::SignatureCreationTime(Timestamp::now());
    let all = [when, issuer].into_iter().chain(more);
    config.hashed_subpackets = all
        .map(|s| Subpacket::regular(s).expect("subpacket"))
        .collect();
    config
}

#[test]
fn main_key_and_signing_subkey_are_good_and_the_text_is_as_it_was() {
    let key = new_key(true);
    let keys = keys(&SignedPublicKey::from(key.clone()));
    assert_eq!(
        keys.verify(&signed(&key.primary_key), now()).as_deref(),
        Ok(TEXT)
    );
    let subkey = &key.secret_subkeys[0].key;
    assert_eq!(keys.verify(&signed(subkey), now()).as_deref(), Ok(TEXT));
    let early = why(&keys, &signed(subkey), now() - 3 * DAY);
    assert!(early.contains("into the future"), "{early}");
}

#[test]
fn a_subkey_that_is_not_for_signing() {
    let key = new_key(false);
    let keys = keys(&SignedPublicKey::from(key.clone()));
    let message = signed(&key.secret_subkeys[0].key);
    assert_eq!(why(&keys, &message, now()), "is not meant for signing");
}

#[test]
fn a_key_that_expires() {
    let key = new_key(true);
    let mut public = SignedPublicKey::from(key.clone());
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(true);
    let life = vec![
        SubpacketData::KeyFlags(flags),
        SubpacketData::KeyExpirationTime(Duration::from_secs(10 * 86_400)),
    ];
    let config = about(&key, SignatureType::CertPositive, life);
    let user = &mut public.details.users[0];
    let certified = config.sign_certification(
        &key.primary_key,
        &public.primary_key,
        &none(),
        Tag::UserId,
        &user.id,
    );
    user.signatures = vec![certified.expect("certify")];
    let keys = keys(&public);
    let by_main = signed(&key.primary_key);
    assert!(keys.verify(&by_main, now()).is_ok());
    assert!(why(&keys, &by_main, now() + 11 * DAY).starts_with("has expired"));
    // A subkey lives no longer than its main key.
    let by_sub = signed(&key.secret_subkeys[0].key);
    assert!(keys.verify(&by_sub, now()).is_ok());
    assert!(why(&keys, &by_sub, now() + 11 * DAY).starts_with("has expired"));
}

#[test]
fn revoked_keys() {
    let key = new_key(true);
    let by_main = signed(&key.primary_key);
    let by_sub = signed(&key.secret_subkeys[0].key);

    let mut public = SignedPublicKey::from(key.clone());
    let config = about(&key, SignatureType::SubkeyRevocation, Vec::new());
    let subkey = &mut public.public_subkeys[0];
    let revoked =
        config.sign_subkey_binding(&key.primary_key, &public.primary_key, &none(), &subkey.key);
    subkey.signatures.push(revoked.expect("revoke"));
    let some = keys(&public);
    assert_eq!(why(&some, &by_sub, now()), "has been revoked");
    assert!(some.verify(&by_main, now()).is_ok());

    let mut public = SignedPublicKey::from(key.clone());
    let config = about(&key, SignatureType::KeyRevocation, Vec::new());
    let revoked = config.sign_key(&key.primary_key, &none(), &public.primary_key);
    public
        .details
        .revocation_signatures
        .push(revoked.expect("revoke"));
    let all = keys(&public);
    for message in [&by_main, &by_sub] {
        assert_eq!(why(&all, message, now()), "has been revoked");
    }
}

#[test]
fn a_subkey_that_its_main_key_did_not_bind() {
    let (key, other) = (new_key(true), new_key(true));
    let mut public = SignedPublicKey::from(key);
    let foreign = SignedPublicKey::from(other.clone());
    public.public_subkeys = foreign.public_subkeys;
    let message = signed(&other.secret_subkeys[0].key);
    assert_eq!(
        why(&keys(&public), &message, now()),
        "is not bound to its main key"
    );
}
