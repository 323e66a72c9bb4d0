//! TLS: who may read, who may publish, who is turned away.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not in a test")]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use support::client::{self, Reply};
use support::{Running, fixture};
use zones_depot::TlsFiles;

/// An authority, and files of what it signed.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let file = folder.join(format!("{name}.pem"));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            file,
        }
    }

    /// Signs a certificate; its file and that of its key.
    fn sign(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = (
            folder.join(format!("{name}.crt")),
            folder.join(format!("{name}.key")),
        );
        std::fs::write(&files.0, certificate.pem()).unwrap();
        std::fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }
}

fn depot(with_authorities: bool) -> Running {
    Running::with(fixture::publishers_one, |config, folder| {
        let servers = Authority::new(folder, "servers");
        let clients = Authority::new(folder, "clients");
        let strangers = Authority::new(folder, "strangers");
        clients.sign(folder, "publisher");
        strangers.sign(folder, "stranger");
        let (certificates, key) = servers.sign(folder, "server");
        config.tls = Some(TlsFiles {
            certificates,
            key,
            client_authorities: with_authorities.then_some(clients.file),
        });
    })
}

/// Asks with the certificate of this name; an error is that of the handshake or of the connection.
fn ask(depot: &Running, client: Option<&str>, path: &str) -> Result<Reply, String> {
    let folder = depot.folder.path();
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(folder.join("servers.pem")).unwrap() {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let chain = CertificateDer::pem_file_iter(folder.join(format!("{name}.crt")));
            let chain = chain.unwrap().map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let name = "localhost".try_into().unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(session, client::connect(depot.port));
    let text = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream
        .write_all(text.as_bytes())
        .map_err(|error| error.to_string())?;
    // The server refuses a certificate after the client has sent its first bytes.
    while stream.conn.wants_read() && stream.conn.is_handshaking() {
        stream
            .conn
            .complete_io(&mut stream.sock)
            .map_err(|error| error.to_string())?;
    }
    let mut first = [0; 1];
    std::io::Read::read_exact(&mut stream, &mut first).map_err(|error| error.to_string())?;
    let mut all = std::io::Read::chain(&first[..], stream);
    Ok(client::read(&mut all, false))
}

const OPEN: &str = "/open/0/pkg%3A%2F%2Ftest%2Fapp%2Fnew@9.0";

#[test]
fn reading_needs_no_certificate_and_large_files_arrive() {
    let depot = depot(true);
    let hash = zones_ips::Digest::of(zones_ips::Algorithm::Sha1, &fixture::blob());
    let reply = ask(&depot, None, &format!("/file/1/{hash}")).unwrap();
    assert_eq!(reply.status, 200);
    let mut blob = Vec::new();
    let mut unpacked = flate2::read::MultiGzDecoder::new(&reply.body[..]);
    std::io::Read::read_to_end(&mut unpacked, &mut blob).unwrap();
    assert!(blob == fixture::blob());
}

#[test]
fn publishing_needs_a_certificate_of_ours() {
    let depot = depot(true);
    let reply = ask(&depot, None, OPEN).unwrap();
    assert_eq!(reply.status, 403);
    assert!(
        reply.text().contains("needs a client certificate"),
        "{}",
        reply.text()
    );
    let reply = ask(&depot, Some("publisher"), OPEN).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("Transaction-ID").is_some());
    let log = depot.logged_with(" - cert-");
    assert!(log.contains(" - cert-"), "{log}");
    let error = ask(&depot, Some("stranger"), "/versions/0/").unwrap_err();
    assert!(!error.is_empty());
    let page = ask(&depot, None, "/").unwrap().text();
    assert!(page.contains("-g https://localhost/ test"), "{page}");
}

#[test]
fn certificates_that_nobody_asked_for_are_not_shown() {
    let depot = depot(false);
    let reply = ask(&depot, Some("stranger"), "/versions/0/").unwrap();
    assert_eq!(reply.status, 200);
}

#[test]
fn plain_http_to_a_tls_port_ends_soon_and_harms_nobody() {
    let depot = depot(true);
    let mut stream: TcpStream = client::connect(depot.port);
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut all = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut all);
    assert!(!all.starts_with(b"HTTP/1.1 200"));
    assert_eq!(ask(&depot, None, "/versions/0/").unwrap().status, 200);
}
