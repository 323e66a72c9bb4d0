//! `beadm list`.

use zones_ips::Timestamp;
use zones_storage::Known;

use super::{Call, Outcome, Stop, mount};

pub(super) fn run(call: &mut Call) -> Outcome {
    let is_bare = call.given.has("H");
    let wanted = match call.given.words.as_slice() {
        [] => None,
        [name] => Some(name),
        _ => return Err(Stop::Usage("one boot environment can be named".to_owned())),
    };
    let all = call.environments.all().iter();
    let shown: Vec<&Known> = all
        .filter(|it| wanted.is_none_or(|name| *name == it.name))
        .collect();
    if let (Some(name), true) = (wanted, shown.is_empty()) {
        let text = format!("{name} does not exist or appears not to be a BE.");
        return Err(Stop::Failed(text));
    }
    if !is_bare {
        line(["BE", "Active", "Mountpoint", "Space", "Policy", "Created"]);
    }
    for it in shown {
        let is_now = it.name == call.environments.active();
        let is_next = it.name == call.environments.next();
        let flags = match (is_now, is_next) {
            (true, true) => "NR",
            (true, false) => "N",
            (false, true) => "R",
            (false, false) => "-",
        };
        let place = mount::of(call, &it.name);
        let place = place.or_else(|| is_now.then(|| "/".to_owned()));
        let place = place.unwrap_or_else(|| "-".to_owned());
        if is_bare {
            let flags = if flags == "-" { "" } else { flags };
            let place = if place == "-" { "" } else { &place };
            println!(
                "{};{};{flags};{place};0;static;{}",
                it.name, it.uuid, it.created
            );
        } else {
            line([&it.name, flags, &place, "-", "static", &date(it.created)]);
        }
    }
    Ok(())
}

fn line([name, active, place, space, policy, created]: [&str; 6]) {
    println!("{name:<18} {active:<6} {place:<10} {space:<7} {policy:<6} {created}");
}

/// `YYYY-MM-DD HH:MM`.
fn date(seconds: i64) -> String {
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
