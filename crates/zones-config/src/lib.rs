//! The configuration of a zone: resources, properties, zonecfg grammar, verify, info, export.
//!
//! Text in, values out: nothing here touches a file, the kernel or the terminal.

mod change;
mod check;
pub mod command;
mod complete;
mod diag;
mod error;
mod export;
mod form;
mod hashes;
pub mod help;
mod info;
mod json;
mod model;
mod parse;
mod privilege;
mod quote;
pub mod session;
pub mod table;
mod verify;

pub use change::{Change, ChangeKind, changes};
pub use check::{Check, Context};
pub use complete::{Known, complete};
pub use diag::{Code, Diag, Span};
pub use error::Reason;
pub use export::export;
pub use info::{info, info_property};
pub use json::{json, json_property};
pub use model::{
    Admin, Anet, Attr, AttrType, DEFAULT_BRAND, Dataset, DedicatedCpu, Device, Fs, InheritPkgDir,
    IpType, Net, NetAttr, Rctl, RctlAction, RctlValue, SecurityFlags, TEMPLATE_BLANK,
    TEMPLATE_DEFAULT, ZoneConfig, parse_hostid,
};
pub use parse::{Parser, parse};
pub use privilege::{
    CapabilityChange, PrivilegeError, limitpriv_capabilities, named_capabilities, privilege_names,
};
pub use verify::{Report, verify};
