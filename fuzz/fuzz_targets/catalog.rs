//! Whatever bytes are a file of a catalog come back from their printed form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zones_ips::catalog::{Attrs, Log, Part, Signed};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((part, _)) = Part::parse(bytes, Signed::Optional) {
        let (printed, _) = part.to_bytes();
        let again = Part::parse(&printed, Signed::Required);
        assert_eq!(again.map(|(part, _)| part).ok(), Some(part));
    }
    if let Ok(attrs) = Attrs::parse(bytes, Signed::Optional) {
        let again = Attrs::parse(&attrs.to_bytes(), Signed::Required);
        assert_eq!(again.ok(), Some(attrs));
    }
    if let Ok((log, _)) = Log::parse(bytes, Signed::Optional) {
        let (printed, _) = log.to_bytes();
        assert!(Log::parse(&printed, Signed::Required).is_ok());
    }
});
