//! Users and groups. Source: passwd(5), shadow(5), group(5), gshadow(5), subuid(5).

use std::collections::BTreeMap;

use zones_matrix::leftovers::Account;

use super::meaning::Page;

/// More than any file of accounts has, in bytes.
const LIMIT: u64 = 8 << 20;

/// Number of an account that only a secondary file names.
const NOBODY: u32 = u32::MAX;

pub(super) fn read(page: &mut Page<'_>) {
    let mut text = |path| page.text(path, LIMIT).unwrap_or_default();
    let (passwd, shadow) = (text("/etc/passwd"), text("/etc/shadow"));
    let (group, gshadow) = (text("/etc/group"), text("/etc/gshadow"));
    let ranges = [
        ("subuid", text("/etc/subuid")),
        ("subgid", text("/etc/subgid")),
    ];
    page.scene.inventory.users = users(&passwd, &shadow, &ranges);
    page.scene.inventory.groups = groups(&group, &gshadow);
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().map(str::trim_end);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(':').collect())
}

/// Whether a password can be used to log in, never the password.
fn lock(field: Option<&&str>) -> &'static str {
    match field.copied() {
        None | Some("") => "no password",
        Some(text) if text.starts_with(['!', '*']) => "locked",
        Some("x") => "shadow missing",
        Some(_) => "a password",
    }
}

fn users(passwd: &str, shadow: &str, ranges: &[(&str, String)]) -> BTreeMap<String, Account> {
    let mut secrets: BTreeMap<&str, &str> = BTreeMap::new();
    for fields in lines(shadow) {
        secrets.insert(fields[0], lock(fields.get(1)));
    }
    let mut found: BTreeMap<String, Account> = BTreeMap::new();
    for fields in lines(passwd) {
        let at = |place: usize| fields.get(place).copied().unwrap_or_default();
        let secret = secrets.remove(fields[0]);
        let secret = secret.unwrap_or_else(|| lock(fields.get(1)));
        let id = at(2).parse().unwrap_or(NOBODY);
        let rest = format!("gid {}, {}, {}, {}, {secret}", at(3), at(4), at(5), at(6));
        match found.get_mut(fields[0]) {
            // The first line counts; that there are two is a change.
            Some(known) => known.rest += &format!("; again: {id}, {rest}"),
            None => {
                found.insert(fields[0].to_owned(), Account { id, rest });
            }
        }
    }
    let only = |name: &str, file: &str, found: &mut BTreeMap<String, Account>| {
        let rest = format!("only in {file}");
        found.insert(name.to_owned(), Account { id: NOBODY, rest });
    };
    for name in secrets.keys() {
        only(name, "shadow", &mut found);
    }
    for (file, text) in ranges {
        for fields in lines(text) {
            match found.get_mut(fields[0]) {
                Some(account) => {
                    account.rest += &format!(", {file} {}", fields[1..].join("+"));
                }
                None => only(fields[0], file, &mut found),
            }
        }
    }
    found
}

fn groups(group: &str, gshadow: &str) -> BTreeMap<String, Account> {
    let mut secrets: BTreeMap<&str, String> = BTreeMap::new();
    for fields in lines(gshadow) {
        let at = |place: usize| fields.get(place).copied().unwrap_or_default();
        let text = match (lock(fields.get(1)), at(2)) {
            ("a password", "") => "a password".to_owned(),
            ("a password", admins) => format!("a password, administrators {admins}"),
            (_, "") => String::new(),
            (_, admins) => format!("administrators {admins}"),
        };
        secrets.insert(fields[0], text);
    }
    let mut found = BTreeMap::new();
    for fields in lines(group) {
        let at = |place: usize| fields.get(place).copied().unwrap_or_default();
        let mut members: Vec<&str> = at(3).split(',').filter(|it| !it.is_empty()).collect();
        members.sort_unstable();
        let mut rest = members.join(",");
        if let Some(secret) = secrets
            .remove(fields[0])
            .filter(|secret| !secret.is_empty())
        {
            rest += &format!("; {secret}");
        }
        let id = at(2).parse().unwrap_or(NOBODY);
        found
            .entry(fields[0].to_owned())
            .or_insert(Account { id, rest });
    }
    for name in secrets.keys() {
        let rest = "only in gshadow".to_owned();
        found.insert((*name).to_owned(), Account { id: NOBODY, rest });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_put_together_from_all_files() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nacme:x:998:998::/srv:/bin/false\n\
                      +nis\n:::\nroot:x:7:7::/:/bin/sh\n";
        let shadow = "root:*:1::::::\nacme:$6$abc:1::::::\nlost:!:1::::::\n";
        let ranges = [("subuid", "acme:100000:65536\ngone:1:2\n".to_owned())];
        let users = users(passwd, shadow, &ranges);
        assert!(users["root"].rest.contains("locked; again: 7"), "{users:?}");
        let acme = &users["acme"];
        assert_eq!(acme.id, 998);
        assert!(
            acme.rest.ends_with("a password, subuid 100000+65536"),
            "{}",
            acme.rest
        );
        assert!(!acme.rest.contains("$6$"));
        assert_eq!(users["lost"].rest, "only in shadow");
        assert_eq!(users["gone"].rest, "only in subuid");

        let groups = groups("adm:x:4:b,a\nacme:x:998:\n", "adm:*::\nold:!:root:\n");
        assert_eq!(groups["adm"].rest, "a,b");
        assert_eq!((groups["acme"].id, groups["acme"].rest.as_str()), (998, ""));
        assert_eq!(groups["old"].rest, "only in gshadow");
    }
}
