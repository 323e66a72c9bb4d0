//! TLS for the server, with certificates of clients where they are asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::error::DepotError;

/// PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, then those between it and its authority.
    pub certificates: PathBuf,
    /// The key of the first certificate, not encrypted.
    pub key: PathBuf,
    /// Authorities of certificates that clients may show. A client that shows a good one may
    /// publish; one that shows none may read; one that shows a bad one is turned away.
    pub client_authorities: Option<PathBuf>,
}

pub(crate) fn config(files: &TlsFiles) -> Result<Arc<ServerConfig>, DepotError> {
    let chain = certificates(&files.certificates)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| DepotError::file(&files.key, format!("no private key: {error}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(DepotError::Tls)?;
    let builder = match &files.client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path)? {
                let added = roots.add(authority);
                added.map_err(|error| DepotError::file(path, error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| DepotError::file(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(DepotError::Tls)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, DepotError> {
    let failed = |error| DepotError::file(path, format!("no certificate: {error}"));
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect();
    match all.map_err(failed)? {
        all if all.is_empty() => Err(DepotError::file(path, "it holds no certificate (PEM)")),
        all => Ok(all),
    }
}
