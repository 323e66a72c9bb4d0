use zones_ips::manifest::Unknown;
use zones_ips::{Action, Manifest};

use super::*;
use crate::{Content, Listing, Repository};

fn publish(store: &Store, text: &str) -> Fmri {
    let manifest = Manifest::parse(text, Unknown::Refused).unwrap();
    let content = |_: &Action| Ok(Some(Content::from(b"hello".to_vec())));
    store.publish(manifest, &content, Listing::Now).unwrap()
}

fn fixture() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(folder.path()).unwrap();
    let store = repository.add_publisher(&"test".parse().unwrap()).unwrap();
    publish(
        &store,
        "set name=pkg.fmri value=web/server/Apache@2.4-1\n\
         set name=pkg.summary value=\"The Web server\"\n\
         file x path=usr/bin/httpd owner=root group=root mode=0555\n\
         link path=usr/bin/apache target=httpd\n\
         depend type=require fmri=pkg:/library/ssl@1.1\n\
         license x license=Apache2\n",
    );
    publish(
        &store,
        "set name=pkg.fmri value=library/ssl@1.1\n\
         set name=pkg.summary value=\"A library for the web\"\n\
         dir path=usr/bin owner=root group=root mode=0755\n\
         user username=ssl group=ssl\n\
         driver name=crypt alias=pci1,2 alias=pci1,3\n",
    );
    (folder, store)
}

fn found(store: &Store, text: &str, returns: Returns) -> Vec<String> {
    let hits = store
        .search(&Query::new(text, returns, false).unwrap())
        .unwrap();
    let show = |hit: &Hit| match &hit.action {
        Some(action) => format!("{} {} {}", hit.index, action.word(), hit.value),
        None => hit.fmri.stem().to_string(),
    };
    hits.iter().map(show).collect()
}

/// Query and what it finds.
const ACTIONS: [(&str, &[&str]); 18] = [
    ("httpd", &["basename file usr/bin/httpd"]),
    ("HTTPD", &["basename file usr/bin/httpd"]),
    ("/usr/bin/httpd", &["path file usr/bin/httpd"]),
    ("usr/bin/ht*", &["path file usr/bin/httpd"]),
    ("link:basename:*", &["basename link usr/bin/apache"]),
    ("file::httpd", &["basename file usr/bin/httpd"]),
    ("apache:::httpd", &["basename file usr/bin/httpd"]),
    ("ssl:::httpd", &[]),
    (
        "require:library/ssl",
        &["require depend pkg:/library/ssl@1.1"],
    ),
    ("server", &["pkg.summary set The Web server"]),
    ("\"web server\"", &["pkg.summary set The Web server"]),
    ("web server", &["pkg.summary set The Web server"]),
    (
        "web AND library",
        &["pkg.summary set A library for the web"],
    ),
    (
        "(pkg.summary:server OR pkg.summary:library) web",
        &[
            "pkg.summary set A library for the web",
            "pkg.summary set The Web server",
        ],
    ),
    ("alias:pci1,2", &["alias driver pci1,2"]),
    ("apache2", &["license license Apache2"]),
    ("name:ssl", &["name user ssl"]),
    (
        "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d path:*httpd",
        &[
            "content file aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
            "hash file aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
            "path file usr/bin/httpd",
        ],
    ),
];

#[test]
fn queries_find_the_same_with_and_without_an_index() {
    let (_folder, store) = fixture();
    for is_indexed in [false, true] {
        assert_eq!(store.has_index(), is_indexed);
        for (query, expected) in ACTIONS {
            assert_eq!(found(&store, query, Returns::Actions), expected, "{query}");
        }
        let packages = [
            ("web", vec!["library/ssl", "web/server/Apache"]),
            ("<httpd> <server>", vec!["web/server/Apache"]),
            (
                "<httpd> OR <crypt>",
                vec!["library/ssl", "web/server/Apache"],
            ),
            ("<httpd> crypt", vec![]),
            ("apache", vec!["web/server/Apache"]),
        ];
        for (query, expected) in packages {
            assert_eq!(found(&store, query, Returns::Packages), expected, "{query}");
        }
        store.index().unwrap();
    }
}

#[test]
fn the_index_follows_the_packages() {
    let (folder, store) = fixture();
    assert_eq!(
        store.index().unwrap(),
        Indexed {
            added: 2,
            packages: 2
        }
    );
    assert_eq!(store.index().unwrap().added, 0);
    let mut last = None;
    for number in 0..20 {
        let text = format!("set name=pkg.fmri value=p{number}@1\nset name=x value=word{number}\n");
        last = Some(publish(&store, &text));
        if number % 2 == 0 {
            store.index().unwrap();
        }
        // Also what is not indexed yet is found.
        assert_eq!(
            found(&store, &format!("word{number}"), Returns::Packages).len(),
            1
        );
    }
    let segments = std::fs::read_dir(folder.path().join("publisher/test/index")).unwrap();
    assert!(segments.count() <= 8);
    store.remove(&[last.unwrap()]).unwrap();
    assert!(found(&store, "word19", Returns::Packages).is_empty());
    store.index().unwrap();
    // A damaged index is as good as none.
    let index = folder.path().join("publisher/test/index");
    for segment in std::fs::read_dir(&index).unwrap() {
        std::fs::write(
            segment.unwrap().path(),
            "zones search index 1\nnonsense\0\n",
        )
        .unwrap();
    }
    assert_eq!(found(&store, "word3", Returns::Packages), ["p3"]);
    assert_eq!(store.reindex().unwrap().packages, 21);
}

#[test]
fn bad_queries_are_refused() {
    let deep = "(".repeat(100) + "a";
    let bad = [
        "", "(", ")", "a )", "a >", "<a", "AND", "a AND", "OR a", "\"a", "a:b:", &deep,
    ];
    for query in bad {
        let error = Query::new(query, Returns::Actions, false).unwrap_err();
        assert!(
            error.to_string().starts_with("Could not parse query"),
            "{query}"
        );
    }
    for query in [
        "",
        "False_2_None_None",
        "x_2_None_None_a",
        "False_3_None_None_a",
        "False_2_x_None_a",
    ] {
        assert!(Query::parse_v1(query).is_err(), "{query}");
    }
}

#[test]
fn replies_have_the_form_of_the_protocol() {
    let (_folder, store) = fixture();
    let query = Query::parse_v1("False_2_None_None_web server").unwrap();
    let hits = store.search(&query).unwrap();
    let fmri = &hits[0].fmri;
    let action = "set name=pkg.summary value=\"The Web server\"";
    let expected = format!("0 2 {fmri} The%20Web%20server {action}\n");
    assert_eq!(reply_v1(0, &hits), expected);
    let packages = Query::parse_v1("False_1_1_1_web").unwrap();
    let hits = store.search(&packages).unwrap();
    assert_eq!(reply_v1(3, &hits), format!("3 1 {fmri}\n"));
    let case = Query::parse_v1("True_2_None_None_HTTPD").unwrap();
    assert!(store.search(&case).unwrap().is_empty());
    let file = Query::new("httpd", Returns::Actions, false).unwrap();
    let hits = store.search(&file).unwrap();
    assert_eq!(
        reply_v0(&hits),
        format!("basename {fmri} file usr/bin/httpd\n")
    );
}
