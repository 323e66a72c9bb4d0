//! `pkg image-create`.

use std::path::{Path, PathBuf};

use zones_image::{Create, Image};

use super::publisher::{add_from, add_named};
use super::{Call, Outcome, Stop, usage};
use crate::report::OK;

pub(super) fn run(call: &Call<'_>) -> Outcome {
    let words = &call.words;
    let [folder] = words.operands.as_slice() else {
        return Err(usage("an image root must be specified"));
    };
    let root = std::path::absolute(Path::new(folder)).map_err(super::failed)?;
    let pairs = |option: &'static str| -> Result<Vec<(String, String)>, Stop> {
        let pairs = words.values(option).map(|text| pair(option, text));
        pairs.collect()
    };
    let facets = pairs("facet")?.into_iter().map(|(name, value)| {
        let value = super::variant::truth(&value)?;
        Ok((super::variant::full("facet", &name), value))
    });
    let variants = pairs("variant")?.into_iter();
    let how = Create {
        is_user: !words.has("full") && !words.has("partial") && !words.has("zone"),
        is_zone: words.has("zone"),
        is_forced: words.has("force"),
        variants: variants
            .map(|(name, value)| (super::variant::full("variant", &name), value))
            .collect(),
        facets: facets.collect::<Result<_, Stop>>()?,
        properties: pairs("set-property")?,
    };
    super::owner::check_place(call.layout, &root)?;
    let mut image = Image::create(&root, &how, call.client.clone())?;
    let lock = image.lock()?;
    let done = publishers(call, &mut image);
    drop(lock);
    done?;
    call.note(&image, &Ok(OK));
    Ok(OK)
}

/// `-p [NAME=]URI`, with further origins and mirrors of it.
fn publishers(call: &Call<'_>, image: &mut Image) -> Result<(), Stop> {
    let words = &call.words;
    for text in words.values("publisher").chain(words.values("authority")) {
        match text
            .split_once('=')
            .filter(|(name, _)| !name.contains(['/', ':']))
        {
            Some((name, uri)) => add_named(image, name, &[uri])?,
            None => add_from(image, text, None)?,
        }
    }
    if let Some(first) = image.settings.publishers.first_mut() {
        words
            .values("origin")
            .for_each(|uri| first.add_origin(uri, None));
        first
            .mirrors
            .extend(words.values("mirror").map(str::to_owned));
        let file = |name: &str| {
            let path = words.value(name).map(PathBuf::from);
            path.and_then(|it| std::path::absolute(it).ok())
                .map(|it| it.display().to_string())
        };
        first.ssl_key = file("key");
        first.ssl_cert = file("cert");
    }
    image.save()?;
    if words.has("no-refresh") || image.settings.publishers.is_empty() {
        return Ok(());
    }
    image.refresh(&[], false, &|_| {})?;
    Ok(())
}

fn pair(option: &str, text: &str) -> Result<(String, String), Stop> {
    let pair = text.split_once('=');
    let (name, value) =
        pair.ok_or_else(|| usage(format!("--{option} takes NAME=VALUE, not '{text}'")))?;
    Ok((name.to_owned(), value.to_owned()))
}
