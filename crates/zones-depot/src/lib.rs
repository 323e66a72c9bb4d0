//! The depot: serves a package repository over HTTP/1.1, and takes publications.
//!
//! [`Config`] says what to serve and where; [`Depot::open`] opens the repository, [`Depot::bind`]
//! the sockets, and [`Server::run`] serves until its stop descriptor is readable. Threads and
//! blocking calls, no runtime: docs/adr/0011 says why.
//!
//! The layers, lowest first: `wire` (sockets, TLS, deadlines), `http` (requests and replies),
//! `server` (connections and threads), `site` (which operation answers a path), `op` (the
//! operations of the depot protocol of pkg(7)) and `web` (pages for people).

mod auth;
mod config;
mod depot;
mod error;
mod http;
mod limits;
mod listing;
mod log;
mod metrics;
mod op;
mod search;
mod server;
mod site;
mod stock;
mod tls;
mod web;
mod wire;

pub use config::Config;
pub use depot::Depot;
pub use error::DepotError;
pub use limits::Limits;
pub use log::{Logs, Sink};
pub use server::{Address, Server};
pub use tls::TlsFiles;
