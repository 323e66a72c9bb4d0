//! Percent-encoding. Source: RFC 3986, section 2.1.

/// Decodes every `%XX`; `None` for a broken one, and for what is not UTF-8 or has control
/// characters: nothing that we serve has such a name.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            other => other,
        });
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

/// The same for a form: a `+` is a blank.
pub(crate) fn decode_form(text: &str) -> Option<String> {
    decode(&text.replace('+', " "))
}

/// Encodes every byte outside letters, digits and `_.-~`.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_broken_is_nothing() {
        for text in [
            "%",
            "%4",
            "%zz",
            "%+1",
            "%ff",
            "%00",
            "a%0d%0aSet-Cookie: b",
            "%C3%28",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("a%2Fb+c").as_deref(), Some("a/b+c"));
        assert_eq!(decode_form("a+b%2B").as_deref(), Some("a b+"));
        assert_eq!(
            encode("app/foo@1.0,5.11-0.1:20"),
            "app%2Ffoo%401.0%2C5.11-0.1%3A20"
        );
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in "[^\\p{Cc}]*") {
            prop_assert_eq!(decode(&encode(&text)), Some(text));
        }
    }
}
