//! `zones matrix image`: golden images.

mod carry;
mod list;
pub(crate) mod options;
pub(crate) mod plan;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use zones_engine::chain;
use zones_matrix::{Difference, Platform, explain};
use zones_runner::images::{Freshness, ImageError, Images, Limits, Manifest};
use zones_store::Layout;

use crate::report::{OK, USAGE, fail};
use options::Options;

/// For the usage line.
pub(super) const VERBS: &str = "build|list|explain|gc|pin|unpin|remove|push|pull [arguments]";

const USAGES: &str = "\
usage:\tzones matrix image build [-f file] [-d folder] [--offline] [-j jobs] [platform...]
\tzones matrix image list [-p | -o json] [-d folder]
\tzones matrix image explain [-f file] [-d folder] [--offline] image [image]
\tzones matrix image gc [-d folder] [--keep number] [--max-size size]
\tzones matrix image pin [-d folder] image name
\tzones matrix image unpin [-d folder] name
\tzones matrix image remove [-d folder] image...
\tzones matrix image push [-d folder] [--rsh command] depot image...
\tzones matrix image pull [-f file] [-d folder] [--rsh command] depot image...";

/// Why a subcommand did not do its work.
pub(crate) enum Trouble {
    /// The command line.
    Usage(String),
    /// Anything else.
    Failed(String),
}

impl From<ImageError> for Trouble {
    fn from(error: ImageError) -> Self {
        Self::Failed(chain(&error))
    }
}

pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let Some((verb, rest)) = args.split_first() else {
        eprintln!("{USAGES}");
        return USAGE;
    };
    carried_out(
        &format!("image {verb}"),
        USAGES,
        rest,
        |options| match verb.as_str() {
            "build" => build(layout, options),
            "list" => list::run(&open(layout, options)?, options),
            "explain" => explain_images(layout, options),
            "gc" => collect(&open(layout, options)?, options),
            "pin" => pin(&open(layout, options)?, options),
            "unpin" => unpin(&open(layout, options)?, options),
            "push" => carry::push(&open(layout, options)?, options),
            "pull" => carry::pull(layout, options),
            "remove" => remove(&open(layout, options)?, options),
            other => Err(Trouble::Usage(format!("no subcommand `{other}`"))),
        },
    )
}

/// Reads the options that commands about images share, does one, and tells what went wrong.
pub(crate) fn carried_out(
    name: &str,
    usages: &str,
    args: &[String],
    act: impl FnOnce(&Options) -> Result<(), Trouble>,
) -> u8 {
    let options = Options::parse(args).map_err(Trouble::Usage);
    match options.and_then(|options| act(&options)) {
        Ok(()) => OK,
        Err(Trouble::Failed(text)) => fail("matrix", text),
        Err(Trouble::Usage(text)) => {
            eprintln!("matrix: {name}: {text}\n{usages}");
            USAGE
        }
    }
}

/// The images of the folder that is meant.
pub(crate) fn open(layout: &Layout, options: &Options) -> Result<Images, Trouble> {
    let folder = options.folder.clone();
    let folder = folder.unwrap_or_else(|| layout.lib().join("matrix"));
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    let binary = PathBuf::from("/proc/self/exe");
    let binary = std::fs::read_link(&binary)
        .map_err(|error| Trouble::Failed(format!("cannot find this program: {error}")))?;
    let images = Images::open(&folder, &binary, &layout.cache())?;
    Ok(images.with(match options.offline {
        true => Freshness::Offline,
        false => Freshness::Exact,
    }))
}

/// Makes the images of platforms, several at a time; one that fails does not end the others.
fn build(layout: &Layout, options: &Options) -> Result<(), Trouble> {
    let images = open(layout, options)?;
    let plan = plan::make(layout, options)?;
    let wanted = plan::platforms(&plan.plan, &options.words)?;
    let queue = Mutex::new(wanted.iter());
    let failed = AtomicUsize::new(0);
    let say = |platform: &str, text: &str| println!("{platform}: {text}");
    let work = || {
        let next = || queue.lock().ok().and_then(|mut queue| queue.next());
        while let Some(platform) = next() {
            let begun = Instant::now();
            match images.ensure(platform, &plan.folder, &say) {
                Ok(golden) => {
                    let stale = if golden.stale { " (stale)" } else { "" };
                    let seconds = begun.elapsed().as_secs_f64();
                    println!("{}: {golden}{stale} in {seconds:.1} s", platform.id);
                }
                Err(error) => {
                    eprintln!("matrix: {}", chain(&error));
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        (1..options.jobs.unwrap_or(1).min(wanted.len())).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    match failed.into_inner() {
        0 => Ok(()),
        failed => Err(Trouble::Failed(format!(
            "{failed} of {} images could not be made",
            wanted.len()
        ))),
    }
}

/// Says why two images are not one; with a single platform, why its image is to be made anew.
fn explain_images(layout: &Layout, options: &Options) -> Result<(), Trouble> {
    let images = open(layout, options)?;
    let plan = match plan::file(options).is_some() {
        true => Some(plan::make(layout, options)?.plan),
        false => None,
    };
    let planned = |word: &str| -> Option<&Platform> {
        plan.as_ref()?
            .platforms
            .iter()
            .find(|platform| platform.id == word)
    };
    let found: Vec<Difference> = match options.words.as_slice() {
        [word] => {
            let Some(platform) = planned(word) else {
                let text = format!("no matrix file names a platform `{word}`; -f names one");
                return Err(Trouble::Failed(text));
            };
            let newest = images.list()?.into_iter().rfind(|it| it.platform == *word);
            let Some(made) = newest else {
                println!("no image of {word} was made yet");
                return Ok(());
            };
            explain(&made.inputs, &platform.image.inputs)
        }
        [left, right] => {
            let inputs = |word: &str| match planned(word) {
                Some(platform) => Ok(platform.image.inputs.clone()),
                None => images.find(word).map(|manifest| manifest.inputs),
            };
            explain(&inputs(left)?, &inputs(right)?)
        }
        _ => return Err(Trouble::Usage("one or two images are wanted".to_owned())),
    };
    found.iter().for_each(|difference| println!("{difference}"));
    if found.is_empty() {
        println!("no input differs");
    }
    Ok(())
}

fn collect(images: &Images, options: &Options) -> Result<(), Trouble> {
    let limits = Limits {
        keep: options.keep,
        bytes: options.max_size,
    };
    let done = images.collect(limits)?;
    let line = |manifest: &Manifest, text: &str| {
        let megabytes = manifest.bytes >> 20;
        println!(
            "{} ({}, {megabytes} MiB) {text}",
            manifest.zone, manifest.platform
        );
    };
    done.removed.iter().for_each(|it| line(it, "is removed"));
    done.busy
        .iter()
        .for_each(|it| line(it, "stays: it is in use"));
    for key in &done.ruins {
        println!("what a build of {key} left is removed");
    }
    Ok(())
}

fn pin(images: &Images, options: &Options) -> Result<(), Trouble> {
    let [word, name] = options.words.as_slice() else {
        return Err(Trouble::Usage("an image and a name are wanted".to_owned()));
    };
    let manifest = images.find(word)?;
    Ok(images.place().pin(name, Some(manifest.key))?)
}

fn unpin(images: &Images, options: &Options) -> Result<(), Trouble> {
    let [name] = options.words.as_slice() else {
        return Err(Trouble::Usage("a name is wanted".to_owned()));
    };
    Ok(images.place().pin(name, None)?)
}

fn remove(images: &Images, options: &Options) -> Result<(), Trouble> {
    if options.words.is_empty() {
        return Err(Trouble::Usage("which image?".to_owned()));
    }
    for word in &options.words {
        images.remove(images.find(word)?.key)?;
    }
    Ok(())
}
