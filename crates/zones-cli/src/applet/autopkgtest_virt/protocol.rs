//! The lines of the protocol, and when each may come.

use std::path::PathBuf;

/// What the server says of itself.
const CAPABILITIES: [&str; 5] = [
    "revert",
    "revert-full-system",
    "isolation-container",
    "root-on-testbed",
    "reboot",
];

/// What a testbed can do. Each error ends the server.
pub(super) trait Testbed {
    /// Makes it, as new; the folder in it that tests may use.
    fn open(&mut self) -> Result<String, String>;
    /// Boots it again with the files it has.
    fn reboot(&mut self, who: Who) -> Result<(), String>;
    /// Removes it; one that is not there is fine.
    fn close(&mut self) -> Result<(), String>;
    /// The words before a command that is to be run in it.
    fn execute(&self) -> Vec<String>;
    /// Copies a file or a folder.
    fn copy(&mut self, copy: &Copy) -> Result<(), String>;
}

/// Who reboots a testbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The server.
    Server,
    /// The test, when it hears that the server is prepared.
    Test,
}

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) direction: Direction,
    pub(super) kind: Kind,
    pub(super) host: PathBuf,
    pub(super) testbed: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the host into the testbed.
    Down,
    /// From the testbed to the host.
    Up,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
}

/// What is said to the caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Say(String),
    Quit,
}

/// A testbed, and where in the protocol it is.
pub(super) struct Server<T> {
    bed: T,
    /// The folder for tests, while it is open.
    scratch: Option<String>,
}

impl<T: Testbed> Server<T> {
    pub(super) fn new(bed: T) -> Self {
        Self { bed, scratch: None }
    }

    /// Answers one line.
    pub(super) fn answer(&mut self, line: &str) -> Result<Reply, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ok = |text: &str| Ok(Reply::Say(format!("ok {text}").trim_end().to_owned()));
        match words.as_slice() {
            ["capabilities"] => ok(&CAPABILITIES.join(" ")),
            ["quit"] => Ok(Reply::Quit),
            ["open"] if self.scratch.is_some() => {
                Err("`open` of a testbed that is open".to_owned())
            }
            ["open"] => self.begin(),
            [command, ..] if KNOWN.contains(command) && self.scratch.is_none() => {
                Err(format!("`{command}` of a testbed that is not open"))
            }
            ["revert"] => {
                self.close()?;
                self.begin()
            }
            ["reboot"] => self.reboot(Who::Server),
            ["reboot", "prepare-only"] => self.reboot(Who::Test),
            ["close"] => {
                self.close()?;
                ok("")
            }
            ["print-execute-command" | "print-auxverb-command"] => {
                let words: Vec<String> = self.bed.execute().iter().map(|it| encoded(it)).collect();
                ok(&words.join(","))
            }
            ["copydown", host, testbed] => self.copy(Direction::Down, host, testbed),
            ["copyup", testbed, host] => self.copy(Direction::Up, host, testbed),
            ["shell", ..] => Ok(Reply::Say("not supported by virt server".to_owned())),
            _ => Err(format!("`{line}` is no command of the protocol")),
        }
    }

    /// Closes the testbed, if it is open or was being made.
    pub(super) fn close(&mut self) -> Result<(), String> {
        self.scratch = None;
        self.bed.close()
    }

    fn begin(&mut self) -> Result<Reply, String> {
        let scratch = self.bed.open()?;
        self.scratch = Some(scratch.clone());
        Ok(Reply::Say(format!("ok {}", encoded(&scratch))))
    }

    fn reboot(&mut self, who: Who) -> Result<Reply, String> {
        self.bed.reboot(who)?;
        let scratch = self.scratch.as_deref().unwrap_or_default();
        Ok(Reply::Say(format!("ok {}", encoded(scratch))))
    }

    fn copy(&mut self, direction: Direction, host: &str, testbed: &str) -> Result<Reply, String> {
        let (host, testbed) = (decoded(host)?, decoded(testbed)?);
        let kind = match (host.ends_with('/'), testbed.ends_with('/')) {
            (true, true) => Kind::Folder,
            (false, false) => Kind::File,
            _ => {
                return Err(format!(
                    "one of `{host}` and `{testbed}` is a folder, one is not"
                ));
            }
        };
        self.bed.copy(&Copy {
            direction,
            kind,
            host: host.into(),
            testbed,
        })?;
        Ok(Reply::Say("ok".to_owned()))
    }
}

/// Commands that need a testbed that is open.
const KNOWN: [&str; 8] = [
    "revert",
    "reboot",
    "close",
    "print-execute-command",
    "print-auxverb-command",
    "copydown",
    "copyup",
    "shell",
];

/// As RFC 3986 writes what is no letter; slashes stay.
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

fn decoded(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is not written as a URL is");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [
            rest.next().ok_or_else(wrong)?,
            rest.next().ok_or_else(wrong)?,
        ];
        let digits = std::str::from_utf8(&digits).map_err(|_| wrong())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A testbed that notes what it is asked.
    #[derive(Default)]
    struct Notes(Vec<String>);

    impl Testbed for Notes {
        fn open(&mut self) -> Result<String, String> {
            self.0.push("open".to_owned());
            Ok("/var/tmp/a b".to_owned())
        }

        fn reboot(&mut self, who: Who) -> Result<(), String> {
            self.0.push(format!("reboot {who:?}"));
            Ok(())
        }

        fn close(&mut self) -> Result<(), String> {
            self.0.push("close".to_owned());
            Ok(())
        }

        fn execute(&self) -> Vec<String> {
            vec!["/usr/bin/zones".to_owned(), "a,b".to_owned()]
        }

        fn copy(&mut self, copy: &Copy) -> Result<(), String> {
            self.0.push(format!(
                "{:?} {:?} {} {}",
                copy.direction,
                copy.kind,
                copy.host.display(),
                copy.testbed
            ));
            Ok(())
        }
    }

    #[test]
    fn a_session_as_the_interface_has_it() {
        let mut server = Server::new(Notes::default());
        for (line, reply) in [
            (
                "capabilities",
                "ok revert revert-full-system isolation-container root-on-testbed reboot",
            ),
            ("open", "ok /var/tmp/a%20b"),
            ("print-execute-command", "ok /usr/bin/zones,a%2Cb"),
            ("copydown /src/ /tmp/x%20y/", "ok"),
            ("copyup /tmp/out /out", "ok"),
            ("reboot", "ok /var/tmp/a%20b"),
            ("reboot prepare-only", "ok /var/tmp/a%20b"),
            ("shell", "not supported by virt server"),
            ("revert", "ok /var/tmp/a%20b"),
            ("close", "ok"),
        ] {
            let said = server.answer(line).unwrap();
            assert_eq!(said, Reply::Say(reply.to_owned()), "{line}");
        }
        assert_eq!(server.answer("quit"), Ok(Reply::Quit));
        assert_eq!(
            server.bed.0,
            [
                "open",
                "Down Folder /src/ /tmp/x y/",
                "Up File /out /tmp/out",
                "reboot Server",
                "reboot Test",
                "close",
                "open",
                "close"
            ]
        );
    }

    #[test]
    fn what_may_not_come_now_is_an_error() {
        for (lines, words) in [
            (&["revert"][..], "not open"),
            (&["open", "open"], "that is open"),
            (&["open", "close", "copyup /a /b"], "not open"),
            (&["open", "copydown /a/ /b"], "is a folder"),
            (&["open", "copydown /%zz /b"], "as a URL"),
            (&["dance"], "no command"),
            (&["open now"], "no command"),
        ] {
            let mut server = Server::new(Notes::default());
            let last = lines.iter().map(|line| server.answer(line)).last().unwrap();
            let error = last.unwrap_err();
            assert!(error.contains(words), "{lines:?}: {error}");
        }
    }
}
