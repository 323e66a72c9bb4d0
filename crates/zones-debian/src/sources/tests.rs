use std::fs;
use std::path::Path;

use super::{HostSources, Keyring};

fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, HostSources) {
    let temp = tempfile::tempdir().expect("temp");
    for (name, text) in files {
        let path = temp.path().join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("dir");
        fs::write(path, text).expect("file");
    }
    let sources = HostSources::read(temp.path()).expect("sources");
    (temp, sources)
}

#[test]
fn one_line_entries_with_options_and_remarks() {
    let text = "# deb http://off.example.org/debian old main\n\
                deb-src http://example.org/debian stable main\n\
                deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg check-valid-until=no] \
                http://example.org/debian/ stable main contrib # remark\n\
                deb http://example.org/flat ./\n\
                deb nonsense\n\
                deb https://example.org/debian-security stable-security main\n";
    let (temp, host) = host(&[("etc/apt/sources.list", text)]);
    assert_eq!(host.warnings, ["`sources.list` line 5: not understood"]);
    assert_eq!(host.sources.len(), 2);
    let main = &host.sources[0];
    assert_eq!(main.uri, "http://example.org/debian");
    assert_eq!(main.components, ["main", "contrib"]);
    let key = temp.path().join("usr/share/keyrings/a.gpg");
    assert_eq!(main.keyring, Keyring::Files(vec![key]));
    assert!(!main.check_valid_until);
    assert!(host.sources[1].is_pocket());
    assert_eq!(host.candidates().count(), 1);
    assert_eq!(host.pockets(&["stable"]).len(), 1);
    assert_eq!(host.pockets(&["testing"]).len(), 0);
}

#[test]
fn deb822_entries_with_several_suites_and_an_inline_key() {
    let text = "Types: deb deb-src\nURIs: http://example.org/debian\n\
                Suites: bookworm bookworm-updates\n bookworm-backports\nComponents: main\n\
                # a remark\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n\n\
                Types: deb\nEnabled: no\nURIs: http://example.org/x\nSuites: x\n\n\
                Types: deb\nSuites: x\n";
    let files = [
        ("etc/apt/sources.list.d/debian.sources", text),
        (
            "etc/apt/sources.list.d/ignored.save",
            "deb http://example.org/y y main\n",
        ),
        (
            "etc/apt/apt.conf.d/99x",
            "Acquire::Check-Valid-Until \"false\";\n",
        ),
        ("etc/apt/trusted.gpg.d/k.asc", ""),
        ("etc/apt/trusted.gpg.d/readme", ""),
    ];
    let (temp, host) = host(&files);
    let suites: Vec<_> = host.sources.iter().map(|s| s.suite.as_str()).collect();
    assert_eq!(
        suites,
        ["bookworm", "bookworm-updates", "bookworm-backports"]
    );
    let inline = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n";
    assert_eq!(
        host.sources[0].keyring,
        Keyring::Inline(inline.trim_start().to_owned())
    );
    assert!(host.sources.iter().all(|s| !s.check_valid_until));
    assert_eq!(host.warnings.len(), 1);
    assert_eq!(
        host.trusted,
        [temp.path().join("etc/apt/trusted.gpg.d/k.asc")]
    );
    let pockets = host.pockets(&["bookworm"]);
    assert_eq!(
        pockets.len(),
        1,
        "backports are no part of a current system"
    );
}

#[test]
fn a_host_without_apt_has_no_sources() {
    assert_eq!(
        HostSources::read(Path::new("/nonexistent")).expect("empty"),
        HostSources::default()
    );
}
