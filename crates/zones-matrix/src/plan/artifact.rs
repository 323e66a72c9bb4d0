//! What is installed: built in a build zone, or taken from a store of releases.

use serde_json::json;

use super::files::Files;
use super::image::{Platform, fill};
use crate::config::product::{ArtifactRule, Supply};
use crate::config::{Output, Problems};
use crate::key::Key;

/// Where an artifact comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A script, run in a build zone of the platform.
    Build {
        /// The command line.
        script: String,
        /// Files and folders that the build reads, relative to the matrix file; none is all.
        sources: Vec<String>,
        /// Files that are the artifact.
        outputs: Vec<Output>,
    },
    /// A file or folder, relative to the matrix file.
    Path(String),
}

/// An artifact for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name in the file.
    pub name: String,
    /// The id of the platform.
    pub platform: String,
    /// Where it comes from.
    pub source: Source,
    /// The key of its bytes, or of all that they are built from; `None` when a release is not in
    /// the store: the cells that need it are blocked.
    pub key: Option<Key>,
}

pub(super) fn artifact(
    rule: &ArtifactRule,
    platform: &Platform,
    files: &Files<'_>,
    problems: &mut Problems<'_>,
) -> Option<Artifact> {
    let lookup = |name: &str| platform.value(name);
    let (source, key) = match &rule.supply {
        Supply::Path(text) => {
            let path = fill(text, lookup, problems)?;
            let key = files.maybe(&path, text.at, problems);
            (Source::Path(path), key)
        }
        Supply::Build {
            script,
            sources,
            outputs,
        } => {
            let line = fill(script, lookup, problems)?;
            let mut read = Vec::new();
            for text in sources {
                let path = fill(text, lookup, problems)?;
                let digest = files.must(&path, text.at, problems)?.to_string();
                read.push((path, digest));
            }
            let bytes = files
                .script(&line, script.at, problems)
                .map(|key| key.to_string());
            let patterns: Vec<(&str, bool)> = outputs
                .iter()
                .map(|out| (out.pattern.as_str(), out.required))
                .collect();
            let mut inputs = json!({
                "image": platform.image.key.to_string(),
                "packages": platform.build_packages,
                "script": line,
                "bytes": bytes,
                "outputs": patterns,
            });
            if !read.is_empty() {
                inputs["sources"] = json!(read);
            }
            let source = Source::Build {
                script: line,
                sources: read.into_iter().map(|(path, _)| path).collect(),
                outputs: outputs.clone(),
            };
            (source, Some(Key::of(&inputs)))
        }
    };
    Some(Artifact {
        name: rule.name.clone(),
        platform: platform.id.clone(),
        source,
        key,
    })
}
