//! One connection, from its first byte to its last.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Shared;
use crate::http::body::{Body, Framing};
use crate::http::head::{Head, Method};
use crate::http::reply::Reply;
use crate::http::send::{Sent, send};
use crate::http::target::Target;
use crate::limits::Limits;
use crate::log::Entry;
use crate::wire::{Awaited, Pace, Socket, Wire};

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// For the log.
    pub(crate) host: String,
    /// The socket that it came by is for programs of this host only.
    pub(crate) is_local: bool,
    /// It came by a socket of the file system.
    pub(crate) is_unix: bool,
    /// It speaks TLS.
    pub(crate) is_tls: bool,
    /// A verified client certificate (DER).
    pub(crate) certificate: Option<Vec<u8>>,
}

/// One request, as an operation sees it.
pub(crate) struct Request<'r> {
    pub(crate) head: &'r Head,
    pub(crate) target: &'r Target,
    pub(crate) peer: &'r Peer,
    pub(crate) body: &'r mut dyn Read,
    /// Who asks, once that is known: set by what answers, read by the log.
    pub(crate) user: Option<String>,
    /// Which operation it is: set by what answers, read by the metrics.
    pub(crate) operation: &'static str,
}

/// What answers requests. Called from many threads at once.
pub(crate) trait Answer: Send + Sync {
    /// The reply; it never fails, for a failure is a reply, too.
    fn answer(&self, request: &mut Request<'_>) -> Reply;
}

/// What a client that was told the end may still send.
const LINGER: Duration = Duration::from_secs(1);

/// Serves all requests of one connection.
pub(super) fn serve(shared: &Shared, fd: OwnedFd, mut peer: Peer) {
    let _open = shared.metrics.connection();
    let socket = Socket::new(fd, Pace::absolute(shared.limits.head));
    let wire = match &shared.tls {
        // A socket of the file system needs no secrets.
        Some(config) if !peer.is_unix => Wire::accept(socket, config.clone()),
        _ => Ok(Wire::plain(socket)),
    };
    let Ok(mut wire) = wire else {
        shared.metrics.broken();
        return;
    };
    peer.is_tls = wire.is_tls();
    peer.certificate = wire.certificate().map(<[u8]>::to_vec);
    let mut patience = shared.limits.head; // a new connection is there to ask
    loop {
        match wire.idle(shared.quit.as_fd(), patience) {
            Ok(Awaited::Ready) => {}
            Ok(Awaited::Stop | Awaited::Silence) => return wire.close(Duration::ZERO),
            Err(_) => return shared.metrics.broken(),
        }
        match exchange(shared, &mut wire, &peer) {
            Ok(true) => patience = patience_of(shared),
            Ok(false) => return wire.close(LINGER),
            Err(error) => {
                match error.kind() {
                    io::ErrorKind::TimedOut => shared.metrics.slow(),
                    _ => shared.metrics.broken(),
                }
                return;
            }
        }
    }
}

/// Idle connections have to make room when there are many.
fn patience_of(shared: &Shared) -> Duration {
    let Limits {
        connections, idle, ..
    } = &shared.limits;
    match shared.metrics.open() {
        open if open > connections / 4 * 3 => (*idle).min(Duration::from_secs(2)),
        _ => *idle,
    }
}

/// One connection too many: it is told so.
pub(super) fn refuse(shared: &Shared, fd: OwnedFd) {
    shared.metrics.refused();
    if shared.tls.is_some() {
        return; // a handshake is what there is no room for
    }
    let mut wire = Wire::plain(Socket::new(fd, Pace::absolute(LINGER)));
    let reply = Reply::refusal(503, "Too many connections; try again later.");
    if send(&mut wire, None, reply.with("Retry-After", "5"), false).is_ok() {
        wire.close(LINGER);
    }
}

/// Reads one request and answers it; whether the connection goes on.
fn exchange(shared: &Shared, wire: &mut Wire, peer: &Peer) -> io::Result<bool> {
    let limits = &shared.limits;
    let start = Instant::now();
    wire.set_pace(Pace::absolute(limits.head));
    let head = match read_head(wire, limits) {
        Ok(Some(head)) => head,
        Ok(None) => return Ok(false),
        Err(Unread::Broken(error)) => return Err(error),
        Err(Unread::Refused(status, message)) => {
            wire.set_pace(Pace::absolute(limits.head));
            let before = wire.sent();
            let sent = send(wire, None, Reply::refusal(status, &message), false)?;
            record(
                shared,
                peer,
                None,
                None,
                "-",
                sent,
                wire.sent() - before,
                start,
            );
            return Ok(false);
        }
    };
    wire.set_pace(Pace::rate(limits.window, limits.window_bytes));
    let (reply, user, operation, whole) = ask(shared, wire, peer, &head);
    let keep = whole && head.keeps_alive() && !shared.is_stopping.load(Ordering::Relaxed);
    wire.set_pace(Pace::rate(limits.window, limits.window_bytes));
    let (before, status) = (wire.sent(), reply.status);
    let result = send(wire, Some(&head), reply, keep);
    let bytes = wire.sent() - before;
    let sent = match &result {
        Ok(sent) => *sent,
        Err(_) => Sent {
            status,
            keep: false,
            head: 0,
        },
    };
    record(
        shared,
        peer,
        Some(&head),
        user.as_deref(),
        operation,
        sent,
        bytes,
        start,
    );
    result.map(|sent| sent.keep)
}

/// Has the site answer; with that: who asked, for which operation, whether the body was read.
fn ask(
    shared: &Shared,
    wire: &mut Wire,
    peer: &Peer,
    head: &Head,
) -> (Reply, Option<String>, &'static str, bool) {
    let refused = |status, message: &str| (Reply::refusal(status, message), None, "-", false);
    let framing = match Framing::of(head) {
        Ok(framing) => framing,
        Err((status, message)) => return refused(status, message),
    };
    let allowed = shared.limits.body_bytes;
    if matches!(framing, Framing::Length(length) if length > allowed) {
        return refused(413, &format!("The body is larger than {allowed} bytes."));
    }
    let Some(target) = Target::parse(&head.target) else {
        return refused(400, "The target of the request is no path.");
    };
    if head.method == Method::Other {
        let reply = Reply::refusal(405, "The method is not one of GET, HEAD, POST and PUT.");
        return (
            reply.with("Allow", "GET, HEAD, POST, PUT"),
            None,
            "-",
            false,
        );
    }
    let mut body = Body::new(wire, framing, head, allowed);
    let mut request = Request {
        head,
        target: &target,
        peer,
        body: &mut body,
        user: None,
        operation: "-",
    };
    let mut reply = shared.site.answer(&mut request);
    let Request {
        user, operation, ..
    } = request;
    if body.is_too_large() {
        reply = Reply::refusal(413, &format!("The body is larger than {allowed} bytes."));
    }
    let whole = body.is_ended() || body.drain();
    (reply, user, operation, whole)
}

/// Why there is no head.
enum Unread {
    Broken(io::Error),
    Refused(u16, String),
}

/// Reads a head; `None` when the peer has ended instead.
fn read_head(wire: &mut Wire, limits: &Limits) -> Result<Option<Head>, Unread> {
    loop {
        // Empty lines before a request are a habit of old clients; see RFC 9112, section 2.2.
        let blank = wire
            .ahead
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let blank = blank.count();
        wire.ahead.drain(..blank);
        match Head::parse(&wire.ahead) {
            Ok(Some((head, length))) if length <= limits.head_bytes => {
                if head.target.len() > limits.target_bytes {
                    return Err(too_large(limits, true));
                }
                wire.ahead.drain(..length);
                return Ok(Some(head));
            }
            Ok(Some(_)) => return Err(too_large(limits, false)),
            Ok(None) if wire.ahead.len() > limits.head_bytes => {
                let has_line = wire.ahead.contains(&b'\n');
                return Err(too_large(limits, !has_line));
            }
            Ok(None) => {}
            Err(bad) => {
                let status = match bad {
                    crate::http::head::BadHead::Grammar(httparse::Error::TooManyHeaders) => 431,
                    _ => 400,
                };
                return Err(Unread::Refused(status, bad.to_string()));
            }
        }
        match wire.fill() {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut && !wire.ahead.is_empty() => {
                let message = "The request did not arrive in time.".to_owned();
                return Err(Unread::Refused(408, message));
            }
            Err(error) => return Err(Unread::Broken(error)),
        }
    }
}

fn too_large(limits: &Limits, is_target: bool) -> Unread {
    match is_target {
        true => {
            let most = limits.target_bytes;
            Unread::Refused(414, format!("The path is longer than {most} bytes."))
        }
        false => {
            let most = limits.head_bytes;
            Unread::Refused(431, format!("The headers are longer than {most} bytes."))
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one line of the log")]
fn record(
    shared: &Shared,
    peer: &Peer,
    head: Option<&Head>,
    user: Option<&str>,
    operation: &'static str,
    sent: Sent,
    bytes: u64,
    start: Instant,
) {
    let took = start.elapsed();
    shared.metrics.request(operation, sent.status, bytes, took);
    shared.logs.access(&Entry {
        host: &peer.host,
        user,
        head,
        status: sent.status,
        bytes: bytes.saturating_sub(sent.head),
    });
}
