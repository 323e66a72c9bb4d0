//! A document as a configuration.

use std::borrow::Cow;
use std::str::FromStr;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zones_config::{
    Admin, Anet, Attr, Dataset, DedicatedCpu, Device, Fs, InheritPkgDir, IpType, Net, NetAttr,
    Rctl, RctlAction, RctlValue, SecurityFlags, ZoneConfig,
};
use zones_types::Bytes;

/// What is wrong in a document, and where; lines and columns (in characters) count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct XmlError {
    /// Line of the element.
    pub line: usize,
    /// Column of the element.
    pub column: usize,
    /// What is wrong.
    pub what: String,
}

/// Children that other systems write and that mean nothing here; read over with all they hold.
const SKIPPED: [&str; 6] = [
    "deleted-device",
    "package",
    "patch",
    "dev-perm",
    "obsoletes",
    "incompatible",
];

/// Reads a document of Solaris, illumos, SmartOS or ours; children may come in any order.
///
/// Errors: the first thing that is no part of the format, with its place; nothing is guessed.
pub fn read_document(text: &str) -> Result<ZoneConfig, XmlError> {
    let mut reader = Reader::from_str(text);
    // Blanks between elements are most events of a document, and mean nothing.
    reader.config_mut().trim_text(true);
    let mut state = Document::default();
    loop {
        let at = offset(reader.buffer_position(), text);
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                let at = offset(reader.error_position(), text);
                return Err(place(text, at, error.to_string()));
            }
        };
        let step = match event {
            Event::Start(element) => state.open(&element).map(|()| state.depth += 1),
            Event::Empty(element) => state.open(&element).and_then(|()| state.close()),
            Event::End(_) => {
                state.depth = state.depth.saturating_sub(1);
                state.close()
            }
            Event::Text(words) if words.trim().is_empty() => Ok(()),
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                Err("text outside of an attribute".to_owned())
            }
            Event::Eof if state.depth > 0 => Err("the document ends too early".to_owned()),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => Ok(()),
        };
        step.map_err(|what| place(text, behind_blanks(text, at), what))?;
    }
    let missing = || place(text, 0, "Empty document".to_owned());
    state.zone.ok_or_else(missing)
}

/// The properties that stand in the first element alone: name, zonepath, brand, IP type ... Nothing
/// behind it is read, so a long list of zones stays cheap.
pub(crate) fn read_head(text: &str) -> Option<ZoneConfig> {
    let mut reader = Reader::from_str(text);
    let mut state = Document::default();
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) | Event::Empty(element) => {
                state.open(&element).ok()?;
                return state.zone;
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

fn offset(position: u64, text: &str) -> usize {
    usize::try_from(position).map_or(text.len(), |at| at.min(text.len()))
}

/// The next byte that is no blank, where the element of an event begins.
fn behind_blanks(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    text.len() - rest.trim_start().len()
}

fn place(text: &str, at: usize, what: String) -> XmlError {
    let before = String::from_utf8_lossy(&text.as_bytes()[..at]);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    XmlError {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        what,
    }
}

/// What has been read so far.
#[derive(Default)]
struct Document {
    zone: Option<ZoneConfig>,
    depth: usize,
    /// The child of `zone` that is open and may hold children.
    parent: Parent,
    /// Depth of the element whose content is skipped.
    skip_from: Option<usize>,
    importance: Option<u32>,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Parent {
    #[default]
    None,
    Fs,
    Net,
    Device,
    Rctl,
    Leaf,
}

impl Document {
    fn open(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        let name = element.name();
        let name = name.as_ref();
        if self.skip_from.is_some() {
            return Ok(());
        }
        match self.depth {
            0 if name == "zone" && self.zone.is_none() => {
                self.zone = Some(zone(Attributes::of(element)?)?);
                Ok(())
            }
            0 => Err(format!("`{name}` where the one `zone` was expected")),
            1 if SKIPPED.contains(&name) => {
                self.skip_from = Some(self.depth);
                Ok(())
            }
            1 => self.child(name, Attributes::of(element)?),
            2 => self.grandchild(name, Attributes::of(element)?),
            _ => Err(format!("unknown element `{name}`")),
        }
    }

    /// An element ended; `depth` is that of the element.
    fn close(&mut self) -> Result<(), String> {
        if self.skip_from == Some(self.depth) {
            self.skip_from = None;
        }
        if self.depth == 1 {
            self.parent = Parent::None;
        }
        Ok(())
    }

    fn child(&mut self, name: &str, mut attrs: Attributes<'_>) -> Result<(), String> {
        let Some(zone) = &mut self.zone else {
            return Err("`zone` was expected".to_owned());
        };
        self.parent = Parent::Leaf;
        match name {
            "filesystem" => {
                self.parent = Parent::Fs;
                zone.filesystems.push(Fs {
                    dir: attrs.need("directory")?,
                    special: attrs.need("special")?,
                    raw: attrs.take("raw"),
                    fs_type: attrs.need("type")?,
                    options: Vec::new(),
                });
            }
            "inherited-pkg-dir" => zone.inherit_pkg_dirs.push(InheritPkgDir {
                dir: attrs.need("directory")?,
            }),
            "network" => {
                self.parent = Parent::Net;
                zone.nets.push(net(&mut attrs)?);
            }
            "automatic-network" => zone.anets.push(anet(&mut attrs)?),
            "device" => {
                self.parent = Parent::Device;
                zone.devices.push(Device {
                    matches: attrs.need("match")?,
                    properties: Vec::new(),
                });
            }
            "rctl" => {
                self.parent = Parent::Rctl;
                zone.rctls.push(Rctl {
                    name: attrs.need("name")?,
                    values: Vec::new(),
                });
            }
            "attr" => zone.attrs.push(Attr {
                name: attrs.need("name")?,
                attr_type: attrs.parse("type")?,
                value: attrs.need("value")?,
            }),
            "dataset" => zone.datasets.push(Dataset {
                name: attrs.need("name")?,
            }),
            "tmp_pool" => {
                let importance = Some(attrs.parse("importance")?);
                self.importance = importance;
                if let Some(cpu) = &mut zone.dedicated_cpu {
                    cpu.importance = importance;
                }
            }
            "pset" => {
                zone.dedicated_cpu = Some(DedicatedCpu {
                    ncpus_min: attrs.parse("ncpu_min")?,
                    ncpus_max: attrs.parse("ncpu_max")?,
                    importance: self.importance,
                });
            }
            "mcap" => zone.physical_memory = Some(Bytes(attrs.parse("physcap")?)),
            "admin" => zone.admins.push(Admin {
                user: attrs.need("user")?,
                auths: attrs.need("auths")?,
            }),
            "security-flags" => {
                zone.security_flags = Some(SecurityFlags {
                    default: attrs.take("default"),
                    lower: attrs.take("lower"),
                    upper: attrs.take("upper"),
                });
            }
            _ => return Err(format!("unknown element `{name}`")),
        }
        attrs.done()
    }

    fn grandchild(&mut self, name: &str, mut attrs: Attributes<'_>) -> Result<(), String> {
        let Some(zone) = &mut self.zone else {
            return Err("`zone` was expected".to_owned());
        };
        match (self.parent, name) {
            (Parent::Fs, "fsoption") => {
                if let Some(fs) = zone.filesystems.last_mut() {
                    fs.options.push(attrs.need("name")?);
                }
            }
            (Parent::Net, "net-attr") => {
                if let Some(net) = zone.nets.last_mut() {
                    net.properties.push(net_attr(&mut attrs)?);
                }
            }
            (Parent::Device, "net-attr") => {
                if let Some(device) = zone.devices.last_mut() {
                    device.properties.push(net_attr(&mut attrs)?);
                }
            }
            (Parent::Rctl, "rctl-value") => {
                if let Some(rctl) = zone.rctls.last_mut() {
                    rctl.values.push(RctlValue {
                        privilege: attrs.need("priv")?,
                        limit: attrs.parse("limit")?,
                        action: attrs.parse::<RctlAction>("action")?,
                    });
                }
            }
            _ => return Err(format!("unknown element `{name}`")),
        }
        attrs.done()
    }
}

fn zone(mut attrs: Attributes<'_>) -> Result<ZoneConfig, String> {
    let mut zone = ZoneConfig::blank(attrs.parse("name")?);
    let path = attrs.need("zonepath")?;
    // The host and the templates have none; `/` cannot be typed.
    if !path.is_empty() && path != "/" {
        let parsed = path.parse();
        zone.zonepath = Some(parsed.map_err(|_| bad("zonepath", "zone", &path))?);
    }
    zone.autoboot = attrs.parse("autoboot")?;
    let brand = attrs.take("brand");
    if !brand.is_empty() {
        let parsed = brand.parse();
        zone.brand = Some(parsed.map_err(|_| bad("brand", "zone", &brand))?);
    }
    zone.ip_type = match &*attrs.take("ip-type") {
        "" | "shared" => IpType::Shared,
        "exclusive" => IpType::Exclusive,
        other => return Err(bad("ip-type", "zone", other)),
    };
    zone.hostid = attrs.take("hostid");
    zone.pool = attrs.take("pool");
    zone.limitpriv = attrs.take("limitpriv");
    zone.bootargs = attrs.take("bootargs");
    zone.scheduling_class = attrs.take("scheduling-class");
    zone.fs_allowed = attrs.take("fs-allowed");
    zone.boot_priority = attrs.take("boot-priority");
    zone.autoshutdown = attrs.take("autoshutdown");
    zone.file_mac_profile = attrs.take("file-mac-profile");
    attrs.take("debugid");
    attrs.take("version");
    attrs.done()?;
    Ok(zone)
}

fn net(attrs: &mut Attributes<'_>) -> Result<Net, String> {
    Ok(Net {
        physical: attrs.need("physical")?,
        address: attrs.take("address"),
        allowed_address: attrs.take("allowed-address"),
        defrouter: attrs.take("defrouter"),
        global_nic: attrs.take("global-nic"),
        mac_addr: attrs.take("mac-addr"),
        vlan_id: attrs.take("vlan-id"),
        properties: Vec::new(),
    })
}

/// Source: the `automatic-network` element of Solaris 11.
fn anet(attrs: &mut Attributes<'_>) -> Result<Anet, String> {
    let or = |value: String, default: &str| match value.as_str() {
        "" => default.to_owned(),
        _ => value,
    };
    let configure = match &*attrs.take("configure-allowed-address") {
        "" | "true" => true,
        "false" => false,
        other => {
            return Err(bad("configure-allowed-address", "automatic-network", other));
        }
    };
    Ok(Anet {
        linkname: attrs.need("linkname")?,
        lower_link: or(attrs.take("lower-link"), "auto"),
        allowed_address: attrs.take("allowed-address"),
        configure_allowed_address: configure,
        defrouter: attrs.take("defrouter"),
        link_protection: attrs.take("link-protection"),
        mac_address: or(attrs.take("mac-address"), "auto"),
        vlan_id: attrs.take("vlan-id"),
        mtu: attrs.take("mtu"),
        maxbw: attrs.take("maxbw"),
        bwshare: attrs.take("bwshare"),
    })
}

fn net_attr(attrs: &mut Attributes<'_>) -> Result<NetAttr, String> {
    Ok(NetAttr {
        name: attrs.need("name")?,
        value: attrs.need("value")?,
    })
}

fn bad(attribute: &str, element: &str, value: &str) -> String {
    format!("attribute `{attribute}` of `{element}` cannot be `{value}`")
}

/// The attributes of one element that nobody has asked for yet.
struct Attributes<'a> {
    element: &'a str,
    pairs: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Attributes<'a> {
    fn of(element: &'a BytesStart<'_>) -> Result<Self, String> {
        // One that is there twice is left over, and so found by `done`.
        let mut attributes = element.attributes();
        let mut pairs = Vec::with_capacity(4);
        for attribute in attributes.with_checks(false) {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let key = attribute.key.into_inner();
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|error| error.to_string())?;
            let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            if !plain && value.contains(|char: char| char.is_control() && char != '\t') {
                return Err(format!("attribute `{key}` holds a control character"));
            }
            pairs.push((key, value));
        }
        Ok(Self {
            element: element.name().into_inner(),
            pairs,
        })
    }

    fn find(&mut self, name: &str) -> Option<String> {
        let at = self.pairs.iter().position(|(key, _)| *key == name)?;
        Some(self.pairs.swap_remove(at).1.into_owned())
    }

    /// The value; empty when it is not there.
    fn take(&mut self, name: &str) -> String {
        self.find(name).unwrap_or_default()
    }

    /// The value of an attribute that must be there.
    fn need(&mut self, name: &str) -> Result<String, String> {
        self.find(name)
            .ok_or_else(|| format!("`{}` lacks its attribute `{name}`", self.element))
    }

    /// As `need`, read as a `T`.
    fn parse<T: FromStr>(&mut self, name: &str) -> Result<T, String> {
        let value = self.need(name)?;
        value.parse().map_err(|_| bad(name, self.element, &value))
    }

    /// Fails when something is left that nobody knows.
    fn done(self) -> Result<(), String> {
        match self.pairs.first() {
            None => Ok(()),
            Some((key, _)) => Err(format!("unknown attribute `{key}` of `{}`", self.element)),
        }
    }
}

#[cfg(test)]
mod tests;
