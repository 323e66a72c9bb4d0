//! `/etc/zones/host.toml`: what the administrator chose for all zones of the host. Everything in it
//! has a default, and so has the file.

use std::io::ErrorKind;

use serde::Deserialize;
use zones_store::Layout;
use zones_types::Bytes;

/// The file.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    package_cache: Option<String>,
    storage: Option<String>,
}

/// What it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HostSettings {
    /// `package-cache = "SIZE"`: bytes of fetched packages that are kept for the next installation.
    pub(crate) package_cache: Option<u64>,
    /// `storage = "DRIVER"`: what keeps zones that are installed or cloned from now on.
    pub(crate) storage: Option<String>,
}

impl HostSettings {
    /// Reads the file; without one, nothing is set.
    ///
    /// # Errors
    /// When it cannot be read or understood, in words.
    pub(crate) fn read(layout: &Layout) -> Result<Self, String> {
        let path = layout.etc().join("host.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("cannot read `{}`: {error}", path.display())),
        };
        Self::parse(&text).map_err(|why| format!("`{}`: {why}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let size = |text: String| {
            let size = text.parse::<Bytes>();
            size.map_err(|_| format!("package-cache is a size such as \"2G\", not `{text}`"))
        };
        let package_cache = file.package_cache.map(size).transpose()?;
        Ok(Self {
            package_cache: package_cache.map(|size| size.0),
            storage: file.storage,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_understood_and_mistakes_named() {
        let parse = HostSettings::parse;
        assert_eq!(parse("").unwrap(), HostSettings::default());
        assert_eq!(
            parse("package-cache = \"512M\"").unwrap().package_cache,
            Some(512 << 20)
        );
        assert_eq!(
            parse("package-cache = \"0\"").unwrap().package_cache,
            Some(0)
        );
        let storage = parse("storage = \"overlay\"").unwrap().storage;
        assert_eq!(storage.as_deref(), Some("overlay"));
        for (text, want) in [
            ("package-cache = \"much\"", "not `much`"),
            ("cache = 1", "unknown field `cache`"),
            ("package-cache = 1", "expected a string"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
    }
}
