//! zonename(1): which zone is this?

use zones_store::Layout;

use crate::report::{FAILURE, OK};

/// What process 1 of a zone has in its environment; set by the engine at boot.
pub(crate) fn run(layout: &Layout, args: &[String]) -> u8 {
    match current() {
        Some(name) => {
            let shown = if args.iter().any(|arg| arg == "-t") {
                ip_type(layout, &name)
            } else {
                name
            };
            println!("{shown}");
            OK
        }
        None => {
            eprintln!("zonename: could not determine zone name");
            FAILURE
        }
    }
}

/// `global`, or inside a zone its name: the engine leaves it in `/run/zone`, which is on a file
/// system that the host made. Everybody in the zone may read it.
fn current() -> Option<String> {
    match std::fs::read_to_string("/run/zone/name") {
        Ok(text) => Some(text.trim_end().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("global".to_owned()),
        Err(_) => None,
    }
}

fn ip_type(_layout: &Layout, name: &str) -> String {
    if name == "global" {
        return "shared".to_owned();
    }
    std::fs::read_to_string("/run/zone/ip-type")
        .map_or_else(|_| "shared".to_owned(), |text| text.trim_end().to_owned())
}
