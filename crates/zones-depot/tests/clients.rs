//! Many clients at once, a socket of the file system, and the log.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not in a test")]

mod support;

use std::io::Write;
use std::os::unix::net::UnixStream;

use support::client;
use support::{Running, fixture};
use zones_depot::{Address, Depot, DepotError, Logs};

#[test]
fn two_hundred_clients_fetch_what_an_installation_fetches() {
    const CLIENTS: usize = 200;
    let depot = Running::new();
    let paths = [
        "/versions/0/".to_owned(),
        "/publisher/1/".to_owned(),
        "/catalog/1/catalog.attrs".to_owned(),
        "/catalog/1/catalog.base.C".to_owned(),
        format!("/test/manifest/1/{}", fixture::FOO_1),
        format!("/test/manifest/1/{}", fixture::FOO_2),
        format!("/test/file/1/{}", fixture::FOO_CONF_HASH),
        format!(
            "/test/file/1/{}",
            zones_ips::Digest::of(zones_ips::Algorithm::Sha1, &fixture::blob())
        ),
    ];
    let barrier = std::sync::Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (depot, paths, barrier) = (&depot, &paths, &barrier);
            scope.spawn(move || {
                let mut stream = client::connect(depot.port);
                barrier.wait();
                for round in 0..paths.len() * 2 {
                    let path = &paths[(number + round) % paths.len()];
                    let text = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
                    stream.write_all(text.as_bytes()).unwrap();
                    let reply = client::read(&mut std::io::BufReader::new(&stream), false);
                    assert_eq!(reply.status, 200, "{path}");
                    assert!(!reply.body.is_empty(), "{path}");
                }
            });
        }
    });
    let text = client::get(depot.port, "/metrics").text();
    assert!(text.contains("connections_broken_total 0\n"), "{text}");
    assert!(text.contains("connections_refused_total 0\n"), "{text}");
}

#[test]
fn a_socket_of_the_file_system() {
    let mut path = std::path::PathBuf::new();
    let depot = Running::with(fixture::publishers_one, |config, folder| {
        path = folder.join("socket");
        // What a depot that was killed leaves behind.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        config.addresses.push(Address::Unix(path.clone()));
    });
    let mode = std::fs::metadata(&path).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o660
    );
    let mut stream = UnixStream::connect(&path).unwrap();
    let text = "GET /open/0/pkg:%2F%2Ftest%2Fapp%2Fnew@1.0 HTTP/1.1\r\nHost: whatever\r\n\r\n";
    stream.write_all(text.as_bytes()).unwrap();
    assert_eq!(client::read(&mut stream, false).status, 200);
    let log = depot.logged();
    assert!(log.starts_with("unix - - ["), "{log}");
    // A second depot does not take the socket away from one that lives.
    let config = zones_depot::Config {
        repository: depot.repository(),
        addresses: vec![Address::Unix(path.clone())],
        ..zones_depot::Config::default()
    };
    let second = Depot::open(config, Logs::default()).unwrap().bind();
    assert!(
        matches!(second, Err(DepotError::Listen { .. })),
        "{second:?}"
    );
    drop(depot);
    assert!(!path.exists());
}

#[test]
fn one_line_for_each_request() {
    let depot = Running::new();
    let text = "GET /versions/0/ HTTP/1.1\r\nHost: x\r\nUser-Agent: pkg/\"1\"\r\nReferer: http://a/\r\n\r\n";
    let length = client::say(depot.port, text.as_bytes()).body.len();
    let log = depot.logged();
    assert!(log.starts_with("127.0.0.1 - - ["), "{log}");
    let end = format!(
        " +0000] \"GET /versions/0/ HTTP/1.1\" 200 {length} \"http://a/\" \"pkg/\\\"1\\\"\"\n"
    );
    assert!(log.ends_with(&end), "{log}");
}

#[test]
fn a_depot_that_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let config = |repository| zones_depot::Config {
        repository,
        ..zones_depot::Config::default()
    };
    let missing = Depot::open(config(folder.path().join("none")), Logs::default());
    let text = missing
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(text.contains("none"), "{text}");
    let none = Depot::open(config(folder.path().to_owned()), Logs::default());
    let text = none
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(text.contains("pkgrepo create"), "{text}");
    fixture::empty(&folder.path().join("repo"));
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "build:0123456789abcdef\n").unwrap();
    let open = zones_depot::Config {
        tokens: Some(tokens.clone()),
        ..config(folder.path().join("repo"))
    };
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&tokens, mode).unwrap();
    let text = Depot::open(open, Logs::default())
        .err()
        .map(|error| error.to_string());
    assert!(text.unwrap_or_default().contains("set its mode to 0600"));
}
