//! `zones matrix noise`: what platforms change by themselves.

use zones_engine::chain;
use zones_runner::images::Images;
use zones_store::Layout;

use super::image::options::Options;
use super::image::{Trouble, open, plan};
use crate::report::{OK, USAGE, fail};

const USAGES: &str = "\
usage:\tzones matrix noise [--show] [-f file] [-d folder] [--offline] [platform...]";

/// Learns the noise of platforms where nobody did yet; with `--show`, prints it.
pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let show = args.iter().any(|word| word == "--show");
    let rest: Vec<String> = args.iter().filter(|it| *it != "--show").cloned().collect();
    let options = Options::parse(&rest).map_err(Trouble::Usage);
    let done = options.and_then(|options| {
        let images = open(layout, &options)?;
        learn(layout, &images, &options, show)
    });
    match done {
        Ok(()) => OK,
        Err(Trouble::Failed(text)) => fail("matrix", text),
        Err(Trouble::Usage(text)) => {
            eprintln!("matrix: noise: {text}\n{USAGES}");
            USAGE
        }
    }
}

fn learn(layout: &Layout, images: &Images, options: &Options, show: bool) -> Result<(), Trouble> {
    let plan = plan::make(layout, options)?;
    let say = |platform: &str, text: &str| eprintln!("{platform}: {text}");
    for platform in plan::platforms(&plan.plan, &options.words)? {
        let golden = images.ensure(platform, &plan.folder, &say)?;
        let noise = images.noise(&golden);
        let noise = noise.map_err(|error| Trouble::Failed(chain(&error)))?;
        if !show {
            println!("{}: {} changes", platform.id, noise.iter().count());
            continue;
        }
        for (subject, name) in noise.iter() {
            let subject = format!("{subject:?}").to_lowercase();
            println!("{}: {subject} {name}", platform.id);
        }
    }
    Ok(())
}
