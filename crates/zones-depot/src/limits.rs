//! What one client may cost us.

use std::time::Duration;

/// Limits of a depot. The default suits hundreds of clients on a small machine.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections served at once; one more gets 503 and is asked to come back.
    pub connections: usize,
    /// Bytes of request line and headers together; more is 431.
    pub head_bytes: usize,
    /// Bytes of the request line's target; more is 414.
    pub target_bytes: usize,
    /// Bytes of a body; more is 413.
    pub body_bytes: u64,
    /// From the first byte of a request to the end of its headers, TLS handshake alike.
    pub head: Duration,
    /// Silence between two requests of a connection.
    pub idle: Duration,
    /// In each window of this length [`Limits::window_bytes`] have to move while a body or a reply
    /// is under way.
    pub window: Duration,
    /// See [`Limits::window`].
    pub window_bytes: u64,
    /// What requests that are being answered get to finish when the depot is told to stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head_bytes: 16 * 1024,
            target_bytes: 8 * 1024,
            body_bytes: 4 << 30,
            head: Duration::from_secs(15),
            idle: Duration::from_secs(60),
            window: Duration::from_secs(30),
            window_bytes: 30 * 1024,
            stop: Duration::from_secs(10),
        }
    }
}
