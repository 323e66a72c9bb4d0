//! The escape character at the beginning of a line: `~.` leaves, `~~` is a tilde.

/// Watches keystrokes for the escape.
#[derive(Debug)]
pub(super) struct Escape {
    character: Option<u8>,
    at_line_start: bool,
    pending: bool,
}

/// What a keystroke means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Send these bytes on (perhaps none).
    Pass(Vec<u8>),
    /// Leave, after sending these.
    Leave(Vec<u8>),
}

/// Control-D, the end-of-file character of most terminals.
const EOT: u8 = 4;

impl Escape {
    pub(super) fn new(character: Option<u8>) -> Self {
        Self {
            character,
            at_line_start: true,
            pending: false,
        }
    }

    /// What the caller's screen shows of the keys that leave.
    pub(super) fn shown(&self) -> Vec<u8> {
        self.character.into_iter().chain([b'.']).collect()
    }

    /// Takes what was typed. The escape is held back until its second character is there; any other
    /// second character lets both through.
    pub(super) fn take(&mut self, typed: &[u8]) -> Key {
        let Some(character) = self.character else {
            return Key::Pass(typed.to_vec());
        };
        let mut pass = Vec::with_capacity(typed.len() + 1);
        for &byte in typed {
            if self.pending {
                self.pending = false;
                if byte == b'.' || byte == EOT {
                    return Key::Leave(pass);
                }
                if byte != character {
                    pass.push(character);
                }
                pass.push(byte);
            } else if self.at_line_start && byte == character {
                self.pending = true;
                continue;
            } else {
                pass.push(byte);
            }
            self.at_line_start = matches!(byte, b'\r' | b'\n');
        }
        Key::Pass(pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &[u8]) -> Key {
        Escape::new(Some(b'~')).take(text)
    }

    #[test]
    fn the_escape_counts_only_at_the_beginning_of_a_line() {
        assert_eq!(typed(b"~."), Key::Leave(vec![]));
        assert_eq!(typed(b"ls\r~."), Key::Leave(b"ls\r".to_vec()));
        assert_eq!(typed(b"a~."), Key::Pass(b"a~.".to_vec()));
        assert_eq!(typed(b"~~x"), Key::Pass(b"~x".to_vec()));
        assert_eq!(typed(b"~x"), Key::Pass(b"~x".to_vec()));
        assert_eq!(typed(b"~\x04"), Key::Leave(vec![]));
        assert_eq!(Escape::new(None).take(b"~."), Key::Pass(b"~.".to_vec()));
    }

    #[test]
    fn it_may_come_in_two_pieces() {
        let mut escape = Escape::new(Some(b'~'));
        assert_eq!(escape.take(b"~"), Key::Pass(vec![]));
        assert_eq!(escape.take(b"."), Key::Leave(vec![]));
    }
}
