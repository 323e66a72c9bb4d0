//! Amounts of memory.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bytes, written with K, M, G or T (powers of 1024).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Bytes(pub u64);

/// Why a text is no amount of memory; prints the classic lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A non-negative number with a required scale suffix (K, M, G or T) was expected\nhere.")]
pub struct BytesError;

const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];

impl FromStr for Bytes {
    type Err = BytesError;

    /// Takes `10`, `1g`, `1.5 G`; a bare number is bytes, as recent illumos takes it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (number, shift) = match text.chars().last() {
            Some(last) if last.is_ascii_alphabetic() => {
                let unit = UNITS
                    .iter()
                    .find(|(unit, _)| *unit == last.to_ascii_uppercase());
                (text[..text.len() - 1].trim_end(), unit.ok_or(BytesError)?.1)
            }
            _ => (text, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if number.is_empty() || number == "." || !digits(whole) || !digits(fraction) {
            return Err(BytesError);
        }
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| BytesError)?
        };
        let whole = whole.checked_mul(1 << shift).ok_or(BytesError)?;
        let fraction = fraction_bytes(fraction, shift)?;
        whole.checked_add(fraction).map(Self).ok_or(BytesError)
    }
}

/// `.fraction` of a unit in bytes, rounded down; no floating point, so `1.1T` is exact.
fn fraction_bytes(fraction: &str, shift: u32) -> Result<u64, BytesError> {
    if fraction.is_empty() {
        return Ok(0);
    }
    let fraction = &fraction[..fraction.len().min(18)];
    let value: u128 = fraction.parse().map_err(|_| BytesError)?;
    let scale = 10u128.pow(u32::try_from(fraction.len()).map_err(|_| BytesError)?);
    u64::try_from((value << shift) / scale).map_err(|_| BytesError)
}

impl fmt::Display for Bytes {
    /// The nearest unit: rounds half up, one decimal only below 10 and when it is no multiple.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return f.pad(&self.0.to_string());
        }
        let fits = |shift: u32| self.0 >> shift != 0;
        let (unit, shift) = UNITS.iter().rev().find(|u| fits(u.1)).unwrap_or(&UNITS[0]);
        let (whole, rest) = (self.0 >> shift, self.0 & ((1 << shift) - 1));
        let text = if rest == 0 {
            format!("{whole}{unit}")
        } else if whole < 10 {
            let tenths = ((u128::from(self.0) * 10) + (1 << (shift - 1))) >> shift;
            format!("{}.{}{unit}", tenths / 10, tenths % 10)
        } else {
            format!(
                "{}{unit}",
                (u128::from(self.0) + (1 << (shift - 1))) >> shift
            )
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_powers_of_1024() {
        let cases = [
            ("0", 0),
            ("50M", 50 << 20),
            ("1g", 1 << 30),
            ("1.5g", 3 << 29),
            ("2 T", 2 << 40),
            (".5K", 512),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse::<Bytes>().unwrap(), Bytes(bytes), "{text}");
        }
        for bad in ["", "g", ".", "-1", "1x", "1.2.3M", "99999999999T", "1e3"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_print_in_the_nearest_unit() {
        let cases = [
            (1023, "1023"),
            (1 << 10, "1K"),
            (3 << 29, "1.5G"),
            (512 << 20, "512M"),
            ((10 << 20) + 1, "10M"),
            ((12 << 20) + (512 << 10), "13M"),
        ];
        for (bytes, text) in cases {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }
}
