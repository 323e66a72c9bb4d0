//! Releases and dependencies from the actions of a manifest or of a catalog.

use zones_ips::action::DependKind;
use zones_ips::facet::Facets;
use zones_ips::variant::Variants;
use zones_ips::{Action, ActionKind, Fmri, Publisher, Version};

use crate::depend::{Depend, SELF, Target};
use crate::release::{Release, Status};

impl Release {
    /// What a package says of itself, for an image with these variants and facets.
    ///
    /// `actions` are those of the manifest, or the dependency part of a catalog, which has all that
    /// matters here. A dependency that cannot be understood makes the release unsupported.
    #[must_use]
    pub fn read<'a>(
        publisher: &Publisher,
        fmri: &Fmri,
        version: &Version,
        actions: impl IntoIterator<Item = &'a Action>,
        (variants, facets): (&Variants, &Facets),
    ) -> Self {
        let mut release = Self {
            publisher: publisher.clone(),
            stem: fmri.stem().clone(),
            version: version.clone(),
            status: Status::Plain,
            depends: Vec::new(),
            hold: None,
            is_explicit: false,
        };
        for action in actions {
            match action.kind() {
                ActionKind::Set => release.set(action, variants),
                ActionKind::Depend if !(variants.allow(action) && facets.allow(action)) => {}
                ActionKind::Depend => match Depend::read(action) {
                    Some(depend) => release.depends.push(depend),
                    None => release.status = Status::Unsupported,
                },
                _ => {}
            }
        }
        release
    }

    fn set(&mut self, action: &Action, variants: &Variants) {
        let Some(name) = action.get("name") else {
            return;
        };
        let value = action.get("value");
        let is_true = value.is_some_and(|it| it.eq_ignore_ascii_case("true"));
        match name {
            "pkg.obsolete" if is_true => self.mark(Status::Obsolete),
            "pkg.renamed" if is_true => self.mark(Status::Renamed),
            "pkg.depend.install-hold" => self.hold = value.map(str::to_owned),
            "pkg.depend.explicit-install" => self.is_explicit = is_true,
            _ if name.starts_with("variant.") => {
                let own = variants.get(name);
                if !action.values("value").any(|it| it == own) {
                    self.mark(Status::OtherVariant(name.to_owned()));
                }
            }
            _ => {}
        }
    }

    /// The first mark counts, but for what cannot be understood.
    fn mark(&mut self, status: Status) {
        if self.status == Status::Plain {
            self.status = status;
        }
    }
}

impl Depend {
    /// The dependency of an action; none when it cannot be understood.
    #[must_use]
    pub fn read(action: &Action) -> Option<Self> {
        let mut targets = Vec::new();
        for text in action.values("fmri") {
            targets.push(target(text)?);
        }
        let first = targets.first()?.clone();
        let is_root = || {
            action
                .get("root-image")
                .is_some_and(|it| it.eq_ignore_ascii_case("true"))
        };
        Some(match action.depend_kind().ok()? {
            DependKind::Require => Self::Require(first),
            DependKind::Optional => Self::Optional(first),
            DependKind::Exclude => Self::Exclude(first),
            DependKind::Incorporate => Self::Incorporate(first),
            DependKind::RequireAny => Self::RequireAny(targets),
            DependKind::Conditional => Self::Conditional {
                predicate: target(action.get("predicate")?)?,
                target: first,
            },
            DependKind::Origin if is_root() => Self::RootOrigin(first),
            DependKind::Origin => Self::Origin(first),
            DependKind::Group => Self::Group(first),
            DependKind::GroupAny => Self::GroupAny(targets),
            DependKind::Parent if first.stem.as_str() == SELF => Self::ParentSelf,
            DependKind::Parent => Self::Parent(first),
        })
    }
}

fn target(text: &str) -> Option<Target> {
    let fmri: Fmri = text.parse().ok()?;
    Some(Target {
        stem: fmri.stem().clone(),
        version: fmri.version().cloned(),
    })
}

#[cfg(test)]
mod tests {
    use zones_ips::Action;
    use zones_ips::facet::Facets;
    use zones_ips::variant::Variants;

    use super::{Release, Status};

    fn read(lines: &[&str]) -> Release {
        let actions: Vec<Action> = lines
            .iter()
            .map(|it| it.parse().expect("an action"))
            .collect();
        let fmri = "pkg://test/foo@1.0".parse().expect("a name");
        let variants: Variants = [("variant.arch", "amd64")].into_iter().collect();
        let (publisher, version) = ("test".parse().expect("ok"), "1.0".parse().expect("ok"));
        Release::read(
            &publisher,
            &fmri,
            &version,
            &actions,
            (&variants, &Facets::default()),
        )
    }

    #[test]
    fn each_kind_of_dependency_is_read() {
        let rows = [
            ("depend type=require fmri=a@1", "Require"),
            ("depend type=optional fmri=pkg:/a@1", "Optional"),
            ("depend type=exclude fmri=a", "Exclude"),
            ("depend type=incorporate fmri=a@1", "Incorporate"),
            ("depend type=require-any fmri=a fmri=b", "RequireAny"),
            (
                "depend type=conditional fmri=a predicate=b@2",
                "Conditional",
            ),
            ("depend type=origin fmri=a@1", "Origin"),
            ("depend type=origin fmri=a@1 root-image=true", "RootOrigin"),
            ("depend type=group fmri=a", "Group"),
            ("depend type=group-any fmri=a fmri=b", "GroupAny"),
            ("depend type=parent fmri=a", "Parent(Target"),
            (
                "depend type=parent fmri=feature/package/dependency/self",
                "ParentSelf",
            ),
        ];
        for (line, want) in rows {
            let release = read(&[line]);
            assert_eq!(release.status, Status::Plain, "{line}");
            let said = format!("{:?}", release.depends[0]);
            assert!(said.starts_with(want), "{line}: {said}");
        }
    }

    #[test]
    fn marks_and_what_is_not_for_this_image() {
        let cases: [(&str, Status); 5] = [
            ("set name=pkg.obsolete value=true", Status::Obsolete),
            ("set name=pkg.renamed value=true", Status::Renamed),
            (
                "set name=variant.arch value=amd64 value=arm64",
                Status::Plain,
            ),
            (
                "set name=variant.arch value=sparc",
                Status::OtherVariant("variant.arch".to_owned()),
            ),
            ("depend type=mystery fmri=a", Status::Unsupported),
        ];
        for (line, status) in cases {
            assert_eq!(read(&[line]).status, status, "{line}");
        }
        let depend = "depend type=require fmri=a variant.arch=sparc";
        assert!(
            read(&[depend, "depend type=require fmri=b facet.debug.x=true"])
                .depends
                .is_empty()
        );
        let release = read(&[
            "set name=pkg.depend.install-hold value=core",
            "set name=pkg.depend.explicit-install value=true",
        ]);
        assert_eq!(
            (release.hold.as_deref(), release.is_explicit),
            (Some("core"), true)
        );
    }
}
