//! Mediators: which of several links at one path an image gets.

use std::fmt;

use crate::action::Attributes;
use crate::version::DotSequence;

/// A name with an optional version, `name[@version]`: one way to provide a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Implementation {
    /// The name.
    pub name: Box<str>,
    /// Its version.
    pub version: Option<DotSequence>,
}

/// Who prefers a link. The greater wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Nobody.
    None,
    /// The maker of the packages.
    Vendor,
    /// The site's own packages.
    Site,
}

/// What a link or hardlink says to its mediator. Source: pkg(7), "mediator".
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mediation {
    /// The mediator.
    pub mediator: Box<str>,
    /// The version that the link stands for.
    pub version: Option<DotSequence>,
    /// The implementation that the link stands for.
    pub implementation: Option<Implementation>,
    /// Who prefers it.
    pub priority: Priority,
}

/// Where a chosen value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the words in tables are")]
pub enum Source {
    Local,
    Site,
    Vendor,
    System,
}

impl Source {
    /// The word in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Site => "site",
            Self::Vendor => "vendor",
            Self::System => "system",
        }
    }
}

/// What an administrator set for a mediator; None is left to the packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setting {
    /// The version wanted.
    pub version: Option<DotSequence>,
    /// The implementation wanted; without a version any of that name.
    pub implementation: Option<Implementation>,
}

/// What a mediator chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The version, and who says so.
    pub version: (Option<DotSequence>, Source),
    /// The implementation, and who says so.
    pub implementation: (Option<Implementation>, Source),
}

impl Implementation {
    /// Reads `name[@version]`.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        if !crate::fmri::is_word(name, b"-_.") {
            return Err(format!(
                "'{text}' is no implementation; write name or name@version"
            ));
        }
        let version = version.filter(|version| !version.is_empty());
        let version = version.map(str::parse).transpose();
        Ok(Self {
            name: name.into(),
            version: version
                .map_err(|error: crate::version::DotSequenceError| error.to_string())?,
        })
    }
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}@{version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Mediation {
    /// What these attributes say; None without a mediator.
    pub(crate) fn of(attributes: &Attributes) -> Result<Option<Self>, String> {
        let Some(mediator) = attributes.get("mediator") else {
            return Ok(None);
        };
        let version = attributes
            .get("mediator-version")
            .map(str::parse)
            .transpose();
        let version =
            version.map_err(|error: crate::version::DotSequenceError| error.to_string())?;
        let implementation = attributes.get("mediator-implementation");
        let implementation = implementation.map(Implementation::parse).transpose()?;
        let priority = match attributes.get("mediator-priority") {
            None => Priority::None,
            Some("vendor") => Priority::Vendor,
            Some("site") => Priority::Site,
            Some(other) => return Err(format!("priority '{other}' is neither vendor nor site")),
        };
        if version.is_none() && implementation.is_none() {
            return Err("a mediated link needs mediator-version or mediator-implementation".into());
        }
        Ok(Some(Self {
            mediator: mediator.into(),
            version,
            implementation,
            priority,
        }))
    }

    fn source(&self) -> Source {
        match self.priority {
            Priority::None => Source::System,
            Priority::Vendor => Source::Vendor,
            Priority::Site => Source::Site,
        }
    }

    /// Whether the setting leaves this link in the choice.
    fn fits(&self, setting: &Setting) -> bool {
        let version = setting.version.is_none() || setting.version == self.version;
        version
            && implements(
                setting.implementation.as_ref(),
                self.implementation.as_ref(),
            )
    }
}

fn implements(wanted: Option<&Implementation>, own: Option<&Implementation>) -> bool {
    match (wanted, own) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wanted), Some(own)) => {
            wanted.name == own.name && (wanted.version.is_none() || wanted.version == own.version)
        }
    }
}

/// Chooses between the links of one mediator: what the administrator set, then priority, then the
/// greatest version, then the greatest version of the same implementation, then the first.
///
/// A setting that no link fits is chosen all the same: then no link is there. None when there is
/// neither setting nor link.
#[must_use]
pub fn choose<'a>(
    links: impl IntoIterator<Item = &'a Mediation>,
    setting: &Setting,
) -> Option<Choice> {
    let fitting = links.into_iter().filter(|link| link.fits(setting));
    let best = fitting.reduce(|best, link| if is_better(link, best) { link } else { best });
    if best.is_none() && *setting == Setting::default() {
        return None;
    }
    let by_link = best.map_or(Source::System, Mediation::source);
    let by = |is_set: bool| if is_set { Source::Local } else { by_link };
    let set = setting.clone();
    let version = set.version.or_else(|| best?.version.clone());
    let own = best.and_then(|link| link.implementation.clone());
    Some(Choice {
        version: (version, by(setting.version.is_some())),
        implementation: (
            own.or(set.implementation),
            by(setting.implementation.is_some()),
        ),
    })
}

fn is_better(link: &Mediation, best: &Mediation) -> bool {
    let rank = |link: &Mediation| (link.priority, link.version.clone());
    if rank(link) != rank(best) {
        return rank(link) > rank(best);
    }
    match (&link.implementation, &best.implementation) {
        (Some(link), Some(best)) => link.name == best.name && link.version > best.version,
        _ => false,
    }
}

impl Choice {
    /// Whether the image gets this link.
    #[must_use]
    pub fn selects(&self, link: &Mediation) -> bool {
        self.version.0 == link.version && self.implementation.0 == link.implementation
    }
}
