//! Paths within an image.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

/// Bytes of a path, and of one component of it, that Linux can hold.
pub const PATH_LEN_MAX: usize = 4095;
const COMPONENT_LEN_MAX: usize = 255;

/// A path below the root of an image: relative, without `.`, `..`, empty components and NUL.
///
/// Its text cannot leave the image; links in the image still can.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImagePath(Arc<str>);

/// A borrowed [`ImagePath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImagePathRef<'a>(&'a str);

/// The text is no path within an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is no path within an image: {why}")]
pub struct PathError {
    /// What was given.
    pub path: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl<'a> ImagePathRef<'a> {
    /// Checks the text.
    ///
    /// # Errors
    ///
    /// The path could leave the image, or no file can have it.
    pub fn new(path: &'a str) -> Result<Self, PathError> {
        match fault(path) {
            None => Ok(Self(path)),
            Some(why) => Err(PathError {
                path: path.chars().take(PATH_LEN_MAX).collect(),
                why,
            }),
        }
    }

    /// The path as text, without a leading slash.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Its own copy.
    #[must_use]
    pub fn to_owned(self) -> ImagePath {
        ImagePath(self.0.into())
    }

    /// The directory that holds it; None for what lies in the root.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent))
    }

    /// All directories above it, the nearest first.
    pub fn parents(self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), |path| path.parent())
    }

    /// The last component.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.0.rsplit_once('/').map_or(self.0, |(_, name)| name)
    }

    /// All components from the root on.
    pub fn components(self) -> impl DoubleEndedIterator<Item = &'a str> {
        self.0.split('/')
    }
}

fn fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.len() > PATH_LEN_MAX {
        return Some("it is longer than 4095 bytes");
    }
    if path.starts_with('/') {
        return Some("it is absolute");
    }
    if path.contains('\0') {
        return Some("it has a NUL");
    }
    path.split('/').find_map(|component| match component {
        "" => Some("it has an empty component"),
        "." | ".." => Some("it has a component `.` or `..`"),
        long if long.len() > COMPONENT_LEN_MAX => Some("a component is longer than 255 bytes"),
        _ => None,
    })
}

impl ImagePath {
    /// The path as text, without a leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Borrows it.
    #[must_use]
    pub fn as_ref(&self) -> ImagePathRef<'_> {
        ImagePathRef(&self.0)
    }
}

impl FromStr for ImagePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ImagePathRef::new(text).map(ImagePathRef::to_owned)
    }
}

impl Deref for ImagePath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ImagePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for ImagePathRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_leave_an_image_are_refused() {
        let long = "a".repeat(256);
        let deep = "a/".repeat(2048) + "a";
        let bad = [
            "", "/etc", "..", "a/..", "../a", "a/../b", ".", "./a", "a//b", "a/", "a\0b", &long,
            &deep,
        ];
        for path in bad {
            assert!(ImagePathRef::new(path).is_err(), "{path:?}");
        }
        for path in ["etc", "a/b", "...", "..a/b..", "a b/é", "a\\b"] {
            assert_eq!(ImagePathRef::new(path).unwrap().as_str(), path);
        }
    }

    #[test]
    fn parents_come_nearest_first() {
        let path = ImagePathRef::new("usr/bin/vi").unwrap();
        let parents: Vec<_> = path.parents().map(ImagePathRef::as_str).collect();
        assert_eq!(parents, ["usr/bin", "usr"]);
        assert_eq!(path.name(), "vi");
        assert_eq!(path.components().count(), 3);
        assert!(ImagePathRef::new("usr").unwrap().parent().is_none());
    }
}
