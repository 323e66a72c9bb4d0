//! What a linked child may have beside its parent.

use zones_ips::{Fmri, Publisher, Stem, Version};

use crate::depend::Depend;
use crate::job::Job;
use crate::reason::{Place, Reason};
use crate::release::Release;

/// Why the parent of the image forbids a release, if it does. An image without parent has no say.
pub(crate) fn objection(job: &Job<'_>, release: &Release) -> Option<Reason> {
    let parent = job.image.parent.as_ref()?;
    let place = if parent.is_global_zone {
        Place::GlobalZone
    } else {
        Place::ParentImage
    };
    let asked = release.depends.iter().find_map(|depend| {
        let (stem, wanted, publisher) = match depend {
            Depend::Parent(target) => (&target.stem, target.version.as_ref(), None),
            Depend::ParentSelf => (
                &release.stem,
                Some(&release.version),
                Some(&release.publisher),
            ),
            _ => return None,
        };
        let Some(have) = parent.installed.get(stem) else {
            return Some(Reason::NotInParent(stem.clone(), place));
        };
        compare(stem, wanted, publisher, have, place)
    });
    asked.or_else(|| synced(job, release))
}

/// What both have and what fixes versions of others is the same in both: a zone follows `entire` of
/// its host.
fn synced(job: &Job<'_>, release: &Release) -> Option<Reason> {
    let parent = job.image.parent.as_ref()?;
    let (publisher, version) = parent.installed.get(&release.stem)?;
    let is_same = *publisher == release.publisher && *version == release.version;
    (release.is_incorporation() && !is_same)
        .then(|| Reason::SyncedIncorporation(release.stem.clone()))
}

fn compare(
    stem: &Stem,
    wanted: Option<&Version>,
    publisher: Option<&Publisher>,
    (origin, version): &(Publisher, Version),
    place: Place,
) -> Option<Reason> {
    let fmri = || Fmri::new(Some(origin.clone()), stem.clone(), Some(version.clone()));
    if publisher.is_some_and(|it| it != origin) {
        return Some(Reason::ParentPublisher(fmri(), place));
    }
    let wanted = wanted?;
    if version == wanted || version.refines(wanted) {
        None
    } else if version > wanted {
        Some(Reason::ParentNewer(fmri(), place))
    } else {
        Some(Reason::ParentOlder(fmri(), place))
    }
}
