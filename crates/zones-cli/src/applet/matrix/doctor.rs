//! `zones matrix doctor`: whether time and disk are what cells need them to be.

use std::path::Path;

use zones_runner::Site;
use zones_runner::evidence::server_offset;
use zones_store::Layout;

use super::NAME;
use crate::report::{OK, fail};

/// Compares the clock of whoever keeps each folder with the host's, and says whether cells can be
/// kept from filling the disk.
pub(super) fn run(layout: &Layout, args: &[String]) -> u8 {
    let here = [".".to_owned()];
    let folders: &[String] = if args.is_empty() { &here } else { args };
    let mut status = OK;
    for folder in folders {
        match server_offset(Path::new(folder)) {
            Ok(offset) => {
                let (ahead, within) = (offset.ahead, offset.within.as_micros());
                let side = if ahead < 0 { "behind" } else { "ahead of" };
                let milliseconds = ahead.unsigned_abs() as f64 / 1000.0;
                let within = within as f64 / 1000.0;
                println!(
                    "{folder}: its clock is {milliseconds:.1} ms {side} the host's (within \
                     {within:.1} ms)"
                );
                if offset.is_skewed() {
                    let text = "make(1) will warn of skew; set that clock";
                    status = fail(NAME, format!("{folder}: {text}"));
                }
            }
            Err(error) => {
                let text = format!("cannot write a probe file into `{folder}`: {error}");
                status = fail(NAME, text);
            }
        }
    }
    match Site::of(layout).limits_disk() {
        Ok(()) => println!("the `disk` of a cell is kept by its storage"),
        Err(why) => println!("the `disk` of a cell is looked at after each step only: {why}"),
    }
    status
}
