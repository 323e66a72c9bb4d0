//! Files from mirrors: retried, resumed, verified.

mod names;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ureq::Agent;
use zones_archive::{Phase, Progress};

use crate::cache::Cache;
use crate::hash::Hasher;
use crate::release::Want;

pub(crate) use names::Names;

/// How to reach mirrors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// `http://host:port` of a proxy; nothing is read from the environment.
    pub proxy: Option<String>,
    /// Files fetched at the same time.
    pub connections: usize,
    /// Tries for each file.
    pub tries: u32,
    /// Wait before the second try; doubles each time.
    pub backoff: Duration,
    /// Longest silence of a mirror.
    pub timeout: Duration,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            proxy: None,
            connections: 4,
            tries: 4,
            backoff: Duration::from_millis(500),
            timeout: Duration::from_secs(30),
        }
    }
}

/// Why a file cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[error("cannot fetch `{uri}`: {fault}")]
pub struct FetchError {
    /// The file.
    pub uri: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a fetch.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The mirror does not have it.
    #[error("the mirror does not have it (404); check the URI and suite, or try again later")]
    Missing,
    /// Another answer than the file.
    #[error("the mirror answers with status {0}")]
    Status(u16),
    /// No answer, or the connection breaks.
    #[error("{0}; check the network and the URI")]
    Network(String),
    /// Neither http, https nor file, or not to be read.
    #[error("{0}")]
    Uri(String),
    /// It ends early.
    #[error("it ends after {got} of {want} bytes; try again or choose another mirror")]
    Short {
        /// Bytes that came.
        got: u64,
        /// Bytes in the index.
        want: u64,
    },
    /// It is larger than the index says.
    #[error("it is larger than the {0} bytes it should have; choose another mirror")]
    Large(u64),
    /// The content is another.
    #[error("its SHA-256 is {got} and should be {want}; choose another mirror")]
    Hash {
        /// Of the index.
        want: String,
        /// Of the content.
        got: String,
    },
    /// The cache cannot take it.
    #[error("cannot store it as `{}`: {source}; make room there", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Fault {
    /// Whether another try may help.
    fn is_passing(&self) -> bool {
        match self {
            Self::Network(_) | Self::Short { .. } => true,
            Self::Status(code) => *code >= 500 || *code == 408 || *code == 429,
            _ => false,
        }
    }
}

/// An open answer and where in the file it starts.
struct Answer {
    body: Box<dyn Read + Send>,
    offset: u64,
}

/// From here on, in bytes per second, three more megabytes cost less than unpacking xz.
const FAST: u64 = 8_000_000;

/// Fetches files.
pub(crate) struct Fetcher<'a> {
    agent: Agent,
    network: &'a Network,
    progress: &'a dyn Progress,
    /// Bytes per second of the fastest small file.
    speed: AtomicU64,
}

impl<'a> Fetcher<'a> {
    pub(crate) fn new(
        network: &'a Network,
        names: &Names,
        progress: &'a dyn Progress,
    ) -> Result<Self, FetchError> {
        let proxy = match &network.proxy {
            None => None,
            Some(uri) => Some(ureq::Proxy::new(uri).map_err(|e| FetchError {
                uri: uri.clone(),
                fault: Fault::Uri(format!("no proxy: {e}")),
            })?),
        };
        let config = Agent::config_builder()
            .proxy(proxy)
            .http_status_as_error(false)
            .accept_encoding("identity")
            .user_agent(concat!("zones/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections_per_host(network.connections)
            .timeout_connect(Some(network.timeout))
            .timeout_recv_response(Some(network.timeout))
            .timeout_per_read(Some(network.timeout));
        let connector = ureq::unversioned::transport::DefaultConnector::default();
        let agent = Agent::with_parts(config.build(), connector, names.clone());
        let speed = AtomicU64::new(0);
        Ok(Self {
            agent,
            network,
            progress,
            speed,
        })
    }

    /// A small file, at most `limit` bytes.
    pub(crate) fn small(&self, uri: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        self.retry(uri, |_| {
            let mut bytes = Vec::new();
            let start = Instant::now();
            let body = self.open(uri, 0)?.body;
            let read = body.take(limit + 1).read_to_end(&mut bytes);
            read.map_err(|e| Fault::Network(e.to_string()))?;
            if bytes.len() as u64 > limit {
                return Err(Fault::Large(limit));
            }
            let micros = u64::try_from(start.elapsed().as_micros())
                .unwrap_or(u64::MAX)
                .max(1);
            self.speed
                .fetch_max(bytes.len() as u64 * 1_000_000 / micros, Ordering::Relaxed);
            self.progress.advance(Phase::Index, bytes.len() as u64);
            Ok(bytes)
        })
    }

    /// Whether the mirror is near enough that bytes cost less than unpacking them.
    pub(crate) fn is_fast(&self) -> bool {
        self.speed.load(Ordering::Relaxed) > FAST
    }

    /// A file with known size and hash, into the cache.
    pub(crate) fn wanted(
        &self,
        uri: &str,
        want: &Want,
        cache: &Cache,
        phase: Phase,
    ) -> Result<(), FetchError> {
        let path = cache.path(want);
        let store = |source| Fault::Store {
            path: path.clone(),
            source,
        };
        let fault = |fault| FetchError {
            uri: uri.to_owned(),
            fault,
        };
        let (partial, mut file) = cache.partial(want).map_err(|e| fault(store(e)))?;
        if cache.has(want) {
            let _ = std::fs::remove_file(&partial);
            self.progress.advance(phase, want.size);
            return Ok(());
        }
        let told = std::cell::Cell::new(0);
        self.retry(uri, |_| {
            let before = file.metadata().map_err(store)?.len();
            let done = self.more(uri, want, &mut file, phase, &told);
            match done {
                // What was there from an earlier run may have been for nothing: once from zero.
                Err(Fault::Hash { .. }) if before > 0 => {
                    file.set_len(0).map_err(store)?;
                    self.more(uri, want, &mut file, phase, &told)
                }
                other => other,
            }
            .inspect_err(|e| {
                if matches!(e, Fault::Hash { .. } | Fault::Large(_)) {
                    let _ = file.set_len(0);
                }
            })
        })?;
        cache.keep(&partial, want).map_err(|e| fault(store(e)))
    }

    /// Fetches what is missing of a file, then checks all of it.
    fn more(
        &self,
        uri: &str,
        want: &Want,
        file: &mut File,
        phase: Phase,
        told: &std::cell::Cell<u64>,
    ) -> Result<(), Fault> {
        let store = |source| Fault::Store {
            path: PathBuf::from(&want.sha256),
            source,
        };
        // Bytes of a second try must not count twice.
        let tell = |at: u64| {
            self.progress.advance(phase, at.saturating_sub(told.get()));
            told.set(told.get().max(at));
        };
        let mut have = file.metadata().map_err(store)?.len();
        if have > want.size {
            file.set_len(0).map_err(store)?;
            have = 0;
        }
        let mut hasher = Hasher::default();
        if have < want.size {
            let answer = self.open(uri, have)?;
            if answer.offset != have {
                have = 0;
            }
            file.set_len(have).map_err(store)?;
            file.seek(SeekFrom::Start(0)).map_err(store)?;
            hasher.update_all(&*file).map_err(store)?;
            tell(have);
            let mut body = answer.body.take(want.size - have + 1);
            let mut buffer = vec![0; 128 << 10];
            loop {
                let n = match body.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(n) => n,
                    Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => break,
                    Err(e) => return Err(Fault::Network(e.to_string())),
                };
                have += n as u64;
                if have > want.size {
                    return Err(Fault::Large(want.size));
                }
                hasher.update(&buffer[..n]);
                file.write_all(&buffer[..n]).map_err(store)?;
                tell(have);
                if self.progress.cancelled() {
                    return Err(Fault::Uri(String::from("stopped")));
                }
            }
        } else {
            file.seek(SeekFrom::Start(0)).map_err(store)?;
            hasher.update_all(&*file).map_err(store)?;
        }
        if have < want.size {
            return Err(Fault::Short {
                got: have,
                want: want.size,
            });
        }
        match hasher.finish() {
            got if got == want.sha256 => Ok(()),
            got => Err(Fault::Hash {
                want: want.sha256.clone(),
                got,
            }),
        }
    }

    fn retry<T>(
        &self,
        uri: &str,
        mut act: impl FnMut(u32) -> Result<T, Fault>,
    ) -> Result<T, FetchError> {
        let mut wait = self.network.backoff;
        let mut tried = 1;
        loop {
            match act(tried) {
                Ok(done) => return Ok(done),
                Err(fault) if fault.is_passing() && tried < self.network.tries => {
                    self.progress
                        .note(&format!("`{uri}`: {fault}; trying again"));
                    std::thread::sleep(wait);
                    wait *= 2;
                    tried += 1;
                }
                Err(fault) => {
                    return Err(FetchError {
                        uri: uri.to_owned(),
                        fault,
                    });
                }
            }
        }
    }

    /// Opens a file, from byte `from` on if the mirror can.
    fn open(&self, uri: &str, from: u64) -> Result<Answer, Fault> {
        if let Some(path) = uri.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match File::open(path) {
                Ok(file) => Ok(Answer {
                    body: Box::new(file),
                    offset: 0,
                }),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Err(Fault::Missing),
                Err(e) => Err(Fault::Uri(e.to_string())),
            };
        }
        if !uri.starts_with("http://") && !uri.starts_with("https://") {
            return Err(Fault::Uri(String::from(
                "only http:, https: and file: are supported",
            )));
        }
        let mut request = self.agent.get(uri);
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let answer = match request.call() {
            Ok(answer) => answer,
            Err(e @ (ureq::Error::BadUri(_) | ureq::Error::Http(_))) => {
                return Err(Fault::Uri(e.to_string()));
            }
            Err(e) => return Err(Fault::Network(e.to_string())),
        };
        let offset = match answer.status().as_u16() {
            200 => 0,
            206 => {
                let range = answer
                    .headers()
                    .get("content-range")
                    .and_then(|v| v.to_str().ok());
                let starts = range.and_then(|r| r.strip_prefix("bytes ")?.split('-').next());
                match starts.and_then(|s| s.parse().ok()) {
                    Some(at) if at == from => at,
                    _ => return Err(Fault::Network(String::from("an answer out of range"))),
                }
            }
            // The part we have is not the start of what the mirror has: all again.
            416 if from > 0 => return self.open(uri, 0),
            404 | 410 => return Err(Fault::Missing),
            other => return Err(Fault::Status(other)),
        };
        Ok(Answer {
            body: Box::new(answer.into_body().into_reader()),
            offset,
        })
    }
}
