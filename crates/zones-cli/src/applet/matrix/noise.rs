//! `zones matrix noise`: what platforms change by themselves.

use zones_engine::chain;
use zones_matrix::leftovers::piuparts;
use zones_runner::images::Images;
use zones_store::Layout;

use super::image::options::Options;
use super::image::{Trouble, carried_out, open, plan};

const USAGES: &str = "\
usage:\tzones matrix noise [--show] [-f file] [-d folder] [--offline] [platform...]
\tzones matrix noise --import list...";

/// Learns the noise of platforms where nobody did yet; with `--show`, prints it; with `--import`,
/// prints lists of another program as a matrix file has them.
pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let has = |flag: &str| args.iter().any(|word| word == flag);
    let is_own = |word: &&String| *word != "--show" && *word != "--import";
    let rest: Vec<String> = args.iter().filter(is_own).cloned().collect();
    carried_out("noise", USAGES, &rest, |options| match has("--import") {
        true => import(&options.words),
        false => learn(layout, &open(layout, options)?, options, has("--show")),
    })
}

fn learn(layout: &Layout, images: &Images, options: &Options, show: bool) -> Result<(), Trouble> {
    let plan = plan::make(layout, options)?;
    let say = |platform: &str, text: &str| eprintln!("{platform}: {text}");
    for platform in plan::platforms(&plan.plan, &options.words)? {
        let golden = images.ensure(platform, &plan.folder, &say)?;
        let noise = images.noise(&golden, &|text| say(&platform.id, text));
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

/// Ignore lists of piuparts(1) as the table of a matrix file; what is left out is told.
fn import(lists: &[String]) -> Result<(), Trouble> {
    if lists.is_empty() {
        return Err(Trouble::Usage("which list?".to_owned()));
    }
    let mut patterns = Vec::new();
    for list in lists {
        let text = std::fs::read_to_string(list);
        let text = text.map_err(|error| Trouble::Failed(format!("`{list}`: {error}")))?;
        let imported = piuparts(&text);
        for line in imported.left {
            eprintln!("{list}: left out: {line}");
        }
        patterns.extend(imported.patterns);
    }
    patterns.sort();
    patterns.dedup();
    println!("[leftovers]\nignore = [");
    for pattern in patterns {
        // A string of JSON is one of TOML.
        println!("    {},", serde_json::Value::from(pattern));
    }
    println!("]");
    Ok(())
}
