//! A depot, as origin: `http:` and `https:`. Source: pkg.depotd(8).

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, Body, http::Response};
use zones_ips::catalog::{ATTRS, CATALOG_LEN_MAX};
use zones_ips::manifest::MANIFEST_LEN_MAX;
use zones_ips::p5i::{P5I_LEN_MAX, P5i};
use zones_ips::{Digest, Fmri, Publisher, quote};

use super::{Packed, Source, bounded, payload_name};
use crate::error::{RepositoryError, Result};
use crate::search::{Hit, Query, read_v1};

/// How often a request is made before its transient error is given on.
const TRIES: usize = 4;
/// Redirects that are followed.
const REDIRECTS: u32 = 5;
/// Statuses that send a client elsewhere.
const REDIRECTED: [u16; 5] = [301, 302, 303, 307, 308];
/// What a server must give on average. Source: pkg(1), `PKG_CLIENT_LOWSPEED_TIMEOUT`.
const LEAST_BYTES_PER_SECOND: u64 = 1024;
/// Bytes of `catalog.attrs`: it names the files of a catalog.
const ATTRS_LEN_MAX: usize = 16 << 20;
/// Bytes that the answer of a search may have.
const SEARCH_LEN_MAX: usize = 64 << 20;
/// Bytes of an error page that are looked at.
const PAGE_LEN_MAX: usize = 64 * 1024;
/// Statuses after which another try may help. Source: pkg(1), transport.
const TRANSIENT: [u16; 4] = [408, 502, 503, 504];

/// How to reach a depot.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Sent as `Authorization: Bearer`.
    pub token: Option<String>,
    /// Certificate and key of this client, PEM.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
    /// Certificates that the depot's must lead to, PEM; else the well-known ones.
    pub anchors: Option<Vec<u8>>,
    /// A proxy: `http://host:port`.
    pub proxy: Option<String>,
    /// To connect.
    pub connect: Duration,
    /// Without a single byte, or with less than 1024 bytes a second.
    pub silence: Duration,
    /// Connections that are kept.
    pub connections: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            token: None,
            client: None,
            anchors: None,
            proxy: None,
            connect: Duration::from_secs(60),
            silence: Duration::from_secs(30),
            connections: 16,
        }
    }
}

/// A depot. Cheap to clone; connections are shared and kept.
#[derive(Debug, Clone)]
pub struct HttpSource {
    origin: Arc<str>,
    agent: Agent,
    silence: Duration,
    token: Option<Arc<str>>,
}

/// What a request sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outgoing<'a> {
    Nothing,
    Bytes(&'a [u8]),
}

impl HttpSource {
    /// A depot at this origin, such as `http://example.org/repo`. Nothing is asked of it yet.
    ///
    /// # Errors
    ///
    /// No URI of that kind, or a certificate, key or proxy that is none.
    pub fn new(origin: &str, options: &HttpOptions) -> Result<Self> {
        let refused = |why: String| RepositoryError::Source {
            location: origin.to_owned(),
            why,
        };
        let parsed: Result<ureq::http::Uri, _> = origin.parse();
        let parsed = parsed.map_err(|error| refused(error.to_string()))?;
        if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.host().is_none() {
            return Err(refused("not an http: or https: URI".to_owned()));
        }
        let proxy = options.proxy.as_deref().map(ureq::Proxy::new).transpose();
        let config = Agent::config_builder()
            .proxy(proxy.map_err(|error| refused(error.to_string()))?)
            .tls_config(tls(options).map_err(|error| refused(error.to_string()))?)
            .http_status_as_error(false)
            .accept_encoding("identity")
            .max_redirects(0)
            .user_agent(concat!("zones/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections(options.connections)
            .max_idle_connections_per_host(options.connections)
            .timeout_connect(Some(options.connect))
            .timeout_recv_response(Some(options.silence))
            .timeout_per_read(Some(options.silence));
        Ok(Self {
            origin: origin.trim_end_matches('/').into(),
            agent: config.build().into(),
            silence: options.silence,
            token: options.token.as_deref().map(Into::into),
        })
    }

    pub(crate) fn failed(&self, path: &str, why: &impl ToString) -> RepositoryError {
        RepositoryError::Source {
            location: format!("{}/{path}", self.origin),
            why: why.to_string(),
        }
    }

    /// Asks for a path below the origin. Transient errors are tried again. Gives any answer that is
    /// no error, and None for 404.
    pub(crate) fn ask(
        &self,
        path: &str,
        headers: &[(String, String)],
        send: Outgoing<'_>,
    ) -> Result<Option<Response<Body>>> {
        let mut uri = format!("{}/{path}", self.origin);
        let mut left = TRIES;
        let mut hops = 0;
        loop {
            left -= 1;
            let why = match self.once(&uri, headers, send) {
                Ok(answer) if REDIRECTED.contains(&answer.status().as_u16()) => {
                    hops += 1;
                    let next = redirected(&uri, &answer);
                    let next = next.filter(|_| hops <= REDIRECTS && is_question(send));
                    uri = next.ok_or_else(|| self.failed(path, &refusal(&answer)))?;
                    left += 1;
                    continue;
                }
                Ok(answer) if answer.status().is_success() => return Ok(Some(answer)),
                Ok(answer) if answer.status() == 404 => return Ok(None),
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    let why = format!("{status}: {}", reason(answer));
                    if !TRANSIENT.contains(&status) {
                        return Err(self.failed(path, &why));
                    }
                    why
                }
                Err(error @ (ureq::Error::BadUri(_) | ureq::Error::Http(_))) => {
                    return Err(self.failed(path, &error));
                }
                Err(error) => error.to_string(),
            };
            if left == 0 {
                return Err(self.failed(path, &why));
            }
            std::thread::sleep(Duration::from_millis(100) * (TRIES - left) as u32);
        }
    }

    fn once(
        &self,
        uri: &str,
        headers: &[(String, String)],
        send: Outgoing<'_>,
    ) -> Result<Response<Body>, ureq::Error> {
        let token = self.token.as_deref().map(|token| format!("Bearer {token}"));
        match send {
            Outgoing::Nothing => {
                let mut request = self.agent.get(uri);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                if let Some(token) = token {
                    request = request.header("Authorization", token);
                }
                request.call()
            }
            Outgoing::Bytes(bytes) => {
                let mut request = self.agent.post(uri);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                if let Some(token) = token {
                    request = request.header("Authorization", token);
                }
                request.send(bytes)
            }
        }
    }

    /// The whole answer to a question, at most `limit` bytes; None for 404.
    fn whole(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let Some(answer) = self.ask(path, &[], Outgoing::Nothing)? else {
            return Ok(None);
        };
        let location = format!("{}/{path}", self.origin);
        bounded(self.paced(answer), limit, &location).map(Some)
    }

    /// The body, as long as it comes fast enough.
    fn paced(&self, answer: Response<Body>) -> impl Read + Send + 'static {
        Paced {
            from: reader(answer),
            window: self.silence,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// The versions of an operation that the depot knows; none when it says nothing.
    ///
    /// # Errors
    ///
    /// It cannot be reached.
    pub fn versions(&self, operation: &str) -> Result<Vec<u32>> {
        let text = self.whole("versions/0/", PAGE_LEN_MAX)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut lines = text.lines().map(str::split_whitespace);
        let line = lines.find_map(|mut words| (words.next() == Some(operation)).then_some(words));
        Ok(line
            .into_iter()
            .flatten()
            .filter_map(|it| it.parse().ok())
            .collect())
    }

    /// What the depot says of its publishers.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or answers with nonsense.
    pub fn publisher_info(&self) -> Result<P5i> {
        let newest = self.whole("publisher/1/", P5I_LEN_MAX);
        let answer = match newest {
            Ok(Some(bytes)) => Some(bytes),
            // The newer operation is broken in some depots.
            _ => self.whole("publisher/0/", P5I_LEN_MAX)?,
        };
        let bytes = answer.ok_or_else(|| self.failed("publisher/0/", &"no package depot"))?;
        P5i::parse(&bytes).map_err(|error| self.failed("publisher/0/", &error))
    }
}

/// The body, without the limit that the library sets.
pub(crate) fn reader(answer: Response<Body>) -> impl Read + Send + 'static {
    answer
        .into_body()
        .into_with_config()
        .limit(u64::MAX)
        .reader()
}

/// Where an answer sends a client, if it may go there: the same server, or the same by `https:`.
/// Another one was not named by whoever trusts this origin.
fn redirected(from: &str, answer: &Response<Body>) -> Option<String> {
    let target = answer.headers().get("location")?.to_str().ok()?;
    let old: ureq::http::Uri = from.parse().ok()?;
    let (scheme, authority) = (old.scheme_str()?, old.authority()?.as_str());
    if target.starts_with('/') && !target.starts_with("//") {
        return Some(format!("{scheme}://{authority}{target}"));
    }
    let new: ureq::http::Uri = target.parse().ok()?;
    let is_same = new.authority()?.as_str().eq_ignore_ascii_case(authority);
    let is_fit = new.scheme_str() == Some(scheme) || new.scheme_str() == Some("https");
    (is_same && is_fit).then(|| new.to_string())
}

fn refusal(answer: &Response<Body>) -> String {
    let target = answer.headers().get("location");
    let target = target.and_then(|it| it.to_str().ok()).unwrap_or("nowhere");
    let status = answer.status().as_u16();
    format!(
        "{status}: it sends its clients to '{target}', where this one does not go; name that as \
         the origin if you trust it"
    )
}

fn is_question(send: Outgoing<'_>) -> bool {
    matches!(send, Outgoing::Nothing)
}

/// Fails when too little comes for too long: a server that says a byte now and then is as good as
/// silent. Only the time that reading takes counts.
struct Paced<R> {
    from: R,
    window: Duration,
    waited: Duration,
    bytes: u64,
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let start = Instant::now();
        let read = self.from.read(buffer)?;
        self.waited += start.elapsed();
        self.bytes += read as u64;
        if read > 0 && self.waited >= self.window {
            let least = self.window.as_secs().max(1) * LEAST_BYTES_PER_SECOND;
            if self.bytes < least {
                return Err(std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("less than {LEAST_BYTES_PER_SECOND} bytes a second came"),
                ));
            }
            self.waited = Duration::ZERO;
            self.bytes = 0;
        }
        Ok(read)
    }
}

/// What an error page says: the text of its paragraph, else the page without tags.
fn reason(answer: Response<Body>) -> String {
    let phrase = answer.status().canonical_reason().unwrap_or_default();
    let page = reader(answer).take(PAGE_LEN_MAX as u64);
    let page = bounded(page, PAGE_LEN_MAX, "").unwrap_or_default();
    let page = String::from_utf8_lossy(&page).into_owned();
    let paragraph = page.split_once("<p>").map_or(&*page, |(_, tail)| tail);
    let paragraph = paragraph
        .split_once("</p>")
        .map_or(paragraph, |(head, _)| head);
    let mut is_tag = false;
    let plain = paragraph.chars().filter(|letter| {
        let was_tag = is_tag;
        is_tag = *letter == '<' || (is_tag && *letter != '>');
        !(was_tag || is_tag || letter.is_control())
    });
    let text: String = plain.take(300).collect();
    let text = text.trim().replace("&lt;", "<").replace("&gt;", ">");
    let text = text
        .replace("&#x27;", "'")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    if text.is_empty() {
        phrase.to_owned()
    } else {
        text
    }
}

fn tls(options: &HttpOptions) -> Result<TlsConfig, ureq::Error> {
    let certificates = |pem: &[u8]| -> Result<Vec<Certificate<'static>>, ureq::Error> {
        let items = ureq::tls::parse_pem(pem).filter_map(|item| match item {
            Ok(ureq::tls::PemItem::Certificate(it)) => Some(Ok(it)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        });
        items.collect()
    };
    let mut config = TlsConfig::builder();
    if let Some((chain, key)) = &options.client {
        let key = PrivateKey::from_pem(key)?;
        config = config.client_cert(Some(ClientCert::new_with_certs(&certificates(chain)?, key)));
    }
    if let Some(anchors) = &options.anchors {
        let anchors = certificates(anchors)?;
        config = config.root_certs(RootCerts::new_with_certs(&anchors));
    }
    Ok(config.build())
}

/// The package in a path: stem, `@` and version, escaped.
fn in_path(fmri: &Fmri) -> Option<String> {
    let (stem, version) = fmri.quoted()?;
    Some(format!("{stem}@{version}"))
}

impl Source for HttpSource {
    fn location(&self) -> String {
        self.origin.to_string()
    }

    fn publishers(&self) -> Result<Vec<Publisher>> {
        let known = self.publisher_info()?.publishers;
        let names = known.into_iter().map(|it| it.name.parse());
        let names: Result<_, zones_ips::fmri::FmriProblem> = names.collect();
        names.map_err(|error| self.failed("publisher/0/", &error))
    }

    fn catalog_file(&self, publisher: &Publisher, name: &str) -> Result<Option<Vec<u8>>> {
        let limit = match name {
            ATTRS => ATTRS_LEN_MAX,
            _ => CATALOG_LEN_MAX,
        };
        let name = quote::quote(name);
        self.whole(&format!("{publisher}/catalog/1/{name}"), limit)
    }

    fn manifest_bytes(&self, fmri: &Fmri) -> Result<Vec<u8>> {
        let missing = || RepositoryError::NoPackage(fmri.clone());
        let name = in_path(fmri).ok_or_else(missing)?;
        let path = match fmri.publisher() {
            Some(publisher) => format!("{publisher}/manifest/0/{name}"),
            None => format!("manifest/0/{name}"),
        };
        self.whole(&path, MANIFEST_LEN_MAX)?.ok_or_else(missing)
    }

    fn search(&self, publisher: &Publisher, query: &Query) -> Result<Option<Vec<Hit>>> {
        let path = format!("{publisher}/search/1/{}", quote::quote(&query.to_v1()));
        let Some(bytes) = self.whole(&path, SEARCH_LEN_MAX)? else {
            return Ok(None);
        };
        let hits = read_v1(query, &String::from_utf8_lossy(&bytes));
        let hits = hits.ok_or_else(|| self.failed(&path, &"no answer of a search"))?;
        Ok(Some(hits))
    }

    fn payload(&self, publisher: &Publisher, name: &Digest) -> Result<Packed> {
        let path = format!("{publisher}/file/0/{}", payload_name(name)?);
        let answer = self.ask(&path, &[], Outgoing::Nothing)?;
        let answer = answer.ok_or(RepositoryError::NoPayload(*name))?;
        Ok(Box::new(self.paced(answer)))
    }
}
