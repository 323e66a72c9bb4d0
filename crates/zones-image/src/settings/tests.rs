use std::path::Path;

use super::*;

fn sample() -> Settings {
    let mut settings = Settings::new();
    settings.variants.set("variant.arch", "amd64");
    settings.facets.set("facet.doc.*", false);
    let mut first = PublisherSettings::new("test".parse().unwrap(), "u-1".to_owned());
    first.add_origin("http://127.0.0.1:19080", None);
    first.add_origin("/srv/repo", Some("http://127.0.0.1:3128"));
    first.is_sticky = false;
    let second = PublisherSettings::new("another".parse().unwrap(), "u-2".to_owned());
    settings.publishers = vec![first, second];
    let version = Some("1.7".parse().unwrap());
    let setting = Setting {
        version,
        implementation: Some(Implementation::parse("openjdk@1").unwrap()),
    };
    settings.mediators.insert("java".to_owned(), setting);
    settings.add_value("key-files", "usr/bin/x").unwrap();
    settings
}

#[test]
fn reading_gives_what_was_written() {
    let settings = sample();
    let read = Settings::parse(&settings.text(), Path::new("pkg5.image")).unwrap();
    assert_eq!(read.text(), settings.text());
    assert_eq!(read.publishers, settings.publishers);
    assert_eq!(read.mediators, settings.mediators);
    assert_eq!(read.list("key-files"), ["usr/bin/x"]);
    assert_eq!(read.publishers[0].origins[0].uri, "http://127.0.0.1:19080/");
    assert_eq!(read.publishers[0].origins[1].uri, "file:///srv/repo");
}

#[test]
fn later_formats_are_refused() {
    let text = "[image]\nversion = 7\n";
    let error = Settings::parse(text, Path::new("/i/pkg5.image")).unwrap_err();
    assert!(error.to_string().contains("newer version"), "{error}");
}

#[test]
fn properties_are_checked() {
    let mut settings = Settings::new();
    let rows = [
        ("be-policy", "always-new", true),
        ("be-policy", "sometimes", false),
        ("preferred-authority", "x", false),
        ("my-own", "anything", true),
        ("a b", "x", false),
        ("signature-policy", "ver\nify", false),
        ("signature-policy", "verify", true),
        ("signature-policy", "require-signatures", true),
        ("signature-policy", "require-everything", false),
        ("signature-required-names", "a name", true),
        ("check-certificate-revocation", "True", false),
    ];
    for (name, value, is_good) in rows {
        assert_eq!(
            settings.set_property(name, value).is_ok(),
            is_good,
            "{name}={value}"
        );
    }
    assert!(settings.add_value("be-policy", "x").is_err());
    settings.add_value("signature-required-names", "x").unwrap();
    assert_eq!(settings.list("signature-required-names"), ["a name", "x"]);
    assert!(settings.remove_value("key-files", "x").is_err());
    settings.unset_property("be-policy").unwrap();
    assert_eq!(settings.property("be-policy"), "default");
    assert!(settings.unset_property("nothing").is_err());
}
