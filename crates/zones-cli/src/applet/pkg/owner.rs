//! Whose image it is. That of a zone is opened as one that a stranger may write to: see
//! docs/adr/0013.

use std::path::{Path, PathBuf};

use zones_image::{Client, Image, ImageError};
use zones_store::{Layout, Store};
use zones_types::{ZoneName, ZonePath};

/// The folder of the root that is active, and that of the others, in a zonepath.
const ROOT: &str = "root";
const ENVIRONMENTS: &str = "be";

/// A zone with a folder.
struct Known {
    zone: ZoneName,
    path: ZonePath,
    /// The zonepath without links.
    home: PathBuf,
}

fn known(layout: &Layout) -> Result<Vec<Known>, ImageError> {
    let entries = match Store::open(layout.clone()).list() {
        Ok(entries) => entries,
        // Who may not read the index cannot reach the roots of zones either.
        Err(_) if !rustix::process::geteuid().is_root() => Vec::new(),
        // Without it nobody knows whose an image is.
        Err(error) => return Err(ImageError::Refused(zones_engine::chain(&error))),
    };
    let row = |entry: zones_store::IndexEntry| {
        let path = entry.zonepath()?;
        let home = path.as_path().canonicalize().ok()?;
        Some(Known {
            zone: entry.name,
            path,
            home,
        })
    };
    Ok(entries.into_iter().filter_map(row).collect())
}

impl Known {
    /// Whether this is the root of one of its environments.
    fn has_root(&self, real: &Path) -> bool {
        let Ok(below) = real.strip_prefix(&self.home) else {
            return false;
        };
        let mut names = below.iter();
        match (names.next(), names.next(), names.next()) {
            (Some(root), None, None) => root == ROOT,
            (Some(folder), Some(_), None) => folder == ENVIRONMENTS,
            _ => false,
        }
    }

    /// Whether root of the zone may have written what is there: its roots, and copies of them.
    fn is_strange(&self, real: &Path) -> bool {
        let Ok(below) = real.strip_prefix(&self.home) else {
            return false;
        };
        let mut names = below.iter();
        match names.next() {
            None => false,
            Some(folder) if folder == ENVIRONMENTS => names.next().is_some(),
            Some(_) => true,
        }
    }
}

/// The zone whose active root this is, and its zonepath.
pub(super) fn zone_of(layout: &Layout, root: &Path) -> Option<(ZoneName, ZonePath)> {
    let real = root.canonicalize().ok()?;
    let zones = known(layout).ok()?;
    let found = zones.into_iter().find(|it| it.home.join(ROOT) == real);
    found.map(|it| (it.zone, it.path))
}

/// Whose image is at `root`; None for one of the host.
///
/// # Errors
/// The way there leads through the root of a zone, where links are those of a stranger.
fn owner(layout: &Layout, root: &Path) -> Result<Option<ZoneName>, ImageError> {
    let zones = known(layout)?;
    if zones.is_empty() {
        return Ok(None);
    }
    let strange = |real: &Path| zones.iter().find(|it| it.is_strange(real));
    let refused = |it: &Known| {
        Err(ImageError::Refused(format!(
            "'{}' lies inside of zone '{}', whose links may lead anywhere; work on it in the zone: \
             zlogin {} pkg -R ...",
            root.display(),
            it.zone,
            it.zone
        )))
    };
    for above in root.ancestors().skip(1) {
        let real = above.canonicalize().ok();
        if let Some(zone) = real.as_deref().and_then(strange) {
            return refused(zone);
        }
    }
    let Ok(real) = root.canonicalize() else {
        return Ok(None);
    };
    match strange(&real) {
        Some(zone) if zone.has_root(&real) => Ok(Some(zone.zone.clone())),
        Some(zone) => refused(zone),
        None => Ok(None),
    }
}

/// Refuses a place for a new image inside of a zone.
///
/// # Errors
/// The way there leads through the root of a zone.
pub(super) fn check_place(layout: &Layout, root: &Path) -> Result<(), ImageError> {
    if crate::inside::is_inside() {
        return Ok(());
    }
    owner(layout, root).map(drop)
}

/// Opens the image at `root`: one of a zone with what the host says of it.
///
/// # Errors
/// There is none, it cannot be understood, or lies inside of a zone.
pub(crate) fn open(layout: &Layout, root: &Path, client: Client) -> Result<Image, ImageError> {
    if crate::inside::is_inside() {
        return Image::open(root, client);
    }
    if let Some(zone) = owner(layout, root)? {
        return zones_brand::open_zone(layout, &zone, root, client);
    }
    let image = Image::open(root, client)?;
    // The root of a zone at another place, or of another host.
    let link = image.link()?.map(|it| it.name);
    let zone = link.as_deref().and_then(|it| it.strip_prefix("zone:"));
    match zone.and_then(|it| it.parse::<ZoneName>().ok()) {
        Some(zone) => {
            let client = image.client();
            image.guarded(zones_brand::guard(layout, &zone, client)?)
        }
        None => Ok(image),
    }
}

/// Says which publishers are not asked, and what to do about it.
pub(crate) fn warn_of_strangers(image: &Image) {
    for publisher in image.strangers() {
        let owner = image.owner().unwrap_or_default();
        let root = image.path().display();
        eprintln!(
            "pkg: publisher '{publisher}' is named only inside of {owner} and is not asked from \
             here; run pkg in the zone, or name its origin here: pkg -R {root} set-publisher -O \
             URI {publisher}"
        );
    }
}
