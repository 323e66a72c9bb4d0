//! The head of a request.

/// How something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    /// One that HTTP knows and nothing here takes.
    Other,
}

/// Request line and headers.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) method: Method,
    /// The method's name, for the log.
    pub(crate) verb: String,
    pub(crate) target: String,
    /// 0 or 1, of `HTTP/1.x`.
    pub(crate) minor: u8,
    headers: Vec<(String, String)>,
}

/// Why a head is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHead {
    #[error("The request is no HTTP/1 request: {0}.")]
    Grammar(httparse::Error),
    #[error("A request by HTTP/1.1 needs exactly one Host header.")]
    Host,
}

/// More headers than this are refused.
const HEADERS: usize = 100;

impl Head {
    /// Parses the head at the start of `bytes`; with it comes its length. `None`: it is not all
    /// there yet.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, BadHead> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes).map_err(BadHead::Grammar)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return Ok(None),
        };
        let verb = request.method.unwrap_or_default();
        let head = Self {
            method: match verb {
                "GET" => Method::Get,
                "HEAD" => Method::Head,
                "POST" => Method::Post,
                "PUT" => Method::Put,
                _ => Method::Other,
            },
            verb: verb.to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            minor: request.version.unwrap_or(1),
            headers: request.headers.iter().map(owned).collect(),
        };
        let hosts = head.all("host").count();
        if hosts > 1 || hosts == 0 && head.minor > 0 {
            return Err(BadHead::Host);
        }
        Ok(Some((head, length)))
    }

    /// The value of the header `name`, which is in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of the header `name`.
    pub(crate) fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> {
        let value =
            move |(known, value): &'h (String, String)| (known == name).then_some(value.as_str());
        self.headers.iter().filter_map(value)
    }

    /// All headers whose name begins with `prefix`: the rest of the name, and the value.
    pub(crate) fn with_prefix<'h>(
        &'h self,
        prefix: &'h str,
    ) -> impl Iterator<Item = (&'h str, &'h str)> {
        let rest = move |(name, value): &'h (String, String)| {
            name.strip_prefix(prefix).map(|rest| (rest, value.as_str()))
        };
        self.headers.iter().filter_map(rest)
    }

    /// Whether the header `name` lists `word`.
    pub(crate) fn lists(&self, name: &str, word: &str) -> bool {
        let mut words = self.all(name).flat_map(|value| value.split(','));
        words.any(|known| known.trim().eq_ignore_ascii_case(word))
    }

    /// Whether the client wants to go on with this connection.
    pub(crate) fn keeps_alive(&self) -> bool {
        match self.minor {
            0 => self.lists("connection", "keep-alive"),
            _ => !self.lists("connection", "close"),
        }
    }
}

/// Bytes that are no UTF-8 are taken as Latin-1, as old clients mean them.
fn owned(header: &httparse::Header<'_>) -> (String, String) {
    let value = match std::str::from_utf8(header.value) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => header.value.iter().map(|&byte| char::from(byte)).collect(),
    };
    (header.name.to_ascii_lowercase(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_in_pieces() {
        let text = b"GET /a HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nConnection: a, Close\r\n\r\nrest";
        for end in 0..text.len() - 4 {
            assert!(matches!(Head::parse(&text[..end]), Ok(None)), "{end}");
        }
        let (head, length) = Head::parse(text).expect("legal").expect("complete");
        assert_eq!(&text[length..], b"rest");
        assert_eq!((head.method, head.target.as_str()), (Method::Get, "/a"));
        assert_eq!(head.header("x-one"), Some("1"));
        assert!(!head.keeps_alive());
    }

    #[test]
    fn what_is_no_request() {
        for text in [
            "\x16\x03\x01 hello\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
        ] {
            assert!(Head::parse(text.as_bytes()).is_err(), "{text}");
        }
        let many = format!(
            "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
            "A: b\r\n".repeat(200)
        );
        assert!(Head::parse(many.as_bytes()).is_err());
    }
}
