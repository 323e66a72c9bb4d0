//! Links, addresses and routes of a zone by netlink.
//!
//! [`plan`] turns the interfaces of a zone and the links of the host into printable [`Step`]s;
//! [`apply`] runs them and undoes what it did when one fails. [`Netlink`] below them is one socket
//! in one network namespace, with the ten messages that zones need. The codec is our own: those
//! messages are some 300 lines, and the usual crates are ten dependencies with a new major version
//! each month.
//!
//! Source: rtnetlink(7), netlink(7), `linux/if_link.h`.
//!
//! Not guarded: a port on a bridge can use any address; only routed (`shared` without a bridge)
//! interfaces are held to their addresses, by reverse path filter.

mod address;
mod apply;
mod codec;
mod error;
mod link;
mod name;
mod plan;
mod route;
mod socket;
mod sysctl;

pub use address::{Address, IpNet, IpNetError};
pub use apply::{apply, release, remove_bridge_without, remove_idle_bridge};
pub use error::NetError;
pub use link::{Birth, Link, LinkKind, Mac, NewLink, mac_for};
pub use name::{IfName, IfNameError};
pub use plan::{DEFAULT_BRIDGE, Interface, Mode, Plan, PlanError, Step, plan, plan_more};
pub use route::{Gateway, Neighbour, Route};
pub use socket::Netlink;
