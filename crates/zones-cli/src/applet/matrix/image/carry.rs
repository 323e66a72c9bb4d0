//! `zones matrix image push`, `pull`: images at another place.

use std::path::PathBuf;

use zones_matrix::Key;
use zones_runner::images::{Carried, Depot, Images};
use zones_store::Layout;

use super::options::Options;
use super::{Trouble, plan};

/// The depot that the first word names, and the images.
fn parse(options: &Options) -> Result<(Depot, &[String]), Trouble> {
    let Some((folder, images)) = options.words.split_first() else {
        return Err(Trouble::Usage("a depot is wanted".to_owned()));
    };
    let depot = match &options.rsh {
        None => Depot::Folder(PathBuf::from(folder)),
        Some(argv) if argv.is_empty() => {
            return Err(Trouble::Usage("--rsh needs a command".to_owned()));
        }
        Some(argv) => Depot::Shell {
            argv: argv.clone(),
            folder: folder.clone(),
        },
    };
    Ok((depot, images))
}

fn tell(key: Key, carried: Carried, what: &str) {
    match carried {
        Carried::Already => println!("{key}: is there"),
        Carried::Bytes(bytes) => println!("{key}: {what}, {bytes} bytes"),
    }
}

/// Sends these images; without one, all.
pub(super) fn push(images: &Images, options: &Options) -> Result<(), Trouble> {
    let (depot, words) = parse(options)?;
    let keys: Vec<Key> = match words {
        [] => images.list()?.iter().map(|it| it.key).collect(),
        words => {
            let keys = words.iter().map(|word| images.find(word).map(|it| it.key));
            keys.collect::<Result<_, _>>()?
        }
    };
    for key in keys {
        tell(key, images.push(key, &depot)?, "sent");
    }
    Ok(())
}

/// Gets these images, by platform or by the beginning of their keys; without one, those of all
/// platforms.
pub(super) fn pull(layout: &Layout, options: &Options) -> Result<(), Trouble> {
    let images = super::open(layout, options)?;
    let (depot, words) = parse(options)?;
    let there = images.at(&depot)?;
    let plan = match plan::file(options) {
        Some(_) => Some(plan::make(layout, options)?.plan),
        None => None,
    };
    let platforms = plan.iter().flat_map(|plan| &plan.platforms);
    let planned: Vec<(&str, Key)> = platforms.map(|it| (it.id.as_str(), it.image.key)).collect();
    let find = |word: &String| -> Result<Key, Trouble> {
        if let Some((_, key)) = planned.iter().find(|(id, _)| id == word) {
            return Ok(*key);
        }
        let hex = word.strip_prefix("golden-").unwrap_or(word);
        let mut found = there.iter().filter(|key| key.to_string().starts_with(hex));
        match (found.next(), found.next()) {
            (Some(key), None) => Ok(*key),
            _ => Err(Trouble::Failed(format!(
                "`{word}` is no platform, and not the beginning of the key of one image there"
            ))),
        }
    };
    let keys: Vec<Key> = match words {
        [] => planned.iter().map(|(_, key)| *key).collect(),
        words => words.iter().map(find).collect::<Result<_, _>>()?,
    };
    for key in keys {
        tell(key, images.pull(key, &depot)?, "came");
    }
    Ok(())
}
