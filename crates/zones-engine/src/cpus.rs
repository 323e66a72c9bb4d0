//! Which CPUs a zone with `dedicated-cpu` gets. `/run/zones/cpus` remembers, one `ZONE LIST` a
//! line; a line counts as long as its zone has a state.

use std::collections::BTreeSet;
use std::path::Path;

use zones_config::DedicatedCpu;
use zones_store::Layout;
use zones_types::ZoneName;

use crate::error::EngineError;
use crate::ids;
use crate::plan::PlanError;
use crate::runtime::RunState;

/// As many CPUs as are free, from `ncpus_min` to `ncpus_max`; one always stays with the host. A
/// zone that has fitting ones already keeps them.
///
/// # Errors
/// When fewer are free than the zone needs at least.
pub(crate) fn choose(
    layout: &Layout,
    zone: &ZoneName,
    wanted: &DedicatedCpu,
) -> Result<String, EngineError> {
    let path = layout.run().join("cpus");
    let _lock = ids::lock_beside(&path).map_err(EngineError::file("lock", &path))?;
    let table = std::fs::read_to_string(&path).unwrap_or_default();
    let lines: Vec<(&str, &str)> = table
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| is_active(layout, name))
        .collect();
    let online = Path::new("/sys/devices/system/cpu/online");
    let text = std::fs::read_to_string(online).map_err(EngineError::file("read", online))?;
    let online = parse(text.trim()).unwrap_or_default();
    let of = |line: &(&str, &str)| parse(line.1).unwrap_or_default();
    let (own, others): (Vec<_>, Vec<_>) =
        lines.iter().partition(|(name, _)| *name == zone.as_str());
    let own = own.first().copied().map(of);
    let taken = others.iter().copied().flat_map(of).collect();
    let chosen = pick(&online, &taken, own.as_ref(), wanted).map_err(|free| PlanError::Limit {
        what: "dedicated-cpu".to_owned(),
        why: format!(
            "{} CPUs are wanted and {free} of {} are free (one stays with the host); \
             lower ncpus or halt another zone that has some",
            wanted.ncpus_min,
            online.len(),
        ),
    })?;
    let list = write(&chosen);
    let mut table: String = others
        .iter()
        .map(|(name, cpus)| format!("{name} {cpus}\n"))
        .collect();
    table.push_str(&format!("{zone} {list}\n"));
    std::fs::write(&path, table).map_err(EngineError::file("write", &path))?;
    Ok(list)
}

fn is_active(layout: &Layout, name: &str) -> bool {
    let zone = name.parse::<ZoneName>();
    zone.is_ok_and(|zone| RunState::exists(layout, &zone))
}

/// The last ones that are free: the host's own work tends to the first. `Err` tells how many are.
fn pick(
    online: &BTreeSet<u32>,
    taken: &BTreeSet<u32>,
    own: Option<&BTreeSet<u32>>,
    wanted: &DedicatedCpu,
) -> Result<BTreeSet<u32>, usize> {
    let free: BTreeSet<u32> = online.difference(taken).copied().collect();
    let (low, high) = (wanted.ncpus_min as usize, wanted.ncpus_max as usize);
    let usable = free.len().saturating_sub(1);
    if let Some(own) = own
        && own.is_subset(&free)
        && (low..=high).contains(&own.len())
        && own.len() <= usable
    {
        return Ok(own.clone());
    }
    if usable < low {
        return Err(usable);
    }
    Ok(free.iter().rev().take(usable.min(high)).copied().collect())
}

/// A list of the kernel: `0-3,7`.
fn parse(text: &str) -> Option<BTreeSet<u32>> {
    let mut cpus = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cpus.extend(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?);
    }
    Some(cpus)
}

fn write(cpus: &BTreeSet<u32>) -> String {
    let cpus: Vec<String> = cpus.iter().map(u32::to_string).collect();
    cpus.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> BTreeSet<u32> {
        parse(text).unwrap()
    }

    #[test]
    fn cpus_are_taken_from_the_end_and_one_is_left() {
        for (online, taken, own, low, high, expected) in [
            ("0-3", "", "", 1, 1, Ok("3")),
            ("0-3", "3", "", 1, 2, Ok("1,2")),
            ("0-3", "", "", 2, 8, Ok("1,2,3")),
            ("0-3", "2,3", "", 2, 2, Err(1)),
            ("0", "", "", 1, 1, Err(0)),
            // What a zone has it keeps, unless it wants another number.
            ("0-3", "3", "1", 1, 2, Ok("1")),
            ("0-3", "", "1", 2, 2, Ok("2,3")),
        ] {
            let own = (!own.is_empty()).then(|| set(own));
            let wanted = DedicatedCpu {
                ncpus_min: low,
                ncpus_max: high,
                importance: None,
            };
            let chosen = pick(&set(online), &set(taken), own.as_ref(), &wanted);
            assert_eq!(chosen, expected.map(set), "{online} {taken} {low}-{high}");
        }
        assert_eq!(write(&set("0-2,5")), "0,1,2,5");
        assert_eq!(parse("a-b"), None);
    }

    #[test]
    fn zones_of_one_host_do_not_share() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::below(folder.path());
        std::fs::create_dir_all(layout.run()).unwrap();
        let path = layout.run().join("cpus");
        // A zone that is not active has nothing.
        std::fs::write(&path, "gone 0-4095\n").unwrap();
        let wanted = DedicatedCpu {
            ncpus_min: 1,
            ncpus_max: 1,
            importance: None,
        };
        let zone: ZoneName = "z".parse().unwrap();
        match choose(&layout, &zone, &wanted) {
            Ok(list) => {
                assert_eq!(
                    std::fs::read_to_string(&path).unwrap(),
                    format!("z {list}\n")
                );
            }
            // A machine with one CPU.
            Err(error) => assert!(error.chain().contains("one stays with the host")),
        }
    }
}
