//! `beadm list`.

use std::path::Path;

use serde::Serialize;
use zones_ips::Timestamp;
use zones_storage::{Known, Snapshots};
use zones_types::Bytes;

use super::{Call, Outcome, Stop, mount};

/// One line of the list.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    uuid: String,
    /// Whether it is the root now, and after the next boot.
    active: bool,
    active_on_reboot: bool,
    /// Whether it was not seen to come up yet.
    trial: bool,
    /// Why it did not come up.
    failed: String,
    mountpoint: Option<String>,
    created: i64,
    /// Bytes that go when it goes.
    space: Option<u64>,
}

pub(super) fn run(call: &mut Call) -> Outcome {
    let given = &call.given;
    let wanted = match given.words.as_slice() {
        [] => None,
        [name] => Some(name),
        _ => return Err(Stop::Usage("one boot environment can be named".to_owned())),
    };
    let is_bare = given.has("H") || given.has("p");
    let is_json = match given.get("o") {
        None => false,
        Some("json") => true,
        Some(_) => return Err(Stop::Usage("-o takes json".to_owned())),
    };
    let all = call.environments.all().iter();
    let named = all.filter(|it| wanted.is_none_or(|name| *name == it.name));
    let mut rows: Vec<Row> = named.map(|it| row(call, it)).collect();
    if let (Some(name), true) = (wanted, rows.is_empty()) {
        let text = format!("{name} does not exist or appears not to be a BE.");
        return Err(Stop::Failed(text));
    }
    if given.has("s") || given.has("a") {
        let names: Vec<String> = rows.iter().map(|it| it.name.clone()).collect();
        let snapshots = snapshots(call)?;
        let is_of = |row: &Row| names.iter().any(|name| is_snapshot_of(row, name));
        rows.extend(
            snapshots
                .into_iter()
                .filter(|row| wanted.is_none() || is_of(row)),
        );
    }
    if is_json {
        let text = serde_json::to_string_pretty(&rows);
        println!("{}", text.map_err(|error| Stop::Failed(error.to_string()))?);
        return Ok(());
    }
    if !is_bare {
        line(["BE", "Active", "Mountpoint", "Space", "Policy", "Created"]);
    }
    for row in &rows {
        let (flags, place) = (row.flags(), row.mountpoint.as_deref());
        if is_bare {
            let flags = if flags == "-" { "" } else { &flags };
            println!(
                "{};{};{flags};{};{};static;{}",
                row.name,
                row.uuid,
                place.unwrap_or_default(),
                row.space.unwrap_or_default(),
                row.created
            );
        } else {
            let place = place.unwrap_or("-");
            let space = row.space.map(|it| Bytes(it).to_string());
            let space = space.as_deref().unwrap_or("-");
            line([
                &row.name,
                &flags,
                place,
                space,
                "static",
                &date(row.created),
            ]);
        }
    }
    Ok(())
}

impl Row {
    /// `N` now, `R` after a reboot, `T` on trial, `!` did not come up.
    fn flags(&self) -> String {
        let flags = [
            (self.active, 'N'),
            (self.active_on_reboot, 'R'),
            (self.trial, 'T'),
            (!self.failed.is_empty(), '!'),
        ];
        let flags: String = flags
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, flag)| *flag)
            .collect();
        if flags.is_empty() {
            "-".to_owned()
        } else {
            flags
        }
    }
}

fn row(call: &Call, it: &Known) -> Row {
    let environments = &call.environments;
    let active = it.name == environments.active();
    let place = mount::of(call, &it.name);
    Row {
        name: it.name.clone(),
        uuid: it.uuid.clone(),
        active,
        active_on_reboot: it.name == environments.next(),
        trial: environments
            .trial()
            .is_some_and(|trial| trial.name == it.name),
        failed: it.failed.clone(),
        mountpoint: place.or_else(|| active.then(|| "/".to_owned())),
        created: it.created,
        space: space(call, &environments.path(&it.name)),
    }
}

fn space(call: &Call, root: &Path) -> Option<u64> {
    let driver = zones_storage::choose(call.zonepath.as_path()).ok()?;
    Some(driver.usage(root).ok()?.own)
}

fn snapshots(call: &Call) -> Result<Vec<Row>, Stop> {
    let all = Snapshots::open(call.zonepath.as_path());
    let all = all.map_err(|error| Stop::Failed(zones_engine::chain(&error)))?;
    let rows = all.all().iter().map(|it| Row {
        name: format!("{}@{}", it.environment, it.name),
        uuid: it.uuid.clone(),
        active: false,
        active_on_reboot: false,
        trial: false,
        failed: String::new(),
        mountpoint: None,
        created: it.created,
        space: space(call, &all.path(&it.name)),
    });
    Ok(rows.collect())
}

fn is_snapshot_of(row: &Row, name: &str) -> bool {
    row.name.split('@').next() == Some(name)
}

fn line([name, active, place, space, policy, created]: [&str; 6]) {
    println!("{name:<18} {active:<6} {place:<10} {space:<7} {policy:<6} {created}");
}

/// `YYYY-MM-DD HH:MM`.
pub(crate) fn date(seconds: i64) -> String {
    let civil = Timestamp::from_unix(seconds).unwrap_or_default().civil();
    format!(
        "{}-{:02}-{:02} {:02}:{:02}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute()
    )
}
