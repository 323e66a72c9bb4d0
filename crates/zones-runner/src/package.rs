//! The matrix of any Debian package, without a file: fresh, upgraded, upgraded with its system,
//! and uninstalled, over releases of Debian.

use std::fmt::Write as _;

/// Releases of Debian that a package is tried on, each with the one before it in front.
pub const SUITES: [&str; 3] = ["bullseye", "bookworm", "trixie"];
/// The script of all steps; it stands beside the matrix file as `step.sh`.
pub const SCRIPT: &str = include_str!("package/step.sh");

/// Which matrix is wanted.
#[derive(Debug, Clone)]
pub struct PackageMatrix<'a> {
    /// The name of the package.
    pub package: &'a str,
    /// Whether a folder `new` beside the matrix file holds a new version of it.
    pub has_file: bool,
    /// Releases, from [`SUITES`].
    pub suites: &'a [&'a str],
    /// Architectures, as Debian calls them.
    pub architectures: &'a [&'a str],
}

/// Why there is no such matrix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// No name of a package. Source: Debian policy, section 5.6.1.
    #[error("`{0}` is no name of a Debian package: lower case letters, digits, `+`, `-` and `.`")]
    Name(String),
    /// A release that is not known.
    #[error("no release of Debian is known as `{0}`: bullseye, bookworm, trixie")]
    Suite(String),
    /// No release, or no architecture.
    #[error("a matrix needs a release and an architecture at least")]
    Empty,
}

impl PackageMatrix<'_> {
    /// The matrix file.
    ///
    /// # Errors
    /// [`PackageError`].
    pub fn text(&self) -> Result<String, PackageError> {
        self.check()?;
        let list = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            words.join(", ")
        };
        // A plus is a letter of packages, and none of names here.
        let name = self.package.replace('+', "-plus");
        let artifact = if self.has_file {
            "[artifact]\nnew = { path = \"new\" }\n"
        } else {
            ""
        };
        let (new, argument) = if self.has_file {
            ("new:new", " {artifact}")
        } else {
            ("new", "")
        };
        let mut text = format!(
            "schema = 1\n\
             name = \"{name}\"\n\
             [cell]\n\
             memory = \"512M\"\n\
             network = \"full\"\n\
             timeout = \"20m\"\n\
             retries = {{ count = 1, on = [\"error\", \"timeout\"] }}\n\
             [axes]\n\
             suite = [{}]\n\
             arch = [{}]\n\
             [platform]\n\
             id = \"{{suite}}-{{arch}}\"\n\
             brand = \"debian\"\n\
             image.bootstrap = {{ suite = \"{{suite}}\", arch = \"{{arch}}\", variant = \"minbase\" }}\n\
             [option]\n\
             package = {{ env = {{ PACKAGE = \"{}\" }} }}\n\
             {artifact}\
             [step]\n\
             released.run = \"./step.sh released\"\n\
             new.run = \"./step.sh new{argument}\"\n\
             edit.run = \"./step.sh edit\"\n\
             smoke.run = \"./step.sh smoke\"\n\
             remove.run = \"./step.sh remove\"\n\
             purge.run = \"./step.sh purge\"\n",
            list(self.suites),
            list(self.architectures),
            self.package,
        );
        for pair in SUITES
            .windows(2)
            .filter(|pair| self.suites.contains(&pair[0]))
        {
            let _ = writeln!(
                text,
                "to-{}.run = \"./step.sh release {}\"",
                pair[1], pair[1]
            );
        }
        text += &scenarios(new);
        for (at, pair) in SUITES.windows(2).enumerate() {
            if self.suites.contains(&pair[0]) {
                text += &self.next(at, new);
            }
        }
        text += "[leftovers]\n\
                 ignore = [\"/var/lib/apt/**\", \"/var/cache/**\", \"/var/log/**\"]\n";
        Ok(text)
    }

    fn check(&self) -> Result<(), PackageError> {
        let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
        let starts = self
            .package
            .starts_with(|c: char| c.is_ascii_alphanumeric());
        if self.package.len() < 2 || !starts || !self.package.bytes().all(is_part) {
            return Err(PackageError::Name(self.package.to_owned()));
        }
        if self.suites.is_empty() || self.architectures.is_empty() {
            return Err(PackageError::Empty);
        }
        let unknown = self.suites.iter().find(|suite| !SUITES.contains(suite));
        match unknown {
            Some(suite) => Err(PackageError::Suite((*suite).to_owned())),
            None => Ok(()),
        }
    }

    /// The scenario from one release into the next: cells of that release only.
    fn next(&self, at: usize, new: &str) -> String {
        let (from, to) = (SUITES[at], SUITES[at + 1]);
        let mut text = format!(
            "[scenario.upgrade-major-{to}]\n\
             steps = [\"released\", \"edit\", \"to-{to}\", \"{new}\", \"smoke\"]\n\
             checks = [\"config-preserved\", \"no-broken-symlinks\"]\n",
        );
        for other in self.suites.iter().filter(|suite| **suite != from) {
            let _ = writeln!(
                text,
                "[[exclude]]\nwhen = {{ suite = \"{other}\", scenario = \"upgrade-major-{to}\" }}"
            );
        }
        text
    }
}

/// Scenarios that stay in one release.
fn scenarios(new: &str) -> String {
    format!(
        "[scenario.fresh]\n\
         steps = [\"{new}\", \"smoke\"]\n\
         checks = [\"no-broken-symlinks\", \"deps-closed\"]\n\
         [scenario.upgrade]\n\
         steps = [\"released\", \"edit\", \"{new}\", \"smoke\"]\n\
         checks = [\"config-preserved\", \"no-broken-symlinks\"]\n\
         [scenario.uninstall]\n\
         steps = [\"{new}\", \"smoke\", \"remove\", \"purge\"]\n\
         checks = [\"no-leftovers\", \"no-processes\", \"no-users\", \"no-services\", \"no-ipc\"]\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use zones_matrix::{Circumstances, History, Key, Many, Matrix, World, plan};

    struct Names;

    impl World for Names {
        fn digest(&self, path: &str) -> Result<Option<Key>, String> {
            Ok(Some(Key::of_bytes(path.as_bytes())))
        }

        fn is_set(&self, _variable: &str) -> bool {
            false
        }

        fn resolved(&self, _platform: &str) -> Value {
            Value::Null
        }
    }

    fn cells(package: &str, has_file: bool, suites: &[&str]) -> Vec<String> {
        let matrix = PackageMatrix {
            package,
            has_file,
            suites,
            architectures: &["amd64"],
        };
        let circumstances = Circumstances {
            today: "2026-11-21".parse().unwrap(),
            seed: 7,
            many: Many::Refused,
            history: History::default(),
        };
        let text = matrix.text().unwrap();
        let parsed = Matrix::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let plan = plan(&parsed, &Names, &circumstances);
        let plan = plan.unwrap_or_else(|error| panic!("{error}\n{text}"));
        plan.cells.iter().map(|cell| cell.id.clone()).collect()
    }

    #[test]
    fn each_release_has_its_cells_and_goes_to_the_next() {
        for has_file in [false, true] {
            assert_eq!(
                cells("libstdc++6", has_file, &["bookworm", "trixie"]),
                [
                    "bookworm-amd64/package/fresh",
                    "bookworm-amd64/package/uninstall",
                    "bookworm-amd64/package/upgrade",
                    "bookworm-amd64/package/upgrade-major-trixie",
                    "trixie-amd64/package/fresh",
                    "trixie-amd64/package/uninstall",
                    "trixie-amd64/package/upgrade",
                ]
            );
        }
        assert_eq!(cells("sed", false, &SUITES).len(), 11);
        assert_eq!(cells("sed", false, &["trixie"]).len(), 3);
    }

    #[test]
    fn what_is_no_package_or_release_is_told() {
        let matrix = |package, suites| PackageMatrix {
            package,
            has_file: false,
            suites,
            architectures: &["amd64"],
        };
        for package in ["", "a", "-rf", "Sed", "a b", "a\"b", "../x"] {
            let error = matrix(package, &["trixie"]).text().unwrap_err();
            assert_eq!(error, PackageError::Name(package.to_owned()));
        }
        let error = matrix("sed", &["potato"]).text().unwrap_err();
        assert_eq!(error, PackageError::Suite("potato".to_owned()));
        assert_eq!(matrix("sed", &[]).text(), Err(PackageError::Empty));
    }
}
