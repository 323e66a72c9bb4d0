//! Why there is no plan.

use std::fmt;

use zones_ips::{Fmri, Stem};

/// Why an operation cannot be planned. Prints as pkg(1) prints it, without its prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Paragraphs(.problems))]
pub struct Failure {
    /// What stands against it; at least one.
    pub problems: Vec<Problem>,
    /// The kind of failure.
    pub exit: Exit,
}

/// One thing that stands against an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Patterns that name nothing the publishers have.
    Unknown(Vec<String>),
    /// Patterns that name nothing installed.
    NotInstalled(Vec<String>),
    /// A pattern that names several packages.
    Ambiguous(String, Vec<Stem>),
    /// Patterns that name only packages for other variants.
    OtherVariant(Vec<String>),
    /// Patterns that name only packages which are no more.
    Obsolete(Vec<String>),
    /// Patterns for one package that no version satisfies together.
    Contradiction(Vec<String>),
    /// A package that others need.
    Needed(Fmri, Vec<Fmri>),
    /// No version of a package is left.
    NoVersion(Stem, Vec<Rejection>),
    /// Each package has versions, but no choice fits together.
    NoSolution(Vec<Conflict>),
    /// The search was given up.
    TooHard,
}

/// Versions and why they are out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The versions, newest first.
    pub packages: Vec<Fmri>,
    /// The reason.
    pub reason: String,
    /// What the reason rests on.
    pub because: Vec<Rejection>,
}

/// One of the demands that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The demand.
    pub demand: String,
    /// Versions that could meet it, but are out.
    pub rejected: Vec<Rejection>,
}

/// Kinds of failures by the exit status of pkg(1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Something is wrong with what was asked or offered.
    Failed = 1,
    /// The constraints of the image leave no way.
    Constrained = 9,
}

impl Failure {
    pub(crate) fn failed(problems: Vec<Problem>) -> Self {
        let exit = Exit::Failed;
        Self { problems, exit }
    }

    pub(crate) fn constrained(problems: Vec<Problem>) -> Self {
        let exit = Exit::Constrained;
        Self { problems, exit }
    }
}

struct Paragraphs<'a>(&'a [Problem]);

impl fmt::Display for Paragraphs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, head: &str, items: &[T]) -> fmt::Result {
    writeln!(f, "{head}")?;
    items.iter().try_for_each(|item| write!(f, "\n\t{item}"))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(patterns) => {
                let head = "The following pattern(s) did not match any allowable packages.  Try\n\
                            using a different matching pattern, or refreshing publisher \
                            information:";
                list(f, head, patterns)
            }
            Self::NotInstalled(patterns) => {
                let lines = patterns
                    .iter()
                    .map(|it| format!("'{it}' matches no installed packages"));
                f.write_str(&lines.collect::<Vec<_>>().join("\n"))
            }
            Self::Ambiguous(pattern, stems) => {
                write!(f, "'{pattern}' matches multiple packages")?;
                stems.iter().try_for_each(|stem| write!(f, "\n\t{stem}"))
            }
            Self::OtherVariant(patterns) => {
                let head = "The following pattern(s) only matched packages that are not available\n\
                            for the current image's architecture, zone type, and/or other variant:";
                list(f, head, patterns)
            }
            Self::Obsolete(patterns) => {
                let head = "The following pattern(s) only matched packages that are obsolete:";
                list(f, head, patterns)
            }
            Self::Contradiction(patterns) => {
                list(f, "No version satisfies all of these patterns:", patterns)
            }
            Self::Needed(package, dependents) => {
                let package = package.short();
                write!(
                    f,
                    "Unable to remove '{package}' due to the following packages that depend on it:"
                )?;
                dependents
                    .iter()
                    .try_for_each(|it| write!(f, "\n  {}", it.short()))
            }
            Self::NoVersion(stem, rejections) => {
                write!(f, "No matching version of {stem} can be installed:")?;
                rejections.iter().try_for_each(|it| it.print(f, 2))
            }
            Self::NoSolution(conflicts) => {
                f.write_str("No solution was found to satisfy constraints")?;
                for conflict in conflicts {
                    write!(f, "\n  {}", conflict.demand)?;
                    conflict.rejected.iter().try_for_each(|it| it.print(f, 4))?;
                }
                Ok(())
            }
            Self::TooHard => f.write_str(
                "The search for a solution was given up; name packages with their versions",
            ),
        }
    }
}

impl Rejection {
    fn print(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        for package in &self.packages {
            write!(f, "\n{:indent$}Reject:  {}", "", package.without_build())?;
        }
        let colon = if self.because.is_empty() { "" } else { ":" };
        write!(f, "\n{:indent$}Reason:  {}{colon}", "", self.reason)?;
        self.because
            .iter()
            .try_for_each(|it| it.print(f, indent + 2))
    }
}
