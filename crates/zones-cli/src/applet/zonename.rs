//! zonename(1): which zone is this?

use zones_store::Layout;

use crate::inside::inside;
use crate::report::{FAILURE, OK};

pub(crate) fn run(_layout: &Layout, args: &[String]) -> u8 {
    let ip_type = args.iter().any(|arg| arg == "-t");
    let shown = match inside() {
        Ok(Some(zone)) if ip_type => zone.ip_type,
        Ok(Some(zone)) => zone.name,
        Ok(None) if ip_type => "shared".to_owned(),
        Ok(None) => "global".to_owned(),
        Err(_) => {
            eprintln!("zonename: could not determine zone name");
            return FAILURE;
        }
    };
    println!("{shown}");
    OK
}
