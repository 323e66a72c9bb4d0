//! The configuration of a zone: resources, properties, zonecfg grammar, verify, info, export.
//!
//! Text in, values out: nothing here touches a file, the kernel or the terminal.

mod model;

pub use model::{
    Admin, Attr, AttrType, DEFAULT_BRAND, Dataset, DedicatedCpu, Device, Fs, InheritPkgDir, IpType,
    Net, NetAttr, Rctl, RctlAction, RctlValue, SecurityFlags, ZoneConfig, parse_hostid,
};
