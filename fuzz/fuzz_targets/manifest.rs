//! Whatever text is a manifest comes back from its printed form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zones_ips::manifest::{Manifest, Unknown};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::from_bytes(bytes, Unknown::Kept) {
        let again = Manifest::parse(&manifest.to_string(), Unknown::Kept);
        assert_eq!(again, Ok(manifest));
    }
});
