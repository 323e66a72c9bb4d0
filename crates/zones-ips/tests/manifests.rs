//! Manifests: lines, and what variants, facets and mediators make of them.

use zones_ips::facet::{FacetSource, Facets};
use zones_ips::manifest::{Manifest, ManifestError, Unknown, lines};
use zones_ips::mediator::{Implementation, Mediation, Setting, Source, choose};
use zones_ips::variant::Variants;
use zones_ips::{Action, ActionKind, Fmri};

const PUBLISHED: &str = "\
set name=pkg.fmri value=pkg://test/app/foo@1.0,5.11-0.1:20261121T123715Z
set name=pkg.summary value=\"A test package\"
set name=pkg.description value='Long description with \"quotes\"'
set name=variant.arch value=i386 value=sparc
dir group=sys mode=0755 owner=root path=etc
file 55ca6286e3e4f4fba5d0448333fa99fc5a404a73 group=sys mode=0644 owner=root path=etc/foo.conf \
pkg.csize=23 pkg.size=3 preserve=renamenew
link path=usr/bin/foolink target=foo
";

fn read(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(text, Unknown::Refused)
}

fn action(line: &str) -> Action {
    line.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_published_manifest_comes_back_byte_for_byte() {
    let manifest = read(PUBLISHED).unwrap();
    assert_eq!(manifest.to_string(), PUBLISHED);
    assert_eq!(manifest.set_value("pkg.summary"), Some("A test package"));
    assert_eq!(manifest.of_kind(ActionKind::Link).count(), 1);
    let fmri = manifest.fmri().unwrap();
    assert_eq!(fmri.stem().as_str(), "app/foo");
    let mut renamed = manifest.clone();
    let other: Fmri = "pkg://test/other@2".parse().unwrap();
    renamed.set_fmri(&other).unwrap();
    assert_eq!(renamed.fmri(), Ok(other));
    assert_eq!(renamed.actions().len(), manifest.actions().len());
}

#[test]
fn comments_blanks_and_joined_lines_are_understood() {
    let text = "# comment\n\n  set name=a \\\n    value=b \\\n\n#more\r\ndir path=x\r\n";
    let found: Vec<_> = lines(text, Unknown::Refused)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let found: Vec<_> = found
        .iter()
        .map(|it| (it.number, it.action.to_string()))
        .collect();
    let expected = [
        (3, "set name=a value=b".to_owned()),
        (7, "dir path=x".to_owned()),
    ];
    assert_eq!(found, expected);
}

#[test]
fn faults_are_named_with_their_line() {
    let message = |text: &str| read(text).unwrap_err().to_string();
    let malformed = "line 3: Malformed action at position: 3: no attributes:";
    assert!(message("set a=b\n\nset\n").starts_with(malformed));
    assert!(message("dir \\\n path=/\n").starts_with("line 1: invalid action"));
    assert!(message("set a=b \\\n").starts_with("line 1: the action goes on"));
    let bytes = Manifest::from_bytes(b"set a=b\nset a=\xff\n", Unknown::Refused);
    assert_eq!(bytes, Err(ManifestError::Encoding { line: 2 }));
    assert!(read("foo a=b\n").is_err());
    assert!(Manifest::parse("foo a=b\n", Unknown::Kept).is_ok());
    assert_eq!(
        read("set a=b\n").unwrap().fmri(),
        Err(ManifestError::Names(0))
    );
}

#[test]
fn variants_must_all_hold() {
    let variants: Variants = [("variant.arch", "i386"), ("variant.zone", "global")]
        .into_iter()
        .collect();
    let cases = [
        ("dir path=a", true),
        ("dir path=a variant.arch=i386", true),
        ("dir path=a variant.arch=sparc variant.arch=i386", true),
        ("dir path=a variant.arch=sparc", false),
        ("dir path=a variant.arch=i386 variant.zone=nonglobal", false),
        ("dir path=a variant.debug.x=true", false),
        ("dir path=a variant.debug.x=false", true),
    ];
    for (line, expected) in cases {
        assert_eq!(variants.allow(&action(line)), expected, "{line}");
    }
    assert!(variants.support(&read(PUBLISHED).unwrap()));
    assert!(!variants.support(&read("set name=variant.arch value=sparc\n").unwrap()));
}

#[test]
fn facets_follow_the_most_specific_word() {
    let mut facets = Facets::default();
    facets.set("facet.locale.*", false);
    facets.set("facet.locale.de*", true);
    facets.set("facet.locale.de_AT", false);
    let cases = [
        ("dir path=a", true),
        ("dir path=a facet.doc=true", true),
        ("dir path=a facet.debug.x=true", false),
        ("dir path=a facet.locale.fr=true", false),
        ("dir path=a facet.locale.de_DE=true", true),
        ("dir path=a facet.locale.de_AT=true", false),
        ("dir path=a facet.locale.fr=true facet.doc=true", true),
        ("dir path=a facet.locale.fr=all facet.doc=true", false),
        ("dir path=a facet.locale.de=all", true),
    ];
    for (line, expected) in cases {
        assert_eq!(facets.allow(&action(line)), expected, "{line}");
    }
    facets.inherit([("facet.doc".to_owned(), false)]);
    facets.set("facet.doc", true);
    assert_eq!(facets.value("facet.doc"), (false, FacetSource::Parent));
}

#[test]
fn mediators_choose_in_their_order() {
    let link = |tail: &str| {
        let action = action(&format!("link path=bin/x target=y mediator=m {tail}"));
        action.mediation().unwrap().unwrap()
    };
    let old = link("mediator-version=1.9");
    let new = link("mediator-version=1.10");
    let vendor = link("mediator-version=1 mediator-priority=vendor");
    let site = link("mediator-version=0 mediator-priority=site");
    let gnu = link("mediator-implementation=gnu@1");
    let gnu2 = link("mediator-implementation=gnu@2");
    let bsd = link("mediator-implementation=bsd@9");
    let best = |links: &[&Mediation], setting: &Setting| {
        let choice = choose(links.iter().copied(), setting).unwrap();
        let at = links.iter().position(|link| choice.selects(link));
        (at, choice.version.1)
    };
    let none = Setting::default();
    assert_eq!(best(&[&old, &new], &none), (Some(1), Source::System));
    assert_eq!(
        best(&[&old, &new, &vendor], &none),
        (Some(2), Source::Vendor)
    );
    assert_eq!(
        best(&[&site, &new, &vendor], &none),
        (Some(0), Source::Site)
    );
    assert_eq!(best(&[&gnu, &bsd, &gnu2], &none).0, Some(2));
    assert_eq!(best(&[&bsd, &gnu], &none).0, Some(0));
    let version = Setting {
        version: "1.9".parse().ok(),
        ..Setting::default()
    };
    assert_eq!(
        best(&[&old, &new, &site], &version),
        (Some(0), Source::Local)
    );
    let implementation = Implementation::parse("gnu").ok();
    let any = Setting {
        implementation,
        ..Setting::default()
    };
    assert_eq!(best(&[&bsd, &gnu, &gnu2], &any).0, Some(2));
    // A setting that fits nothing leaves no link.
    assert_eq!(best(&[&bsd], &any).0, None);
    assert!(choose([], &none).is_none());
    let bad = action("link path=a target=b mediator=m mediator-version=x");
    assert!(bad.mediation().is_err());
}
