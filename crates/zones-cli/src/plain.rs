//! Text of strangers on a terminal. Names, summaries, notes and errors of packages come from
//! repositories and images that others wrote; what is no letter of a line would move the cursor,
//! colour or rename the terminal, or show the line in another order.
//!
//! The two macros stand in the place of those of the standard library for all commands that are
//! declared behind them: no line can be forgotten.

use std::borrow::Cow;

/// Whether a terminal takes it for a command, or for another order of letters.
fn is_active(letter: char) -> bool {
    let is_order = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(letter, '\u{2066}'..='\u{2069}');
    is_order || (letter.is_control() && !matches!(letter, '\n' | '\t' | '\u{c}'))
}

/// The text with what is active written out: `\u001b`, as JSON has it.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match is_active(letter) {
            true => safe.push_str(&format!("\\u{:04x}", u32::from(letter))),
            false => safe.push(letter),
        }
    }
    Cow::Owned(safe)
}

/// As `std::println`, by `plain`.
macro_rules! println {
    () => { ::std::println!() };
    ($($part:tt)*) => {
        ::std::println!("{}", $crate::plain::plain(&::std::format!($($part)*)))
    };
}

/// As `std::eprintln`, by `plain`.
macro_rules! eprintln {
    () => { ::std::eprintln!() };
    ($($part:tt)*) => {
        ::std::eprintln!("{}", $crate::plain::plain(&::std::format!($($part)*)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        let rows = [
            ("plain text\twith\nlines", "plain text\twith\nlines"),
            ("\u{1b}]0;title\u{7}", "\\u001b]0;title\\u0007"),
            ("over\rwritten", "over\\u000dwritten"),
            ("\u{9b}31m", "\\u009b31m"),
            ("abc\u{202e}cba", "abc\\u202ecba"),
            ("größer 水", "größer 水"),
        ];
        for (text, safe) in rows {
            assert_eq!(plain(text), safe);
        }
    }
}
