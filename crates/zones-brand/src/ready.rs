//! When a zone counts as come up, in a boot environment that is on trial.

use serde::Deserialize;

/// Table `[ready]` of a manifest; without one, that of `brands/ready.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Seconds that process 1 must have lived, where no command says more.
    #[serde(default = "seconds")]
    pub seconds: u32,
    /// What succeeds in the zone once it is up; given to `/bin/sh -c`.
    #[serde(default)]
    pub command: Option<String>,
    /// As `command`, where process 1 is systemd.
    #[serde(default)]
    pub systemd: Option<String>,
    /// Seconds after which the zone will not come up any more.
    #[serde(default = "timeout")]
    pub timeout: u32,
}

const fn seconds() -> u32 {
    3
}

const fn timeout() -> u32 {
    90
}

impl Default for Ready {
    fn default() -> Self {
        // A test sees to it that this parses.
        toml::from_str(include_str!("../../../brands/ready.toml")).unwrap_or(Self {
            seconds: seconds(),
            command: None,
            systemd: None,
            timeout: timeout(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_parses_and_a_brand_says_only_what_differs() {
        assert!(Ready::default().systemd.is_some());
        let ready: Ready = toml::from_str("command = \"true\"").unwrap();
        assert_eq!((ready.seconds, ready.timeout), (3, 90));
    }
}
