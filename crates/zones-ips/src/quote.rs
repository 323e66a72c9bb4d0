//! Percent encoding of names, as repositories and images use it for their folders.

/// The text is no percent encoding of UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not percent-encoded text")]
pub struct UnquoteError(pub String);

/// Escapes every byte but letters, digits, `_`, `.`, `-` and `~`.
///
/// `.` and `..` stay as they are: quote only what begins otherwise, such as stems and versions.
#[must_use]
pub fn quote(text: &str) -> String {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let mut quoted = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push('%');
            quoted.push(HEX[usize::from(byte >> 4)]);
            quoted.push(HEX[usize::from(byte & 15)]);
        }
    }
    quoted
}

/// The text that `quoted` stands for; bytes that needed no escape may have one, or have none.
///
/// # Errors
///
/// A `%` without two hexadecimal digits, or bytes that are no UTF-8.
pub fn unquote(quoted: &str) -> Result<String, UnquoteError> {
    let bad = || UnquoteError(quoted.to_owned());
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (pair, tail) = rest.split_at_checked(2).ok_or_else(bad)?;
        let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or_else(bad);
        let value = digit(0)? * 16 + digit(1)?;
        bytes.push(u8::try_from(value).map_err(|_| bad())?);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_are_those_of_the_reference() {
        assert_eq!(quote("app/foo"), "app%2Ffoo");
        let version = "1.0,5.11-0.1:20261121T123715Z";
        assert_eq!(quote(version), "1.0%2C5.11-0.1%3A20261121T123715Z");
        assert_eq!(quote("g++~é"), "g%2B%2B~%C3%A9");
    }

    #[test]
    fn unquoting_is_the_inverse_and_refuses_the_rest() {
        for text in ["", "a/b@1,2:3", "é %"] {
            assert_eq!(unquote(&quote(text)).as_deref(), Ok(text));
        }
        assert_eq!(unquote("a%2fb").as_deref(), Ok("a/b"));
        for bad in ["%", "%2", "%zz", "%ff", "%+1"] {
            assert!(unquote(bad).is_err(), "{bad}");
        }
    }
}
