//! `zones matrix`: the support matrix of a product.

mod image;

use zones_store::Layout;

use crate::report::USAGE;

/// Runs a subcommand.
pub(crate) fn run(layout: &Layout, args: &[String]) -> u8 {
    match args.split_first() {
        Some((word, rest)) if word == "image" => image::run(layout, rest),
        _ => {
            eprintln!("usage:\tzones matrix image {}", image::VERBS);
            USAGE
        }
    }
}
