use super::{Release, ReleaseError, parse_date};

const TEXT: &str = "Origin: Debian\nSuite: stable\nCodename: bookworm\n\
    Date: Sat, 11 Jul 2026 10:16:37 UTC\nValid-Until: Sat, 18 Jul 2026 10:16:37 UTC\n\
    Acquire-By-Hash: yes\nArchitectures: all amd64\nComponents: main updates/contrib\nMD5Sum:\n \
    00 1 x\nSHA256:\n \
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/x\n";

#[test]
fn a_release_is_checked_against_what_was_asked() {
    let release = Release::parse(TEXT).expect("release");
    let at = |text| parse_date(text).expect("date");
    let now = at("Sun, 12 Jul 2026 00:00:00 UTC");
    assert!(release.by_hash && !release.not_automatic);
    assert_eq!(release.check("stable", now, true), Ok(()));
    assert_eq!(release.check("bookworm", now, true), Ok(()));
    let suite = (String::from("stable"), String::from("bookworm"));
    let other = ReleaseError::Suite {
        suite: suite.0,
        codename: suite.1,
    };
    assert_eq!(release.check("trixie", now, true), Err(other));
    let late = at("Sun, 19 Jul 2026 00:00:00 UTC");
    assert_eq!(
        release.check("stable", late, true),
        Err(ReleaseError::Expired { days: 1 })
    );
    assert_eq!(release.check("stable", late, false), Ok(()));
    let early = at("Sun, 05 Jul 2026 00:00:00 UTC");
    assert_eq!(
        release.check("stable", early, true),
        Err(ReleaseError::Future { days: 7 })
    );
    assert_eq!(
        release.packages("main", "amd64").as_deref(),
        Ok("main/binary-amd64/Packages")
    );
    assert!(release.packages("contrib", "amd64").is_ok());
    assert!(release.packages("main", "arm64").is_err());
    assert!(release.packages("other", "amd64").is_err());
    assert_eq!(release.file("main/x").map(|w| w.size), Some(0));
}

#[test]
fn malformed_releases() {
    for (from, to) in [
        ("SHA256:", "SHA1:"),
        ("Date: Sat, 11 Jul 2026", "Date: soon"),
        ("e3b0c4", "../../"),
        ("855 0 main", "855 many main"),
    ] {
        assert!(Release::parse(&TEXT.replace(from, to)).is_err(), "{from}");
    }
}
