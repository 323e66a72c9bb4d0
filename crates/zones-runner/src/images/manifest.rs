//! What is known of an image; written last, when all else is there.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zones_matrix::Key;
use zones_matrix::leftovers::{Noise, Subject};
use zones_store::atomic;
use zones_types::ZoneName;

use super::ImageError;

/// The form of a manifest; another number is not understood.
pub const SCHEMA: u32 = 1;

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// The key of all inputs.
    #[serde(with = "text")]
    pub key: Key,
    /// The key of the names alone.
    #[serde(with = "text")]
    pub weak: Key,
    /// The zone that it is.
    #[serde(with = "text")]
    pub zone: ZoneName,
    /// The platform that it was first made for.
    pub platform: String,
    /// Brand.
    pub brand: String,
    /// Everything that the key is the hash of.
    pub inputs: Value,
    /// Versions of the packages in it, by name.
    pub packages: BTreeMap<String, String>,
    /// Bytes on disk.
    pub bytes: u64,
    /// Files, folders and links.
    pub files: u64,
    /// Seconds since 1970 at which it was whole.
    pub created: i64,
    /// Milliseconds its making took.
    pub millis: u64,
    /// What the platform changes by itself; `None` as long as nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Vec<Change>>,
}

/// One thing that changes by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What kind of thing.
    pub subject: Subject,
    /// Its name.
    pub name: String,
}

impl Manifest {
    /// Reads one; `None` when it is not there.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, ImageError> {
        let Some(text) = atomic::read(path)? else {
            return Ok(None);
        };
        let damaged = |why: String| ImageError::Damaged {
            path: path.to_owned(),
            why,
        };
        let manifest: Self = serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?;
        if manifest.schema != SCHEMA {
            return Err(damaged(format!("it has the form {}", manifest.schema)));
        }
        if Key::of(&manifest.inputs) != manifest.key {
            return Err(damaged("its inputs are not those of its key".to_owned()));
        }
        Ok(Some(manifest))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), ImageError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| ImageError::Damaged {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        Ok(atomic::write(path, (text + "\n").as_bytes(), 0o644)?)
    }

    /// What the platform changes by itself, as rules take it.
    #[must_use]
    pub fn noise(&self) -> Noise {
        let changes = self.noise.iter().flatten();
        Noise::of(changes.map(|change| (change.subject, change.name.clone())))
    }

    pub(super) fn set_noise(&mut self, noise: &Noise) {
        let changes = noise.iter().map(|(subject, name)| Change {
            subject,
            name: name.to_owned(),
        });
        self.noise = Some(changes.collect());
    }
}

/// Values that are written as they print.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_and_an_edited_input_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        let inputs = json!({ "arch": "arm64", "packages": ["a"] });
        let manifest = Manifest {
            schema: SCHEMA,
            key: Key::of(&inputs),
            weak: Key::of_bytes(b"names"),
            zone: "golden-0011223344556677".parse().unwrap(),
            platform: "bookworm-arm64".to_owned(),
            brand: "debian".to_owned(),
            inputs,
            packages: [("libc6".to_owned(), "2.36-9".to_owned())].into(),
            bytes: 1 << 27,
            files: 8000,
            created: 1_790_000_000,
            millis: 4200,
            noise: Some(vec![Change {
                subject: Subject::File,
                name: "/var/log/wtmp".to_owned(),
            }]),
        };
        manifest.write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap().as_ref(), Some(&manifest));
        assert_eq!(manifest.noise().iter().count(), 1);

        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"arm64\"", "\"armhf\"")).unwrap();
        let error = Manifest::read(&path).unwrap_err().to_string();
        assert!(
            error.contains("its inputs are not those of its key"),
            "{error}"
        );
        assert_eq!(Manifest::read(&folder.path().join("none")).unwrap(), None);
    }
}
