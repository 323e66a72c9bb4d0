//! `[leftovers]`: what may stay after the product is gone.

use super::reader::Section;

/// What a leftover check lets pass, and lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Patterns of paths that may stay; `**` crosses folders.
    pub ignore: Vec<String>,
    /// Users and groups that may stay; listed as notes.
    pub allow_users: Vec<String>,
    /// Patterns of files that scripts of packages make; `files-owned` asks for no owner of them.
    pub generated: Vec<String>,
    /// Patterns of paths whose content changes by itself; listed as notes.
    pub volatile: Vec<String>,
    /// Name of the built-in set of noise; unset is the brand's.
    pub noise: Option<String>,
}

impl Policy {
    pub(crate) fn read(section: Section<'_, '_>) -> Self {
        for key in ["ignore", "generated", "volatile"] {
            for text in section.texts(key).unwrap_or_default() {
                if !text.value.starts_with('/') {
                    let message = format!("`{}` is no absolute path", text.value);
                    section.fault(text.at, message, "paths are those inside the zone");
                }
            }
        }
        let policy = Self {
            ignore: section.words("ignore").unwrap_or_default(),
            allow_users: section.words("allow-users").unwrap_or_default(),
            generated: section.words("generated").unwrap_or_default(),
            volatile: section.words("volatile").unwrap_or_default(),
            noise: section.text("noise").map(|noise| noise.value),
        };
        section.finish();
        policy
    }
}
