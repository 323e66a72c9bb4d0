//! A depot as origin and target, against a small server over the same store.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use zones_ips::manifest::Unknown;
use zones_ips::{Action, Algorithm, Digest, Fmri, Manifest, quote};
use zones_repository::receive::{Selection, select, to_target};
use zones_repository::{
    Content, HttpOptions, HttpSource, Listing, Repository, Source, Store, Target,
};

/// Status, headers and body.
type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

struct Server {
    uri: String,
    store: Store,
    _folder: tempfile::TempDir,
}

/// Requests that are answered with 503 first.
static BUSY: AtomicUsize = AtomicUsize::new(0);

fn serve() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(folder.path()).unwrap();
    let store = repository.add_publisher(&"test".parse().unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/repo/", listener.local_addr().unwrap());
    let shared = Arc::new(store.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let store = shared.clone();
            std::thread::spawn(move || connection(&store, stream.unwrap()));
        }
    });
    Server {
        uri,
        store,
        _folder: folder,
    }
}

fn connection(store: &Store, stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim().split_once(':') else {
                break;
            };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|it| it.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let busy = BUSY.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1));
        let (status, extra, bytes) = match busy {
            Ok(_) => (503, Vec::new(), b"<p>busy</p>".to_vec()),
            Err(_) => answer(store, &path, &headers, &body),
        };
        let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", bytes.len());
        for (name, value) in extra {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
        stream.write_all(&bytes).ok()?;
    }
}

fn answer(store: &Store, path: &str, headers: &HashMap<String, String>, body: &[u8]) -> Answer {
    let text = |error: &dyn std::fmt::Display| {
        let page = format!("<html><p>{error}</p></html>");
        (400, Vec::new(), page.into_bytes())
    };
    let ok = |bytes: Vec<u8>| (200, Vec::new(), bytes);
    let missing = || (404, Vec::new(), Vec::new());
    let path = path.strip_prefix("/repo/").unwrap();
    let path = path.strip_prefix("test/").unwrap_or(path);
    let words: Vec<_> = path
        .split('/')
        .map(|word| quote::unquote(word).unwrap())
        .collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["versions", "0", ..] => ok(b"pkg-server x\nfile 0 1 2\n".to_vec()),
        ["publisher", "1", ..] => (500, Vec::new(), Vec::new()),
        ["publisher", "0", ..] => {
            let p5i = "{\"packages\":[],\"publishers\":[{\"name\":\"test\",\"packages\":[],\
                       \"repositories\":[]}],\"version\":1}";
            ok(p5i.into())
        }
        ["catalog", "1", name] => match store.catalog_file(name).unwrap() {
            Some(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).unwrap();
                ok(bytes)
            }
            None => missing(),
        },
        ["manifest", "0", name] => {
            let fmri: Fmri = format!("pkg://test/{name}").parse().unwrap();
            store.manifest_bytes(&fmri).map_or_else(|_| missing(), ok)
        }
        ["file", "0", name] => {
            let name = Digest::parse(Algorithm::Sha1, name).unwrap();
            match store.payload(&name) {
                Ok(mut file) => {
                    let mut bytes = Vec::new();
                    file.read_to_end(&mut bytes).unwrap();
                    ok(bytes)
                }
                Err(_) => missing(),
            }
        }
        ["open", "0", name] => match store.begin(&name.parse().unwrap()) {
            Ok(open) => (
                200,
                vec![("Transaction-ID", quote::quote(open.id()))],
                Vec::new(),
            ),
            Err(error) => text(&error),
        },
        [operation, version, id, ..] => {
            if headers.get("authorization").map(String::as_str) != Some("Bearer secret") {
                return (401, Vec::new(), b"<p>who are you?</p>".to_vec());
            }
            let Ok(open) = store.transaction(id) else {
                return missing();
            };
            let done = match (*operation, *version) {
                ("file", "1") => {
                    let name = headers["x-ipkg-setattr0"]
                        .strip_prefix("basename=")
                        .unwrap();
                    open.add_packed(Digest::parse(Algorithm::Sha1, name).unwrap(), body)
                }
                ("manifest", "1") => open.set_manifest(body),
                ("abandon", "0") => open.abandon(),
                ("close", "0") => {
                    return match open.close(Listing::Now) {
                        Ok(fmri) => (200, vec![("Package-FMRI", fmri.to_string())], Vec::new()),
                        Err(error) => text(&error),
                    };
                }
                _ => return missing(),
            };
            done.map_or_else(|error| text(&error), |()| ok(Vec::new()))
        }
        _ => missing(),
    }
}

fn manifest(text: &str) -> Manifest {
    Manifest::parse(text, Unknown::Refused).unwrap()
}

const FOO: &str = "set name=pkg.fmri value=pkg://test/app/foo@1.0\n\
    file a path=a owner=root group=root mode=0644\n\
    file b path=b owner=root group=root mode=0644\n";

fn content(action: &Action) -> zones_repository::Result<Option<Content>> {
    Ok(Some(action.payload().unwrap().as_bytes().to_vec().into()))
}

fn options(token: Option<&str>) -> HttpOptions {
    HttpOptions {
        token: token.map(str::to_owned),
        ..HttpOptions::default()
    }
}

#[test]
fn packages_go_to_a_depot_and_come_back() {
    let server = serve();
    let target = Target::open(&server.uri, &options(Some("secret"))).unwrap();
    // What passes is tried again.
    BUSY.store(2, Ordering::SeqCst);
    let fmri = target
        .publish(manifest(FOO), &content, Listing::Now)
        .unwrap();
    assert!(server.store.verify(&Default::default()).unwrap().is_empty());
    let source = HttpSource::new(&server.uri, &options(None)).unwrap();
    assert_eq!(source.versions("file").unwrap(), [0, 1, 2]);
    let wanted = select(&source, &Selection::default()).unwrap();
    assert_eq!(wanted.len(), 1);
    assert_eq!(wanted[0].fmri, fmri);
    let folder = tempfile::tempdir().unwrap();
    let copy = Target::Folder(Repository::create(folder.path()).unwrap());
    let done = to_target(&source, &wanted, &copy, Listing::Now, &|_, _, _| {}).unwrap();
    assert_eq!((done.packages.len(), done.payloads), (1, 2));
    let again = to_target(&source, &wanted, &target, Listing::Now, &|_, _, _| {}).unwrap();
    assert_eq!(again.known, std::slice::from_ref(&fmri));
    let absent: Fmri = "pkg://test/absent@1:20260101T000000Z".parse().unwrap();
    assert!(source.manifest(&absent, None).unwrap_err().is_missing());
    let nothing = Digest::of(Algorithm::Sha1, b"nothing");
    let publisher = fmri.publisher().unwrap();
    assert!(
        source
            .payload(publisher, &nothing)
            .map(drop)
            .unwrap_err()
            .is_missing()
    );
}

#[test]
fn what_a_depot_refuses_is_said_in_its_words() {
    let server = serve();
    let target = Target::open(&server.uri, &options(None)).unwrap();
    let error = target
        .publish(manifest(FOO), &content, Listing::Now)
        .unwrap_err();
    assert!(error.to_string().contains("401: who are you?"), "{error}");
    let target = Target::open(&server.uri, &options(Some("secret"))).unwrap();
    let bad = manifest("set name=pkg.fmri value=pkg://test/a\n");
    let error = target.publish(bad, &content, Listing::Now).unwrap_err();
    assert!(error.to_string().contains("needs a version"), "{error}");
    assert!(server.store.packages().unwrap().is_empty());
    for bad in ["ftp://127.0.0.1/", "http://", "nothing at all"] {
        assert!(HttpSource::new(bad, &options(None)).is_err(), "{bad}");
    }
}
