//! A signed Debian archive of one package, whose dpkg(1) never ends.

use std::fs;
use std::path::Path;

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, EncryptionCaps, KeyType, SecretKeyParamsBuilder,
    SignedPublicKey,
};
use pgp::types::Password;
use sha2::{Digest as _, Sha256};

const CONTROL: &str = "\
Package: dpkg
Version: 1
Architecture: amd64
Maintainer: Nobody <nobody@example.org>
Essential: yes
Priority: required
Installed-Size: 10
Description: a test
";

/// Writes suite `test` and the public key `archive.asc` below a folder.
pub(crate) fn write(folder: &Path) {
    let package = package();
    let list = format!(
        "{CONTROL}Filename: pool/dpkg_1_amd64.deb\nSize: {}\nSHA256: {}\n",
        package.len(),
        sha256(&package)
    );
    let path = "main/binary-amd64/Packages";
    let release = format!(
        "Origin: Debian\nSuite: test\nCodename: test\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n\
         Architectures: all amd64\nComponents: main\nSHA256:\n {} {} {path}\n",
        sha256(list.as_bytes()),
        list.len()
    );
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let (signed, key) = sign(&release);
    put("pool/dpkg_1_amd64.deb", &package);
    put(&format!("dists/test/{path}"), list.as_bytes());
    put("dists/test/InRelease", &signed);
    put("archive.asc", key.as_bytes());
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The signed text, and the key that proves it.
fn sign(text: &str) -> (Vec<u8>, String) {
    let mut parameters = SecretKeyParamsBuilder::default();
    parameters
        .key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .can_sign(true)
        .can_encrypt(EncryptionCaps::None)
        .primary_user_id("Archive <archive@example.org>".into());
    let key = parameters.build().unwrap();
    let key = key.generate(rand::thread_rng()).unwrap();
    let none = Password::empty();
    let signed = CleartextSignedMessage::sign(rand::thread_rng(), text, &key.primary_key, &none);
    let signed = signed.unwrap().to_armored_bytes(ArmorOptions::default());
    let public = SignedPublicKey::from(key);
    let public = public.to_armored_string(ArmorOptions::default());
    (signed.unwrap(), public.unwrap())
}

/// Source: deb(5).
fn package() -> Vec<u8> {
    let busybox = fs::read("/bin/busybox").unwrap();
    let dpkg = b"#!/bin/busybox sh\nexec /bin/busybox sleep 600\n";
    let data = tar(&[
        ("./bin/busybox", &busybox[..], 0o755),
        ("./usr/bin/dpkg", &dpkg[..], 0o755),
    ]);
    let control = tar(&[("./control", CONTROL.as_bytes(), 0o644)]);
    let mut deb = b"!<arch>\n".to_vec();
    for (name, bytes) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", control),
        ("data.tar", data),
    ] {
        let head = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            100_644,
            bytes.len()
        );
        deb.extend(head.as_bytes());
        deb.extend(&bytes);
        if bytes.len() % 2 == 1 {
            deb.push(b'\n');
        }
    }
    deb
}

fn tar(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes, mode) in files {
        crate::support::add(&mut tar, path, bytes, *mode);
    }
    tar.into_inner().unwrap()
}
