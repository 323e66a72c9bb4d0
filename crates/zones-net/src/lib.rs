//! Links, addresses, routes, guards and uplinks of a zone by netlink.
//!
//! [`plan`] turns the interfaces of a zone and what there is on the host into printable [`Step`]s;
//! [`apply`] runs them and undoes what it did when one fails, [`detach`] and [`release`] take away
//! what outlives the zone. [`plan_one`] and [`remove`] do the same for one interface of a zone that
//! runs. [`Netlink`] below them is one socket in one network namespace, with the messages that
//! zones need. The codec is our own: those messages are some 300 lines, and the usual crates are
//! ten
//! dependencies with a new major version each month.
//!
//! Source: rtnetlink(7), netlink(7), `linux/if_link.h`; docs/adr/0010 for the packet filter.

mod address;
mod apply;
mod codec;
mod error;
mod guard;
mod leftover;
mod link;
mod moved;
mod name;
mod nft;
mod plan;
mod route;
mod setting;
mod socket;
mod uplink;

pub use address::{Address, IpNet, IpNetError};
pub use apply::{apply, has_ports_of_others, remove, remove_bridge_without, remove_idle_bridge};
pub use error::NetError;
pub use guard::{Guard, Protection, ProtectionError};
pub use leftover::{Leftover, detach, release};
pub use link::{Birth, Link, LinkKind, Mac, MacError, NewLink, mac_for};
pub use moved::MovedLink;
pub use name::{IfName, IfNameError};
pub use plan::{
    DEFAULT_BRIDGE, HostView, Interface, Mode, Plan, PlanError, Step, plan, plan_one, zone_of,
};
pub use route::{Gateway, Neighbour, Route};
pub use setting::Settings;
pub use socket::Netlink;
