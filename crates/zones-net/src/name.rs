//! Names of network interfaces.

use std::fmt;
use std::str::FromStr;

/// A name of 1 to 15 bytes without blanks, `/` and `:`, neither `.` nor `..`.
///
/// Source: the kernel's `dev_valid_name`; `%` is refused here because the kernel reads it as a
/// pattern.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfName(Box<str>);

/// Why a text is no interface name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no interface name: 1 to 15 bytes without blanks, `/`, `:` and `%`")]
pub struct IfNameError(pub String);

impl IfName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IfName {
    type Err = IfNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = (1..=15).contains(&text.len());
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"/:%".contains(&b));
        if length && plain && text != "." && text != ".." {
            Ok(Self(text.into()))
        } else {
            Err(IfNameError(text.into()))
        }
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_kernel() {
        for good in ["lo", "eth0.7", "zv12.0", "a23456789012345"] {
            assert_eq!(good.parse::<IfName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            "a b",
            "a/b",
            "a:1",
            "v%d",
            "a234567890123456",
            "ö",
        ] {
            assert!(bad.parse::<IfName>().is_err(), "{bad}");
        }
    }
}
