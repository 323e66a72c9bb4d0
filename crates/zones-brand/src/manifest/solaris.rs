//! `config.xml` and `platform.xml` of Solaris and illumos, read as a manifest of ours.
//!
//! Elements that speak of the Solaris kernel (`modname`, `restartinit`, mounts inside the zone)
//! mean nothing here and are read over. Source: illumos `usr/src/lib/libbrand/dtd/brand.dtd.1` and
//! `zone_platform.dtd.1`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zones_config::IpType;
use zones_types::BrandName;

use super::{
    Brand, BrandDevice, BrandMount, BrandPrivilege, Installer, PrivilegeSet, default_path,
};
use crate::hook::{CommandLine, Hook};
use crate::identity::Identity;
use crate::ready::Ready;

/// Elements of `config.xml` that are known and not used.
const UNUSED: [&str; 7] = [
    "modname",
    "restartinit",
    "restartinit0",
    "restartinitreboot",
    "user_cmd",
    "security-flags",
    "initname_native",
];

type Attributes = BTreeMap<String, String>;

/// One element: name, attributes, text.
struct Element {
    depth: usize,
    name: String,
    attributes: Attributes,
    text: String,
}

/// Reads `config.xml`.
pub(super) fn config(name: &BrandName, text: &str) -> Result<Brand, String> {
    let mut brand = Brand {
        derived: super::usual_derived(),
        name: name.clone(),
        summary: String::new(),
        installer: Installer::Hook,
        init: Vec::new(),
        path: default_path(),
        installopts: String::new(),
        hooks: BTreeMap::new(),
        login_cmd: None,
        forcedlogin_cmd: None,
        privileges: Vec::new(),
        devices: Vec::new(),
        mounts: Vec::new(),
        identity: Identity::default(),
        ready: Ready::default(),
        folder: std::path::PathBuf::new(),
    };
    for element in elements(text, "brand")? {
        if element.depth == 0 {
            same_name(&element, name)?;
        } else if element.name == "privilege" {
            brand.privileges.push(privilege(&element.attributes)?);
        } else if !element.text.is_empty() {
            set(&mut brand, &element)?;
        }
    }
    if brand.init.is_empty() {
        brand.init.push("/sbin/init".to_owned());
    }
    Ok(brand)
}

fn same_name(element: &Element, name: &BrandName) -> Result<(), String> {
    match element.attributes.get("name") {
        Some(found) if found != name.as_str() => Err(format!("is of brand `{found}`")),
        _ => Ok(()),
    }
}

fn set(brand: &mut Brand, element: &Element) -> Result<(), String> {
    let text = element.text.clone();
    let line = || {
        let line = CommandLine::try_from(text.clone());
        line.map_err(|what| format!("`{}`: {what}", element.name))
    };
    match element.name.as_str() {
        "initname" => brand.init = vec![text],
        "installopts" => brand.installopts = text,
        "login_cmd" => brand.login_cmd = Some(line()?),
        "forcedlogin_cmd" => brand.forcedlogin_cmd = Some(line()?),
        name if UNUSED.contains(&name) => {}
        name => match Hook::of(name) {
            Some(hook) => drop(brand.hooks.insert(hook, line()?)),
            None => return Err(format!("unknown element `{name}`")),
        },
    }
    Ok(())
}

fn privilege(attributes: &Attributes) -> Result<BrandPrivilege, String> {
    let set = match required(attributes, "privilege", "set")? {
        "default" => PrivilegeSet::Default,
        "prohibited" => PrivilegeSet::Prohibited,
        "required" => PrivilegeSet::Required,
        other => return Err(format!("`privilege`: unknown set `{other}`")),
    };
    Ok(BrandPrivilege {
        set,
        name: required(attributes, "privilege", "name")?.to_owned(),
        ip_type: ip_type(attributes)?,
    })
}

/// Reads `platform.xml` into a brand.
pub(super) fn platform(brand: &mut Brand, text: &str) -> Result<(), String> {
    for element in elements(text, "platform")? {
        let attributes = &element.attributes;
        match element.name.as_str() {
            "platform" => same_name(&element, &brand.name)?,
            "device" => {
                let matches = required(attributes, "device", "match")?;
                // On Solaris these are links to the zone's own interfaces, here they are tunnels.
                if !matches.starts_with("net/") {
                    brand.devices.push(BrandDevice {
                        matches: matches.to_owned(),
                        ip_type: ip_type(attributes)?,
                    });
                }
            }
            "global_mount" => {
                let options = attributes
                    .get("opt")
                    .map(String::as_str)
                    .unwrap_or_default();
                let options = options.split(',').filter(|option| !option.is_empty());
                brand.mounts.push(BrandMount {
                    special: required(attributes, "global_mount", "special")?.to_owned(),
                    directory: required(attributes, "global_mount", "directory")?.to_owned(),
                    fs_type: required(attributes, "global_mount", "type")?.to_owned(),
                    options: options.map(str::to_owned).collect(),
                });
            }
            // The zone's /proc, /dev and their links are made by the engine.
            "mount" | "symlink" => {}
            name => return Err(format!("unknown element `{name}`")),
        }
    }
    Ok(())
}

fn required<'a>(attributes: &'a Attributes, element: &str, name: &str) -> Result<&'a str, String> {
    let value = attributes.get(name).map(String::as_str);
    value.ok_or_else(|| format!("`{element}` lacks attribute `{name}`"))
}

fn ip_type(attributes: &Attributes) -> Result<Option<IpType>, String> {
    match attributes.get("ip-type").map(String::as_str) {
        None | Some("all") => Ok(None),
        Some("shared") => Ok(Some(IpType::Shared)),
        Some("exclusive") => Ok(Some(IpType::Exclusive)),
        Some(other) => Err(format!("unknown ip-type `{other}`")),
    }
}

/// All elements of a document whose outermost is `top`, two levels deep, in the order in which they
/// end; the outermost comes first.
fn elements(text: &str, top: &str) -> Result<Vec<Element>, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut done = Vec::new();
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => open.push(element(&start, open.len())?),
            Event::Empty(start) => done.push(element(&start, open.len())?),
            Event::End(_) => done.extend(open.pop()),
            Event::Text(words) => {
                if let Some(last) = open.last_mut() {
                    last.text.push_str(&words);
                }
            }
            Event::CData(words) => {
                if let Some(last) = open.last_mut() {
                    last.text.push_str(&words);
                }
            }
            Event::GeneralRef(name) => {
                let char = quick_xml::escape::resolve_predefined_entity(&name);
                let char = char.ok_or_else(|| format!("unknown entity `&{};`", &*name))?;
                if let Some(last) = open.last_mut() {
                    last.text.push_str(char);
                }
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    if !open.is_empty() {
        return Err("the document ends too early".to_owned());
    }
    done.sort_by_key(|element| element.depth);
    match done.first() {
        Some(first) if first.depth == 0 && first.name == top => {}
        _ => return Err(format!("its outermost element is not `{top}`")),
    }
    if let Some(deep) = done.iter().find(|element| element.depth > 1) {
        return Err(format!("unknown element `{}`", deep.name));
    }
    for element in &mut done {
        element.text = element.text.trim().to_owned();
    }
    Ok(done)
}

fn element(start: &BytesStart<'_>, depth: usize) -> Result<Element, String> {
    let mut attributes = Attributes::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|error| error.to_string())?;
        attributes.insert(attribute.key.as_ref().to_owned(), value.into_owned());
    }
    Ok(Element {
        depth,
        name: start.name().as_ref().to_owned(),
        attributes,
        text: String::new(),
    })
}
