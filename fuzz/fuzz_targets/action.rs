//! Whatever line is an action comes back from its printed form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zones_ips::Action;

fuzz_target!(|line: &str| {
    if let Ok(action) = Action::parse_keeping(line) {
        let again = Action::parse_keeping(&action.to_string());
        assert_eq!(again, Ok(action));
    }
});
