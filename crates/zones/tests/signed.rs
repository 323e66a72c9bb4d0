//! Signatures at installation: what the policies ask, who is trusted, and what is said.
#![allow(clippy::unwrap_used, missing_docs, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const ZONES: &str = env!("CARGO_BIN_EXE_zones");

/// A repository with `app/plain`, and `app/signed` by a key that leads to `ca.pem` over `mid.pem`.
struct Site {
    folder: TempDir,
}

fn data(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zones-repository/tests/data");
    folder.join(name).display().to_string()
}

/// What names a certificate: the SHA-1 of its file.
fn digest(name: &str) -> String {
    let output = Command::new("sha1sum").arg(data(name)).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..40].to_owned()
}

impl Site {
    fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let repository = site.word("repo");
        site.good("pkgrepo", &["create", &repository]);
        let prefix = ["set", "-s", &repository, "publisher/prefix=test"];
        site.good("pkgrepo", &prefix);
        for name in ["plain", "signed"] {
            let text = format!(
                "set name=pkg.fmri value=pkg://test/app/{name}@1.0\n\
                 dir path=usr/{name} owner=root group=root mode=0755\n"
            );
            fs::write(site.path("manifest"), text).unwrap();
            let manifest = site.word("manifest");
            site.good("pkgsend", &["publish", "-s", &repository, &manifest]);
        }
        let (key, leaf, mid) = (data("leaf.key"), data("leaf.pem"), data("mid.pem"));
        let words = [
            "-s",
            &repository,
            "-k",
            &key,
            "-c",
            &leaf,
            "-i",
            &mid,
            "signed",
        ];
        site.good("pkgsign", &words);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn word(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn run(&self, applet: &str, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(ZONES);
        command
            .env("ZONES_ROOT", self.folder.path())
            .arg(applet)
            .args(args);
        let output = command.output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), format!("{out}{err}"))
    }

    fn good(&self, applet: &str, args: &[&str]) -> String {
        let (status, text) = self.run(applet, args);
        assert_eq!(status, 0, "{applet} {args:?}: {text}");
        text
    }

    fn pkg(&self, args: &[&str]) -> (i32, String) {
        let image = self.word("image");
        let mut all = vec!["-R", &image];
        all.extend(args);
        self.run("pkg", &all)
    }

    fn image(&self) {
        let _ = fs::remove_dir_all(self.path("image"));
        let _ = fs::remove_dir_all(self.path("etc"));
        let (from, image) = (format!("test={}", self.word("repo")), self.word("image"));
        self.good("pkg", &["image-create", "-F", "-p", &from, &image]);
    }

    fn anchor(&self, below: &str) {
        let folder = self.path(below).join("etc/ssl/pkg");
        fs::create_dir_all(&folder).unwrap();
        fs::copy(data("ca.pem"), folder.join("ca.pem")).unwrap();
    }
}

/// What is set up, with blanks between words and `CA`, `MID` for certificates, what is installed
/// then, and what is said when it is refused.
struct Row {
    setup: &'static [&'static str],
    package: &'static str,
    says: Option<&'static str>,
}

const ANCHORED: &str = "anchor image";
const UNKNOWN: Option<&str> = Some("could not be found");
const UNSIGNED: Option<&str> = Some("requires signatures to be present");

const ROWS: [Row; 17] = [
    Row {
        setup: &[],
        package: "plain",
        says: None,
    },
    Row {
        setup: &[],
        package: "signed",
        says: UNKNOWN,
    },
    Row {
        setup: &[ANCHORED],
        package: "signed",
        says: None,
    },
    Row {
        setup: &["anchor ."],
        package: "signed",
        says: None,
    },
    Row {
        setup: &["set-publisher --approve-ca-cert CA test"],
        package: "signed",
        says: None,
    },
    Row {
        setup: &[
            "set-publisher --approve-ca-cert CA test",
            "set-publisher --unset-ca-cert CADIGEST test",
        ],
        package: "signed",
        says: UNKNOWN,
    },
    Row {
        setup: &[ANCHORED, "set-publisher --revoke-ca-cert MIDDIGEST test"],
        package: "signed",
        says: Some("was revoked"),
    },
    Row {
        setup: &[ANCHORED, "set-publisher --revoke-ca-cert CADIGEST test"],
        package: "signed",
        says: UNKNOWN,
    },
    Row {
        setup: &["set-property signature-policy ignore"],
        package: "signed",
        says: None,
    },
    Row {
        setup: &["set-property signature-policy require-signatures"],
        package: "plain",
        says: UNSIGNED,
    },
    Row {
        setup: &[ANCHORED, "set-property signature-policy require-signatures"],
        package: "signed",
        says: None,
    },
    Row {
        setup: &["set-publisher --set-property signature-policy=require-signatures test"],
        package: "plain",
        says: UNSIGNED,
    },
    Row {
        // A publisher cannot ask for less than the image.
        setup: &[
            "set-property signature-policy require-signatures",
            "set-publisher --set-property signature-policy=ignore test",
        ],
        package: "plain",
        says: UNSIGNED,
    },
    Row {
        setup: &["set-property signature-policy require-names"],
        package: "plain",
        says: Some("no name is required"),
    },
    Row {
        setup: &[
            ANCHORED,
            "set-property signature-policy require-names",
            "set-property signature-required-names Somebody",
        ],
        package: "signed",
        says: Some("Missing: Somebody"),
    },
    Row {
        setup: &[
            ANCHORED,
            "set-property signature-policy require-names",
            "add-property-value signature-required-names Test_Signer",
        ],
        package: "signed",
        says: None,
    },
    Row {
        setup: &["forge"],
        package: "signed",
        says: Some("did not match the expected value"),
    },
];

fn set_up(site: &Site, line: &str) {
    if let Some(below) = line.strip_prefix("anchor ") {
        return site.anchor(below);
    }
    if line == "forge" {
        site.anchor("image");
        let folder = site.path("repo/publisher/test/pkg/app%2Fsigned");
        let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        fs::write(file.path(), text.replace("0755", "4777")).unwrap();
        fs::remove_dir_all(site.path("repo/publisher/test/catalog")).unwrap();
        let (status, text) = site.pkg(&["refresh", "--full"]);
        assert_eq!(status, 0, "{text}");
        return;
    }
    let word = |word: &str| match word {
        "CA" => data("ca.pem"),
        "CADIGEST" => digest("ca.pem"),
        "MIDDIGEST" => digest("mid.pem"),
        word => word.replace('_', " "),
    };
    let words: Vec<String> = line.split(' ').map(word).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (status, text) = site.pkg(&words);
    assert_eq!(status, 0, "{line}: {text}");
}

#[test]
fn policies_ask_and_certificates_vouch() {
    let site = Site::new();
    for Row {
        setup,
        package,
        says,
    } in ROWS
    {
        site.image();
        setup.iter().for_each(|line| set_up(&site, line));
        let (status, text) = site.pkg(&["install", package]);
        let is_there = site.path("image/usr").join(package).exists();
        match says {
            None => assert!(status == 0 && is_there, "{setup:?}: {text}"),
            Some(says) => {
                assert_eq!(status, 1, "{setup:?}: {text}");
                assert!(text.contains(says), "{setup:?}: {text}");
                let whose = text.contains(package) || says.contains("name is required");
                assert!(whose && !is_there, "{setup:?}: {text}");
            }
        }
    }
}

#[test]
fn verification_asks_for_signatures_too() {
    let site = Site::new();
    site.image();
    site.anchor("image");
    for name in ["plain", "signed"] {
        let (status, text) = site.pkg(&["install", name]);
        assert_eq!(status, 0, "{text}");
    }
    let (status, text) = site.pkg(&["verify"]);
    assert_eq!((status, &*text), (0, ""));
    // Certificates are kept: nobody is asked for them again.
    fs::rename(site.path("repo"), site.path("gone")).unwrap();
    set_up(&site, "set-property signature-policy require-signatures");
    let (status, text) = site.pkg(&["verify"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("app/plain"), "{text}");
    assert!(text.contains("requires signatures"), "{text}");
    assert!(!text.contains("app/signed"), "{text}");
    fs::remove_dir_all(site.path("image/etc/ssl")).unwrap();
    let (status, text) = site.pkg(&["verify", "signed"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("could not be found"), "{text}");
}

#[test]
fn demands_that_cannot_be_met_are_refused() {
    let site = Site::new();
    site.image();
    let before = fs::read_to_string(site.path("image/var/pkg/pkg5.image")).unwrap();
    let nothing = site.word("nothing");
    let rows: [(&[&str], i32, &str); 6] = [
        (
            &["set-property", "check-certificate-revocation", "True"],
            1,
            "lists of revoked certificates are not asked",
        ),
        (
            &["set-property", "signature-policy", "sometimes"],
            1,
            "it is one of ignore, verify",
        ),
        (
            &[
                "set-publisher",
                "--set-property",
                "signature-policy=x",
                "test",
            ],
            1,
            "it is one of ignore, verify",
        ),
        (
            &["set-publisher", "--approve-ca-cert", &nothing, "test"],
            1,
            "cannot read",
        ),
        (
            &[
                "set-publisher",
                "--approve-ca-cert",
                "/etc/hostname",
                "test",
            ],
            1,
            "not a certificate",
        ),
        (
            &["set-publisher", "--revoke-ca-cert", "abc", "test"],
            2,
            "40 hexadecimal digits",
        ),
    ];
    for (args, status, says) in rows {
        let (found, text) = site.pkg(args);
        assert_eq!(found, status, "{args:?}: {text}");
        assert!(text.contains(says), "{args:?}: {text}");
    }
    let after = fs::read_to_string(site.path("image/var/pkg/pkg5.image")).unwrap();
    assert_eq!(after, before);
}
