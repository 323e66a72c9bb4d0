//! Resources one by one and against each other.

use std::collections::HashSet;

use crate::check::Context;
use crate::form::{Form, Item, count};
use crate::hashes::{Hashes, Hashing};
use crate::info::forms;
use crate::table::{Need, Prop, Resource, Shape};
use crate::{IpType, Reason, SecurityFlags, ZoneConfig, check};

use super::Report;

/// The order of the checks.
const ORDER: &[Resource] = &[
    Resource::InheritPkgDir,
    Resource::Fs,
    Resource::Net,
    Resource::Anet,
    Resource::Device,
    Resource::Rctl,
    Resource::DedicatedCpu,
    Resource::CappedCpu,
    Resource::CappedMemory,
    Resource::Attr,
    Resource::Dataset,
    Resource::Admin,
    Resource::SecurityFlags,
];

pub(super) fn verify(config: &ZoneConfig, context: Context, report: &mut Report) {
    let mut links = HashSet::new();
    let hash = Hashing::default();
    for resource in ORDER {
        // Hashes alone: the texts are looked at only where two are the same.
        let mut again = Vec::new();
        let mut keys = Hashes::default();
        keys.reserve(count(config, *resource));
        for form in forms(config, *resource) {
            one(&form, context, report);
            link_names(&form, context, &mut links, report);
            if let Some(key) = form.key()
                && !keys.insert(hash.of(&*key))
            {
                again.push(form);
            }
        }
        really_again(config, *resource, &again, report);
        if *resource == Resource::CappedMemory {
            cpu_conflicts(config, report);
        }
    }
    if let Some(flags) = &config.security_flags {
        flag_conflicts(flags, report);
    }
}

/// Two resources with the hash of one key are nearly always two with one key.
fn really_again(config: &ZoneConfig, resource: Resource, again: &[Form<'_>], report: &mut Report) {
    if again.is_empty() {
        return;
    }
    let mut keys: HashSet<String> = HashSet::new();
    for form in forms(config, resource) {
        let new = form.key().is_none_or(|key| keys.insert(key.into_owned()));
        if !new {
            report.error(Reason::Invalid, duplicate(&form));
        }
    }
}

/// A zone with a network of its own has each name once, whatever made the link.
fn link_names(form: &Form<'_>, context: Context, links: &mut HashSet<String>, report: &mut Report) {
    let exclusive = context.ip_type == IpType::Exclusive;
    let name = |prop: Prop| form.get(prop).unwrap_or_default();
    match form.resource {
        Resource::Net if exclusive => {
            links.insert(name(Prop::Physical).to_owned());
        }
        Resource::Anet if links.contains(name(Prop::Linkname)) => {
            let name = name(Prop::Linkname);
            let text = format!("A net resource with the physical '{name}' already exists.");
            report.error(Reason::Invalid, format!("anet: {text}"));
        }
        _ => {}
    }
}

fn one(form: &Form<'_>, context: Context, report: &mut Report) {
    let mut unset = missing(form);
    let shared = context.ip_type == IpType::Shared;
    if form.resource == Resource::Net && shared && form.get(Prop::Address).is_none() {
        unset.push("address not specified".to_owned());
    }
    for message in unset {
        let text = format!("{}: {message}", form.resource);
        report.error(Reason::RequiredPropertyMissing, text);
    }
    for spec in form.resource.spec().props {
        if let Some(text) = form.get(spec.prop)
            && let Err(message) = (spec.check)(text, context)
        {
            // Some of the classic messages name their resource themselves.
            let named = message.starts_with(&format!("{}:", form.resource));
            let text = if named {
                message
            } else {
                format!("{}: {message}", form.resource)
            };
            report.error(Reason::InvalidProperty, text);
        }
    }
    for message in inner(form, context) {
        report.error(Reason::Invalid, message);
    }
}

/// What to say of the required properties that are not set.
pub(crate) fn missing(form: &Form<'_>) -> Vec<String> {
    let spec = form.resource.spec();
    let unset = spec.props.iter().filter(|prop| match prop.shape {
        _ if prop.need != Need::Required => false,
        Shape::Texts | Shape::Pairs(_) => form.items.is_empty(),
        // An attribute of type string may be empty.
        Shape::Text | Shape::Size => {
            let empty_string = prop.prop == Prop::Value && form.get(Prop::Type) == Some("string");
            form.get(prop.prop).is_none() && !empty_string
        }
    });
    unset
        .map(|prop| match prop.shape {
            Shape::Pairs(_) => "no value specified".to_owned(),
            _ => format!("{} not specified", prop.prop),
        })
        .collect()
}

/// What is wrong between the values of one resource, as far as `verify` looks.
fn inner(form: &Form<'_>, context: Context) -> Vec<String> {
    let mut wrong = Vec::new();
    let exclusive = context.ip_type == IpType::Exclusive;
    let set = |prop: Prop| form.get(prop).is_some();
    match form.resource {
        Resource::Anet => {
            if !exclusive {
                wrong.push("anet: cannot be specified for a shared IP type".to_owned());
            }
            if set(Prop::Defrouter) && !set(Prop::AllowedAddress) {
                wrong.push(format!(
                    "anet: defrouter for {} cannot be specified without allowed-address",
                    form.get(Prop::Linkname).unwrap_or_default()
                ));
            }
        }
        Resource::Net if exclusive => {
            if set(Prop::Address) {
                wrong.push("net: address cannot be specified for an exclusive IP type".to_owned());
            }
            if set(Prop::Defrouter) && !set(Prop::AllowedAddress) {
                wrong.push(format!(
                    "net: defrouter for {} cannot be specified without allowed-address for an \
                     exclusive IP type",
                    form.get(Prop::Physical).unwrap_or_default()
                ));
            }
        }
        Resource::Net => {
            if set(Prop::AllowedAddress) {
                let text = "net: allowed-address cannot be specified for a shared IP type";
                wrong.push(text.to_owned());
            }
        }
        _ => wrong.extend(inconsistent(form)),
    }
    wrong
}

/// What is wrong between the values of one resource already at its `end`.
pub(crate) fn inconsistent(form: &Form<'_>) -> Option<String> {
    let size = |prop: Prop| form.get(prop).and_then(|text| text.parse::<u64>().ok());
    match form.resource {
        Resource::Attr => {
            let attr_type = form.get(Prop::Type)?.parse().ok()?;
            check::attr_value(attr_type, form.get(Prop::Value).unwrap_or_default()).err()
        }
        Resource::CappedMemory => {
            let (physical, swap, locked) =
                (size(Prop::Physical), size(Prop::Swap), size(Prop::Locked));
            if physical.is_none() && swap.is_none() && locked.is_none() {
                let text =
                    "No property was specified.  One of physical, swap or locked is required.";
                return Some(text.to_owned());
            }
            (locked? > physical?).then(|| {
                "The locked cap must be less than or equal to the physical cap.".to_owned()
            })
        }
        Resource::Rctl => form
            .items
            .iter()
            .find_map(|item: &Item<'_>| crate::form::rctl_of(item).err()),
        Resource::Device => {
            // Where is never a pattern that reaches out of /dev by its text.
            let pattern = form.get(Prop::Match)?;
            let outside = pattern.split('/').any(|part| part == "..");
            outside.then(|| format!("device: match {pattern} must not contain '..'"))
        }
        _ => None,
    }
}

/// What to say when two resources of a kind have the same key.
pub(crate) fn duplicate(form: &Form<'_>) -> String {
    let resource = form.resource;
    let [key, ..] = resource.spec().key else {
        return format!("The {resource} resource already exists.");
    };
    let value = form.get(*key).unwrap_or_default();
    let article = if resource.name().starts_with(['a', 'i']) {
        "An"
    } else {
        "A"
    };
    match resource {
        Resource::Net => {
            let address = form
                .get(Prop::Address)
                .or_else(|| form.get(Prop::AllowedAddress));
            let address = address.unwrap_or_default();
            format!(
                "A net resource with the physical '{value}' and address '{address}' already exists."
            )
        }
        _ => format!("{article} {resource} resource with the {key} '{value}' already exists."),
    }
}

fn cpu_conflicts(config: &ZoneConfig, report: &mut Report) {
    let reason = Reason::Incompatible;
    if config.dedicated_cpu.is_some() {
        if config.cpu_shares().is_some() {
            let text = "rctl zone.cpu-shares and dedicated-cpu are incompatible.";
            report.error(reason, text);
        }
        if config.cpu_cap().is_some() {
            let text = "rctl zone.cpu-cap and the dedicated-cpu are incompatible.";
            report.error(reason, text);
        }
        if !config.pool.is_empty() {
            report.error(reason, "pool and dedicated-cpu are incompatible.");
        }
    }
    let class = config.scheduling_class.as_str();
    if config.cpu_shares().is_some() && !class.is_empty() && class != "FSS" {
        report.warnings.push(format!(
            "WARNING: rctl zone.cpu-shares and scheduling-class={class} are incompatible"
        ));
    }
}

/// Flags in a set, as far as plain names tell.
fn flag_set(text: &str) -> Option<HashSet<&str>> {
    let all = ["aslr", "forbidnullmap", "noexecstack"];
    match text {
        "" | "current" => None,
        "all" => Some(all.into_iter().collect()),
        "none" => Some(HashSet::new()),
        list if list.contains(['-', '!']) => None,
        list => Some(list.split(',').filter(|flag| all.contains(flag)).collect()),
    }
}

fn flag_conflicts(flags: &SecurityFlags, report: &mut Report) {
    let default = flag_set(&flags.default);
    let (lower, upper) = (flag_set(&flags.lower), flag_set(&flags.upper));
    let within = |inner: &Option<HashSet<&str>>, outer: &Option<HashSet<&str>>| match (inner, outer)
    {
        (Some(inner), Some(outer)) => inner.is_subset(outer),
        _ => true,
    };
    if !within(&default, &upper) {
        report.error(
            Reason::Invalid,
            "default secflags must be within the upper limit",
        );
    }
    if !within(&lower, &default) {
        report.error(
            Reason::Invalid,
            "default secflags must be above the lower limit",
        );
    }
    if !within(&lower, &upper) {
        report.error(
            Reason::Invalid,
            "lower secflags must be within the upper limit",
        );
    }
}
