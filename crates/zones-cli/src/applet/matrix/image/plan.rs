//! The plan of a matrix file, for what it says of images.

use std::path::{Path, PathBuf};

use zones_matrix::{Circumstances, History, Many, Matrix, Plan, Platform};
use zones_runner::images::{Folder, Origins};
use zones_store::Layout;

use super::Trouble;
use super::options::Options;

/// The matrix file where none is named.
const FILE: &str = "matrix.toml";

/// A plan, and the folder that its files are named from.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) folder: PathBuf,
}

/// The matrix file that is meant, when there is one.
pub(super) fn file(options: &Options) -> Option<PathBuf> {
    let usual = || Some(PathBuf::from(FILE)).filter(|path| path.is_file());
    options.file.clone().or_else(usual)
}

pub(super) fn make(layout: &Layout, options: &Options) -> Result<Planned, Trouble> {
    let path = file(options).unwrap_or_else(|| PathBuf::from(FILE));
    let failed = |why: String| Trouble::Failed(format!("`{}`: {why}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    let full = std::path::absolute(&path).map_err(|error| failed(error.to_string()))?;
    let folder = full.parent().unwrap_or_else(|| Path::new("/")).to_owned();
    let origins = match options.offline {
        true => Origins::Unknown,
        false => Origins::Asked(crate::applet::zoneadm::package_host(layout).map_err(failed)?),
    };
    let is_set = |name: &str| crate::env::is_set(name);
    let world = Folder::new(&folder, origins, &is_set);
    let circumstances = Circumstances {
        today: jiff::Timestamp::now()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date(),
        seed: 0,
        many: Many::Wanted,
        history: History::default(),
    };
    let matrix = Matrix::parse(&text);
    let plan = matrix.and_then(|matrix| zones_matrix::plan(&matrix, &world, &circumstances));
    let plan = plan.map_err(|error| failed(error.to_string()))?;
    Ok(Planned { plan, folder })
}

/// The platforms of these ids; all of them when there is none.
pub(super) fn platforms<'a>(
    plan: &'a Plan,
    words: &[String],
) -> Result<Vec<&'a Platform>, Trouble> {
    if words.is_empty() {
        return Ok(plan.platforms.iter().collect());
    }
    let find = |word: &String| {
        let found = plan.platforms.iter().find(|platform| platform.id == *word);
        found.ok_or_else(|| {
            let ids: Vec<&str> = plan.platforms.iter().map(|it| it.id.as_str()).collect();
            Trouble::Failed(format!(
                "no platform `{word}`; there are {}",
                ids.join(", ")
            ))
        })
    };
    words.iter().map(find).collect()
}
