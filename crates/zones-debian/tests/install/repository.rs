//! A signed repository made from package specifications.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, EncryptionCaps, KeyType, SecretKeyParamsBuilder,
    SignedPublicKey, SignedSecretKey,
};
use pgp::types::Password;
use sha2::{Digest, Sha256};
use zones_archive::Silent;
use zones_debian::{DebianError, HostSources, Network, Plan, Request, install, plan};
use zones_sys::RootFd;

use crate::deb::{Pack, Spec, pack};
use crate::mirror::Mirror;

/// Some time after the test keys are made, for as long as they are valid.
pub(crate) fn now() -> i64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    now.as_secs().cast_signed()
}

/// An archive key; making one takes a moment.
pub(crate) fn key() -> &'static SignedSecretKey {
    static KEY: OnceLock<SignedSecretKey> = OnceLock::new();
    KEY.get_or_init(|| new_key("Archive <archive@example.org>"))
}

pub(crate) fn new_key(name: &str) -> SignedSecretKey {
    let mut key = SecretKeyParamsBuilder::default();
    key.key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .can_sign(true)
        .can_encrypt(EncryptionCaps::None)
        .primary_user_id(name.into());
    key.build().unwrap().generate(rand::thread_rng()).unwrap()
}

pub(crate) fn sign(text: &str, key: &SignedSecretKey) -> Vec<u8> {
    let none = Password::empty();
    let rng = rand::thread_rng();
    let signed = CleartextSignedMessage::sign(rng, text, &key.primary_key, &none).unwrap();
    signed.to_armored_bytes(ArmorOptions::default()).unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// A suite under construction; every part may be spoiled before it is served.
pub(crate) struct Repository {
    pub(crate) suite: &'static str,
    /// Path and bytes of packages.
    pub(crate) debs: Vec<(String, Vec<u8>)>,
    pub(crate) packages: String,
    /// Lines of the index before its list of files.
    pub(crate) head: String,
    /// Which forms of the package list there are.
    pub(crate) endings: Vec<&'static str>,
    pub(crate) by_hash: bool,
}

impl Repository {
    pub(crate) fn new(suite: &'static str, specs: &[Spec]) -> Self {
        let mut debs = Vec::new();
        let mut packages = String::new();
        for spec in specs {
            let bytes = spec.build();
            let path = format!("pool/{}_{}_amd64.deb", spec.name, spec.version);
            packages += &spec.control();
            packages += &format!(
                "Filename: {path}\nSize: {}\nSHA256: {}\n\n",
                bytes.len(),
                sha256(&bytes)
            );
            debs.push((path, bytes));
        }
        let head = format!(
            "Origin: Debian\nSuite: {suite}\nCodename: {suite}\nAcquire-By-Hash: yes\n\
             Date: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: all amd64\nComponents: main\n"
        );
        Self {
            suite,
            debs,
            packages,
            head,
            endings: vec!["", ".xz", ".gz"],
            by_hash: true,
        }
    }

    /// The signed text.
    pub(crate) fn release(&self) -> String {
        let mut text = self.head.clone() + "SHA256:\n";
        for (path, bytes) in self.lists() {
            text += &format!(" {} {} {path}\n", sha256(&bytes), bytes.len());
        }
        text
    }

    fn lists(&self) -> Vec<(String, Vec<u8>)> {
        let pack = |ending: &str| match ending {
            ".xz" => pack(self.packages.as_bytes(), Pack::Xz),
            ".gz" => pack(self.packages.as_bytes(), Pack::Gz),
            _ => self.packages.clone().into_bytes(),
        };
        let path = |ending: &str| format!("main/binary-amd64/Packages{ending}");
        self.endings.iter().map(|e| (path(e), pack(e))).collect()
    }

    /// All files, below `top`.
    pub(crate) fn files(&self, top: &str) -> HashMap<String, Vec<u8>> {
        let dists = format!("{top}dists/{}", self.suite);
        let mut files = HashMap::new();
        files.insert(format!("{dists}/InRelease"), sign(&self.release(), key()));
        for (path, bytes) in self.lists() {
            // The plain list is in the index only, as on real mirrors.
            if path.ends_with("Packages") && self.endings.len() > 1 {
                continue;
            }
            let folder = format!("{dists}/main/binary-amd64/by-hash/SHA256");
            if self.by_hash {
                files.insert(format!("{folder}/{}", sha256(&bytes)), bytes.clone());
            }
            files.insert(format!("{dists}/{path}"), bytes);
        }
        for (path, bytes) in &self.debs {
            files.insert(format!("{top}{path}"), bytes.clone());
        }
        files
    }
}

/// Folders of one test: a host with apt sources, a cache and a root.
pub(crate) struct Place {
    pub(crate) temp: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        for name in ["root", "host/etc/apt/trusted.gpg.d"] {
            std::fs::create_dir_all(temp.path().join(name)).unwrap();
        }
        let public = SignedPublicKey::from(key().clone());
        let armored = public.to_armored_string(ArmorOptions::default()).unwrap();
        std::fs::write(
            temp.path().join("host/etc/apt/trusted.gpg.d/a.asc"),
            armored,
        )
        .unwrap();
        Self { temp }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// Writes the host's source list.
    pub(crate) fn sources(&self, text: &str) {
        std::fs::write(self.path("host/etc/apt/sources.list"), text).unwrap();
    }

    pub(crate) fn request(&self) -> Request {
        let host = HostSources::read(&self.path("host")).unwrap();
        let mut request = Request::new(host, "amd64", self.path("cache"), now());
        request.network = Network {
            backoff: Duration::ZERO,
            timeout: Duration::from_secs(10),
            ..Network::default()
        };
        request
    }

    /// A request for a suite of a mirror.
    pub(crate) fn mirrored(&self, mirror: &Mirror, suite: &str) -> Request {
        let mut request = self.request();
        request.mirror = Some(mirror.uri());
        request.suite = Some(suite.into());
        request
    }

    pub(crate) fn root(&self) -> RootFd {
        RootFd::open(&self.path("root")).unwrap()
    }

    /// Plans and installs; the error as one line with its causes.
    pub(crate) fn run(&self, request: &Request) -> Result<Plan, String> {
        let all = |e: DebianError| {
            let mut text = e.to_string();
            let mut cause = std::error::Error::source(&e);
            while let Some(now) = cause {
                text += &format!(": {now}");
                cause = now.source();
            }
            text
        };
        let plan = plan(request, &Silent).map_err(all)?;
        install(&plan, &self.root(), &Silent).map_err(all)?;
        Ok(plan)
    }
}
