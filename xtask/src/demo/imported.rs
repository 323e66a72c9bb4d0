//! The session of the field guide with real software: a Debian mirror imported as packages, a depot
//! on loopback, a zone of brand ipkg that is installed, used, updated, damaged, mended and rolled
//! back.

use std::path::{Path, PathBuf};

use super::depot::Depot;
use super::session::Session;
use super::{ZONE, is_safe};
use crate::shell::{Outcome, target};

/// Packages beyond the minimal system: tools that the session uses.
pub(super) const TOOLS: &str = "procps";
/// What the second publication has beyond the first, so that there is something new on any day.
const NEWS: &str = "hello";
const PUBLISHER: &str = "debian";

/// What the session goes on with.
pub(super) struct Shop {
    depot: Depot,
    /// Version of `entire`: the release as it was made, and with all corrections since.
    first: String,
    second: String,
}

/// A repository with two publications, from the host's mirror or as an earlier demo left it; a
/// depot for it; the host at the first of the two.
pub(super) fn open(session: &mut Session, folder: &Path, fresh: bool) -> Outcome<Shop> {
    let cache = Cache::open(folder, fresh)?;
    let with_news = format!("{TOOLS},{NEWS}");
    let corrected = ["--include", &with_news];
    let (source, second) = cache.look(session, &corrected)?;
    let mirror = source.split(' ').next().unwrap_or_default().to_owned();
    let released = ["--mirror", &mirror, "--include", TOOLS];
    let (_, first) = cache.look(session, &released)?;
    let repository = cache.repository(&first, &second);
    let shown = repository.to_string_lossy().into_owned();
    if repository.is_dir() {
        println!("The mirror has nothing new since {shown} was made.");
    } else {
        cache.clear()?;
        let half = repository.with_extension("half");
        let place = half.to_string_lossy().into_owned();
        session.show("pkgrepo", "create a repository", &["create", &place])?;
        for (label, choice) in [
            ("import-debian, as released", &released[..]),
            ("import-debian, corrected", &corrected),
        ] {
            let mut words = vec!["import-debian", "-s", &place, "-p", PUBLISHER];
            words.extend(choice);
            session.show_at(&cache.host, "pkgrepo", label, &words)?;
        }
        std::fs::rename(&half, &repository)
            .map_err(|error| format!("cannot rename `{place}`: {error}"))?;
    }
    let versions = versions(session, &shown)?;
    let [second, .., first] = versions.as_slice() else {
        return Err(format!(
            "`{shown}` has not two versions of entire: {versions:?}"
        ));
    };
    let depot = Depot::start(session, &shown)?;
    session.show("pkg", "set-publisher", &["set-publisher", "-p", &depot.uri])?;
    let entire = format!("entire@{first}");
    session.show("pkg", "install entire (global)", &["install", &entire])?;
    Ok(Shop {
        depot,
        first: first.clone(),
        second: second.clone(),
    })
}

/// All versions of what fixes the versions of all others, newest first.
fn versions(session: &mut Session, repository: &str) -> Outcome<Vec<String>> {
    let words = ["list", "-H", "-F", "tsv", "-s", repository, "entire"];
    let text = session.capture("pkgrepo", "pkgrepo list", &words)?;
    // `12,5.11-1:20260102T030405Z` is 12-1 to people.
    let version = |line: &str| {
        let word = line.split('\t').find(|it| it.contains(",5.11-"))?;
        let plain = word.split(':').next()?;
        Some(plain.replace(",5.11-", "-"))
    };
    Ok(text.lines().filter_map(version).collect())
}

impl Shop {
    /// An update of host and zone, damage and its repair, the way back.
    pub(super) fn play(self, session: &mut Session, folder: &Path) -> Outcome {
        let root = folder.join("zones").join(ZONE).join("root");
        let shown = root.to_string_lossy().into_owned();
        session.show("pkg", "list-linked", &["list-linked"])?;
        session.zlogin("zlogin, perl", "perl -e 'print 6 * 7, qq{\\n}'")?;
        expect(session, &shown, &self.first)?;
        session.show("pkg", "update -r", &["update", "-r"])?;
        expect(session, &shown, &self.second)?;
        session.show(
            "pkg",
            "install a new package",
            &["-R", &shown, "install", NEWS],
        )?;
        session.zlogin("zlogin, the new package", NEWS)?;
        repair(session, &shown)?;
        session.show("beadm", "beadm list", &["-z", ZONE, "list"])?;
        let back = ["-z", ZONE, "activate", "zbe-backup-1"];
        session.show("beadm", "beadm activate", &back)?;
        session.zoneadm("reboot into the old one", &["-z", ZONE, "reboot"])?;
        expect(session, &shown, &self.first)?;
        if session.zlogin("zlogin, gone again", NEWS).is_ok() {
            return Err(format!("{NEWS} is still there in the old environment"));
        }
        session.show("pkg", "verify, rolled back", &["-R", &shown, "verify"])?;
        session.zoneadm("list, in step?", &["list", "-cn", "-o", "zonename,sync"])?;
        drop(self.depot);
        Ok(())
    }
}

fn expect(session: &mut Session, root: &str, version: &str) -> Outcome {
    let words = ["-R", root, "list", "-H", "entire"];
    let text = session.capture("pkg", "pkg list entire", &words)?;
    if !text.split_whitespace().any(|word| word == version) {
        return Err(format!("the zone should have entire@{version}: {text}"));
    }
    println!("    the zone has entire@{version}");
    Ok(())
}

/// Damage that nobody meant: burnt content, a lost file, another mode.
const DAMAGE: &str = "echo burnt > /usr/bin/free; rm /usr/bin/uptime; chmod 0777 /etc/login.defs";
const DAMAGED: [&str; 3] = ["usr/bin/free", "usr/bin/uptime", "etc/login.defs"];

fn repair(session: &mut Session, root: &str) -> Outcome {
    session.show("pkg", "verify", &["-R", root, "verify"])?;
    session.zlogin("damage", DAMAGE)?;
    let words = ["-R", root, "verify"];
    let (status, text) = session.try_show("pkg", "verify, damaged", &words)?;
    let missed = DAMAGED.iter().find(|path| !text.contains(**path));
    match (status, missed) {
        (true, _) => return Err("pkg verify did not see the damage".to_owned()),
        (_, Some(path)) => return Err(format!("pkg verify did not see the damage of {path}")),
        _ => {}
    }
    session.show("pkg", "fix", &["-R", root, "fix"])?;
    session.show("pkg", "verify, mended", &["-R", root, "verify"])?;
    session.zlogin("zlogin, free", "free -m").map(|_| ())
}

/// What is kept between demos: fetched packages, and the repository made of them.
struct Cache {
    folder: PathBuf,
    /// The root of the host that imports.
    host: PathBuf,
}

impl Cache {
    /// Below the build folder; where others may write there, of this demo alone.
    fn open(own: &Path, fresh: bool) -> Outcome<Self> {
        let folder = match is_safe(&target()) {
            true => target().join("demo-cache"),
            false => own.join("cache"),
        };
        let failed = |error| format!("`{}`: {error}", folder.display());
        if fresh && folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(failed)?;
        }
        let host = folder.join("host");
        std::fs::create_dir_all(&host).map_err(failed)?;
        Ok(Self { folder, host })
    }

    /// Where an import would take its packages, and the digest of them, by the signed index.
    fn look(&self, session: &mut Session, choice: &[&str]) -> Outcome<(String, String)> {
        let mut words = vec!["import-debian", "-n"];
        words.extend(choice);
        let label = "import-debian -n";
        let text = session.capture_at(&self.host, "pkgrepo", label, &words)?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        match (field("Source: "), field("Plan: ")) {
            (Some(source), Some(plan)) => Ok((source.to_owned(), plan.to_owned())),
            _ => Err(format!("import-debian -n says: {text}")),
        }
    }

    fn repository(&self, first: &str, second: &str) -> PathBuf {
        let short = |plan: &str| plan.chars().take(18).collect::<String>();
        let name = format!("repository-{}-{}", short(first), short(second));
        self.folder.join(name)
    }

    /// Removes repositories of other days.
    fn clear(&self) -> Outcome {
        let failed = |error| format!("`{}`: {error}", self.folder.display());
        for entry in std::fs::read_dir(&self.folder).map_err(failed)?.flatten() {
            if entry
                .file_name()
                .to_string_lossy()
                .starts_with("repository-")
            {
                std::fs::remove_dir_all(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }
}
