//! Whether a zone that comes from elsewhere finds here the base that it had there.

use zones_brand::sparse::{self, BASE_HASH, Bases};
use zones_config::{Attr, AttrType, ZoneConfig};
use zones_engine::chain;
use zones_store::Layout;
use zones_stream::Shared;

/// Which base a zone has; `None` for one that is not sparse.
///
/// # Errors
/// There is no such base, or nobody wrote down what it holds.
pub(in crate::applet::zoneadm) fn of(
    layout: &Layout,
    config: &ZoneConfig,
) -> Result<Option<Shared>, String> {
    if !sparse::is_sparse(config) {
        return Ok(None);
    }
    let base = Bases::open(layout.bases()).find(sparse::base_of(config));
    let base = base.map_err(|error| chain(&error))?;
    Ok(Some(Shared {
        name: base.name,
        sha256: base.sha256,
    }))
}

/// Adds to the description of a zone that goes which base it had.
pub(in crate::applet::zoneadm) fn describe(config: &mut ZoneConfig, base: &Shared) {
    config.attrs.retain(|it| it.name != BASE_HASH);
    config.attrs.push(Attr {
        name: BASE_HASH.to_owned(),
        attr_type: AttrType::String,
        value: base.sha256.clone(),
    });
}

/// What [`describe`] added.
pub(in crate::applet::zoneadm) fn described(config: &ZoneConfig) -> Option<Shared> {
    Some(Shared {
        name: sparse::base_of(config).to_owned(),
        sha256: config.attr(BASE_HASH)?.to_owned(),
    })
}

/// Why the base of a zone is not `theirs`, which it had where it was `gone` ("exported") and is to
/// `come` from ("import"); `None` when it is.
///
/// # Errors
/// There is no base of its name here.
pub(in crate::applet::zoneadm) fn difference(
    layout: &Layout,
    config: &ZoneConfig,
    theirs: &Shared,
    (gone, come): (&str, &str),
) -> Result<Option<String>, String> {
    let known = format!("base {} ({})", theirs.name, theirs.sha256);
    let name = sparse::base_of(config);
    match Bases::open(layout.bases()).find(name) {
        Ok(ours) if ours.sha256 == theirs.sha256 => Ok(None),
        Ok(ours) => Ok(Some(format!(
            "the zone was {gone} beside {known}, and base {name} ({}) of this host is another one: \
             make that base here under another name (zoneadm base create), configure the zone with \
             it (attr base), or {come} with -F",
            ours.sha256
        ))),
        Err(error) => Err(format!(
            "the zone was {gone} beside {known}: {}",
            chain(&error)
        )),
    }
}
