//! `clone --config` and `uninstall --delete`: what zonecfg would do before and after, without another
//! process.

use zones_store::Layout;
use zones_types::ZoneName;

use super::run::bad_usage;
use crate::applet::zonecfg;
use crate::report::OK;

const CONFIG: &str = "--config";
const DELETE: &str = "--delete";

/// Takes `--config FILE` out of the arguments of `clone`, and configures the zone as the file says.
///
/// # Errors
/// The exit status: there is no file, or zonecfg refused it and has said why.
pub(super) fn before_clone(
    layout: &Layout,
    zone: &ZoneName,
    args: &[String],
) -> Result<Vec<String>, u8> {
    let mut args = args.to_vec();
    let Some(at) = args.iter().position(|word| word == CONFIG) else {
        return Ok(args);
    };
    let Some(file) = args.get(at + 1).cloned() else {
        eprintln!("zoneadm: clone: {CONFIG} needs a value");
        return Err(bad_usage("clone"));
    };
    args.drain(at..=at + 1);
    match configure(layout, zone, &["-f", &file]) {
        OK => Ok(args),
        status => Err(status),
    }
}

/// Takes `--delete` out of the arguments of `uninstall`; whether it was there.
pub(super) fn is_deleted(args: &mut Vec<String>) -> bool {
    let count = args.len();
    args.retain(|word| word != DELETE);
    args.len() < count
}

/// Deletes the configuration of a zone; an exit status.
pub(super) fn delete(layout: &Layout, zone: &ZoneName) -> u8 {
    configure(layout, zone, &["delete -F"])
}

fn configure(layout: &Layout, zone: &ZoneName, words: &[&str]) -> u8 {
    let probe = |zone: &ZoneName| zones_engine::active(layout, zone).map(|(state, _)| state);
    let words = [&["-z", zone.as_str()][..], words].concat();
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    zonecfg::run(layout, &words, &probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_taken_out_of_the_others() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut args = words("-F --delete");
        assert!(is_deleted(&mut args));
        assert_eq!(args, words("-F"));
        assert!(!is_deleted(&mut args));
        let layout = Layout::below(std::path::Path::new("/nowhere"));
        let zone = "z1".parse().unwrap();
        let plain = words("-X other");
        assert_eq!(before_clone(&layout, &zone, &plain), Ok(plain.clone()));
        assert!(before_clone(&layout, &zone, &words("other --config")).is_err());
    }
}
