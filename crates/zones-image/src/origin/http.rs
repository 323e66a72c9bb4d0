//! A depot, over HTTP.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;
use zones_ips::catalog::{ATTRS, CATALOG_LEN_MAX};
use zones_ips::manifest::MANIFEST_LEN_MAX;
use zones_ips::p5i::{P5I_LEN_MAX, P5i};
use zones_ips::quote::quote;
use zones_ips::{Digest, Fmri, Publisher};
use zones_repository::source::Packed;
use zones_repository::{RepositoryError, Source};

type Result<T> = zones_repository::error::Result<T>;

/// How to reach origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `http://host:port` of a proxy; nothing is read from the environment.
    pub proxy: Option<String>,
    /// PEM text of a client certificate and of its key.
    pub identity: Option<(String, String)>,
    /// PEM text of authorities that servers may be certified by, beside those of the web.
    pub authorities: Option<String>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest silence of a server.
    pub silence_timeout: Duration,
    /// Tries for each request.
    pub tries: u32,
    /// Requests at the same time.
    pub connections: usize,
}

impl Default for Access {
    /// Source: pkg(1), "Environment".
    fn default() -> Self {
        Self {
            proxy: None,
            identity: None,
            authorities: None,
            connect_timeout: Duration::from_secs(60),
            silence_timeout: Duration::from_secs(30),
            tries: 4,
            connections: 8,
        }
    }
}

/// A depot as origin.
#[derive(Debug)]
pub struct HttpSource {
    /// With a slash at its end.
    base: String,
    agent: Agent,
    tries: u32,
}

impl HttpSource {
    /// The depot at this URI. Nothing is asked yet.
    ///
    /// # Errors
    /// The proxy or the certificates cannot be understood.
    pub fn new(uri: &str, access: &Access) -> Result<Self> {
        let failed = |why: String| failed(uri, why);
        let proxy = access.proxy.as_deref().map(ureq::Proxy::new).transpose();
        let proxy = proxy.map_err(|error| failed(format!("no proxy: {error}")))?;
        let config = Agent::config_builder()
            .proxy(proxy)
            .http_status_as_error(false)
            .accept_encoding("identity")
            .user_agent(concat!("pkg/zones-", env!("CARGO_PKG_VERSION")))
            .max_redirects(5)
            .max_idle_connections_per_host(access.connections)
            .max_idle_connections(access.connections)
            .timeout_connect(Some(access.connect_timeout))
            .timeout_recv_response(Some(access.silence_timeout))
            .timeout_per_read(Some(access.silence_timeout))
            .tls_config(tls(access).map_err(failed)?);
        let base = if uri.ends_with('/') {
            uri.to_owned()
        } else {
            format!("{uri}/")
        };
        Ok(Self {
            base,
            agent: config.build().into(),
            tries: access.tries.max(1),
        })
    }

    /// Opens a path below the base; None for 404.
    fn open(&self, path: &str) -> Result<Option<Packed>> {
        let uri = format!("{}{path}", self.base);
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.agent.get(&uri).call();
            let (why, is_passing) = match answer {
                Ok(answer) => match answer.status().as_u16() {
                    200 => return Ok(Some(Box::new(answer.into_body().into_reader()))),
                    404 => return Ok(None),
                    code => {
                        let is_passing = matches!(code, 408 | 429 | 500 | 502 | 503 | 504);
                        let text = message(answer.into_body().into_reader());
                        (format!("the server answers with status {code}{text}"), is_passing)
                    }
                },
                Err(error) => (error.to_string(), true),
            };
            if !is_passing || tries >= self.tries {
                return Err(failed(&uri, why));
            }
            std::thread::sleep(Duration::from_millis(50 << tries.min(6)));
        }
    }

    fn bytes(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let Some(body) = self.open(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let read = body.take(limit as u64 + 1).read_to_end(&mut bytes);
        let uri = || format!("{}{path}", self.base);
        read.map_err(|error| failed(&uri(), error.to_string()))?;
        if bytes.len() > limit {
            return Err(failed(&uri(), format!("more than {limit} bytes")));
        }
        Ok(Some(bytes))
    }

    /// What the depot says of its publishers.
    ///
    /// # Errors
    /// It cannot be reached, or its answer is no p5i.
    pub fn info(&self) -> Result<P5i> {
        for path in ["publisher/1/", "publisher/0/"] {
            let bytes = match self.bytes(path, P5I_LEN_MAX) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(error) if path == "publisher/1/" && is_answer(&error) => continue,
                Err(error) => return Err(error),
            };
            let parsed = P5i::parse(&bytes);
            return parsed.map_err(|error| failed(&self.base, error.to_string()));
        }
        Err(failed(&self.base, "it is no package depot".to_owned()))
    }
}

impl Source for HttpSource {
    fn location(&self) -> String {
        self.base.clone()
    }

    fn publishers(&self) -> Result<Vec<Publisher>> {
        let info = self.info()?;
        let names = info.publishers.iter().map(|it| it.name.parse());
        let names: std::result::Result<Vec<Publisher>, _> = names.collect();
        names.map_err(|error: zones_ips::fmri::FmriProblem| failed(&self.base, error.to_string()))
    }

    fn catalog_file(&self, publisher: &Publisher, name: &str) -> Result<Option<Vec<u8>>> {
        let path = format!("{publisher}/catalog/1/{}", quote(name));
        match self.bytes(&path, CATALOG_LEN_MAX)? {
            None if name == ATTRS => Err(failed(
                &self.base,
                format!("it has no catalog of publisher `{publisher}`"),
            )),
            other => Ok(other),
        }
    }

    fn manifest_bytes(&self, fmri: &Fmri) -> Result<Vec<u8>> {
        let (Some(publisher), Some((stem, version))) = (fmri.publisher(), fmri.quoted()) else {
            return Err(RepositoryError::NoPackage(fmri.clone()));
        };
        let path = format!("{publisher}/manifest/0/{stem}@{version}");
        let bytes = self.bytes(&path, MANIFEST_LEN_MAX)?;
        bytes.ok_or_else(|| RepositoryError::NoPackage(fmri.clone()))
    }

    fn payload(&self, publisher: &Publisher, name: &Digest) -> Result<Packed> {
        let body = self.open(&format!("{publisher}/file/1/{name}"))?;
        body.ok_or(RepositoryError::NoPayload(*name))
    }
}

fn failed(location: &str, why: String) -> RepositoryError {
    RepositoryError::Source {
        location: location.to_owned(),
        why,
    }
}

/// Whether the server was reached and said no.
fn is_answer(error: &RepositoryError) -> bool {
    error.to_string().contains("answers with status")
}

/// The text in the error page of a depot, bounded.
fn message(body: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = body.take(4096).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let inner = text.split_once("<p>").and_then(|(_, rest)| rest.split_once("</p>"));
    match inner {
        Some((text, _)) if !text.trim().is_empty() => format!(": {}", text.trim()),
        _ => String::new(),
    }
}

fn tls(access: &Access) -> std::result::Result<ureq::tls::TlsConfig, String> {
    use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
    let mut config = TlsConfig::builder();
    if let Some(text) = &access.authorities {
        let items: Vec<_> = parse_pem(text.as_bytes()).collect();
        let certs = items.into_iter().filter_map(|item| match item {
            Ok(PemItem::Certificate(cert)) => Some(cert),
            _ => None,
        });
        let certs: Vec<_> = certs.collect();
        config = config.root_certs(RootCerts::new_with_certs(&certs));
    }
    if let Some((cert, key)) = &access.identity {
        let certs = parse_pem(cert.as_bytes()).filter_map(|item| match item {
            Ok(PemItem::Certificate(cert)) => Some(cert),
            _ => None,
        });
        let certs: Vec<Certificate<'static>> = certs.collect();
        let key = PrivateKey::from_pem(key.as_bytes())
            .map_err(|error| format!("the client key cannot be read: {error}"))?;
        if certs.is_empty() {
            return Err("the file of the client certificate has none".to_owned());
        }
        config = config.client_cert(Some(ClientCert::new_with_certs(&certs, key)));
    }
    Ok(config.build())
}
