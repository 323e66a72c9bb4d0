//! Whatever text is an FMRI comes back from its printed form; patterns do not panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zones_ips::{Fmri, Pattern};

fuzz_target!(|text: &str| {
    let fmri = text.parse::<Fmri>();
    if let (Ok(pattern), Ok(fmri)) = (text.parse::<Pattern>(), &fmri) {
        let _ = pattern.match_fmri(fmri);
    }
    if let Ok(fmri) = fmri {
        assert_eq!(fmri.to_string().parse(), Ok(fmri));
    }
});
