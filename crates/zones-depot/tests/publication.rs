//! Publication by the newer protocol, and readers beside it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not in a test")]

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use support::client::{self, Reply};
use support::{Running, fixture};
use zones_ips::catalog::{ATTRS, Attrs, BASE, Part, Signed};
use zones_ips::{Algorithm, Digest};

fn post(port: u16, path: &str, headers: &str, body: &[u8]) -> Reply {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    client::say(port, &[head.as_bytes(), body].concat())
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

fn open(port: u16, name: &str) -> String {
    let name = name.replace('/', "%2F");
    let reply = client::get(port, &format!("/open/0/pkg:%2F%2Ftest%2F{name}"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("Transaction-ID").unwrap().to_owned()
}

/// A payload and a manifest that names it, sent as pkgsend of today does.
fn send(port: u16, id: &str, content: &[u8]) {
    let hash = Digest::of(Algorithm::Sha1, content);
    let gzip = packed(content);
    let header = format!("X-IPkg-SetAttr0: basename={hash}\r\n");
    let reply = post(port, &format!("/file/1/{id}"), &header, &gzip);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("Content-Length"), Some("0"));
    let chash = Digest::of(Algorithm::Sha1, &gzip);
    let (size, csize) = (content.len(), gzip.len());
    let manifest = format!(
        "set name=pkg.summary value=sent\nfile {hash} chash={chash} group=sys mode=0644 owner=root \
         path=etc/sent pkg.csize={csize} pkg.size={size}\n"
    );
    let reply = post(port, &format!("/manifest/1/{id}"), "", manifest.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[test]
fn packed_payloads_and_a_whole_manifest() {
    let depot = Running::new();
    let port = depot.port;
    let id = open(port, "app/sent@1.0,5.11:20261201T000000Z");
    send(port, &id, b"hello");
    let reply = client::get(port, &format!("/close/0/{id}"));
    assert_eq!(reply.header("State"), Some("PUBLISHED"), "{}", reply.text());
    let fmri = "pkg://test/app/sent@1.0,5.11:20261201T000000Z";
    assert_eq!(reply.header("Package-FMRI"), Some(fmri));
    let hash = Digest::of(Algorithm::Sha1, b"hello");
    let reply = client::get(port, &format!("/file/1/{hash}"));
    assert_eq!(reply.status, 200);
    let manifest = client::get(port, "/manifest/1/app/sent@1.0,5.11:20261201T000000Z").text();
    let chash = Digest::of(Algorithm::Sha1, &reply.body);
    assert!(manifest.contains(&format!("chash={chash}")), "{manifest}");
    assert!(
        manifest.starts_with(&format!("set name=pkg.fmri value={fmri}\n")),
        "{manifest}"
    );
}

#[test]
fn a_closed_package_may_stay_unlisted_until_a_refresh() {
    let depot = Running::new();
    let port = depot.port;
    let id = open(port, "app/later@1.0,5.11:20261201T000000Z");
    send(port, &id, b"later");
    let text = format!(
        "GET /close/0/{id} HTTP/1.1\r\nHost: localhost\r\nX-IPkg-Add-To-Catalog: 0\r\n\r\n"
    );
    assert_eq!(client::say(port, text.as_bytes()).status, 200);
    assert_eq!(client::get(port, "/p5i/0/app/later").status, 404);
    let path = "/manifest/1/app/later@1.0,5.11:20261201T000000Z";
    assert_eq!(client::get(port, path).status, 200);
    assert_eq!(
        client::get(port, "/admin/0?cmd=refresh-packages").status,
        200
    );
    assert_eq!(client::get(port, "/p5i/0/app/later").status, 200);
}

#[test]
fn a_publisher_that_vanishes_in_a_payload_leaves_nothing() {
    let depot = Running::new();
    let port = depot.port;
    let id = open(port, "app/gone@1.0,5.11:20261201T000000Z");
    let content = fixture::blob().repeat(2);
    let hash = Digest::of(Algorithm::Sha1, &content);
    let gzip = packed(&content);
    let head = format!(
        "POST /file/1/{id} HTTP/1.1\r\nHost: localhost\r\nX-IPkg-SetAttr0: basename={hash}\r\n\
         Content-Length: {}\r\n\r\n",
        gzip.len()
    );
    let mut stream = client::connect(port);
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&gzip[..gzip.len() / 2]).unwrap();
    drop(stream);
    // The manifest needs what did not arrive.
    let manifest = format!("file {hash} group=sys mode=0644 owner=root path=etc/gone\n");
    post(port, &format!("/manifest/1/{id}"), "", manifest.as_bytes());
    let reply = client::get(port, &format!("/close/0/{id}"));
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(client::get(port, &format!("/file/1/{hash}")).status, 404);
    assert_eq!(client::get(port, &format!("/abandon/0/{id}")).status, 200);
    let left = depot.repository().join("publisher/test/trans");
    assert_eq!(std::fs::read_dir(left).unwrap().count(), 0);
}

#[test]
fn readers_see_whole_catalogs_while_packages_come() {
    const PACKAGES: usize = 12;
    let depot = Running::new();
    let port = depot.port;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut last = None;
                while !over.load(Ordering::Relaxed) {
                    let bytes = client::get(port, "/catalog/1/catalog.attrs").body;
                    let attrs = Attrs::parse(&bytes, Signed::Required).expect("whole attributes");
                    assert!(
                        last.is_none_or(|last| last <= attrs.version_count),
                        "it went back"
                    );
                    last = Some(attrs.version_count);
                    let bytes = client::get(port, "/catalog/1/catalog.base.C").body;
                    let (part, _) = Part::parse(&bytes, Signed::Required).expect("a whole part");
                    // The part is at least as new as the attributes that were read before.
                    assert!(part.counts().1 as u64 >= attrs.version_count);
                    let page = client::get(port, "/test/en/catalog.shtml");
                    assert_eq!(page.status, 200, "{}", page.text());
                }
            });
        }
        for number in 0..PACKAGES {
            let id = open(port, &format!("app/many@{number}.0"));
            send(port, &id, format!("content {number}").as_bytes());
            let reply = client::get(port, &format!("/close/0/{id}"));
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        over.store(true, Ordering::Relaxed);
    });
    let bytes = client::get(port, &format!("/catalog/1/{ATTRS}")).body;
    let attrs = Attrs::parse(&bytes, Signed::Required).unwrap();
    assert_eq!(attrs.version_count, 3 + PACKAGES as u64);
    let bytes = client::get(port, &format!("/catalog/1/{BASE}")).body;
    let (_, digest) = Part::parse(&bytes, Signed::Required).unwrap();
    assert_eq!(attrs.parts[BASE].signature, digest);
}
