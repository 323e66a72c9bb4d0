//! Who may publish.
//!
//! Reading is for everybody who can connect. Publication, and what makes the depot work, needs a
//! token or a client certificate, except on a socket that only programs of this host can reach when
//! neither was configured.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::error::DepotError;
use crate::http::reply::Reply;
use crate::server::Request;

/// Digests of tokens, so that neither a core dump nor the time of a comparison tells one.
#[derive(Default)]
pub(crate) struct Tokens(BTreeMap<[u8; 32], String>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

/// Shorter tokens can be guessed.
const SHORTEST: usize = 16;

impl Tokens {
    /// Reads lines `NAME:TOKEN`; empty lines and lines that begin with `#` mean nothing.
    pub(crate) fn read(path: &Path) -> Result<Self, DepotError> {
        let failed = |why: &str| DepotError::file(path, why);
        let meta = path
            .metadata()
            .map_err(|error| DepotError::file(path, error))?;
        if meta.mode() & 0o077 != 0 {
            return Err(failed("others may read it; set its mode to 0600"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| DepotError::file(path, error))?;
        let tokens = Self::parse(&text)
            .map_err(|(line, why)| DepotError::file(path, format!("line {line}: {why}")))?;
        match tokens.0.is_empty() {
            true => Err(failed("it holds no token; add a line `NAME:TOKEN`")),
            false => Ok(tokens),
        }
    }

    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut tokens = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |why: &str| Err((at + 1, why.to_owned()));
            let Some((name, token)) = line.split_once(':') else {
                return wrong("it is not `NAME:TOKEN`");
            };
            if name.is_empty() || token.len() < SHORTEST {
                return wrong("a name, a colon and a token of at least 16 characters are needed");
            }
            tokens.0.insert(digest(token), name.to_owned());
        }
        Ok(tokens)
    }

    /// The name that an Authorization header proves.
    fn name(&self, header: &str) -> Option<&str> {
        let (scheme, value) = header.split_once(' ')?;
        let value = value.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.0.get(&digest(value)).map(String::as_str);
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
        let (name, token) = pair.split_once(':')?;
        let known = self.0.get(&digest(token))?;
        (known == name).then_some(known)
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// What it takes to publish.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    pub(crate) tokens: Option<Tokens>,
    /// Client certificates are asked for.
    pub(crate) certificates: bool,
    /// A proxy stands before us, so that a local peer says nothing about who asks.
    pub(crate) is_behind_proxy: bool,
}

impl Guard {
    /// Whether this request may change the repository; the reply that says no is the error.
    pub(crate) fn check(&self, request: &mut Request<'_>) -> Result<(), Reply> {
        if is_foreign(request) {
            let message = "Pages of other sites may not publish here.";
            return Err(Reply::refusal(403, message));
        }
        if let Some(certificate) = &request.peer.certificate {
            let digest = Sha256::digest(certificate);
            let start: String = digest[..8]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            request.user = Some(format!("cert-{start}"));
            return Ok(());
        }
        if let Some(tokens) = &self.tokens {
            let header = request.head.header("authorization");
            return match header.and_then(|header| tokens.name(header)) {
                Some(name) => {
                    request.user = Some(name.to_owned());
                    Ok(())
                }
                None => {
                    let reply = Reply::refusal(401, "Publication needs a token.");
                    Err(reply.with("WWW-Authenticate", "Basic realm=\"pkg.depotd\""))
                }
            };
        }
        if self.certificates {
            let message = "Publication needs a client certificate.";
            return Err(Reply::refusal(403, message));
        }
        if self.is_behind_proxy || !request.peer.is_local || is_forwarded(request) {
            let message = "Publication is open to this host only; for others, start pkg.depotd with \
                           --auth-token-file or --ssl-ca-file.";
            return Err(Reply::refusal(403, message));
        }
        let host = request.head.header("host");
        match request.peer.is_unix || host.is_none_or(is_loopback) {
            true => Ok(()),
            // A name of strangers may lead a browser to this host.
            false => Err(Reply::refusal(
                403,
                "Publication is for names of this host only.",
            )),
        }
    }
}

/// Whether a proxy says that it speaks for another.
fn is_forwarded(request: &Request<'_>) -> bool {
    let names = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    names.iter().any(|name| request.head.header(name).is_some())
}

/// Browsers visit pages of strangers, with the credentials and from the host of their users; those
/// pages must not publish.
fn is_foreign(request: &Request<'_>) -> bool {
    let site = request.head.header("sec-fetch-site").unwrap_or("none");
    request.head.header("origin").is_some() || !matches!(site, "none" | "same-origin")
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address: Option<std::net::IpAddr> = name.parse().ok();
    name.eq_ignore_ascii_case("localhost") || address.is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_by_both_schemes() {
        let text = "# publishers\n\nbuild:0123456789abcdef\nother:fedcba9876543210:x\n";
        let tokens = Tokens::parse(text).expect("legal");
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        let rows = [
            ("Bearer 0123456789abcdef".to_owned(), Some("build")),
            ("bearer  fedcba9876543210:x".to_owned(), Some("other")),
            (basic("build:0123456789abcdef"), Some("build")),
            (basic("other:fedcba9876543210:x"), Some("other")),
            (basic("other:0123456789abcdef"), None),
            (basic("build"), None),
            ("Basic !!".to_owned(), None),
            ("Bearer ".to_owned(), None),
            ("Digest 0123456789abcdef".to_owned(), None),
            (String::new(), None),
        ];
        for (header, name) in rows {
            assert_eq!(tokens.name(&header), name, "{header}");
        }
        assert_eq!(format!("{tokens:?}"), "Tokens(2)");
    }

    #[test]
    fn bad_token_files() {
        for text in ["build", "build:short", ":0123456789abcdef"] {
            assert!(Tokens::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_of_this_host() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "example.org",
            "127.0.0.1.example.org",
            "localhost.example.org",
            "",
            "[]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
