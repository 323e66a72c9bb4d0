//! A user of a zone, from the zone's own passwd(5) and group(5). They are read inside the zone and
//! trusted for nothing but naming that user: hostile lines are passed over, sizes are bounded.

use std::io::Read;

/// What a session needs to know of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) home: String,
    pub(crate) shell: String,
}

/// Larger files than this are cut: nobody's user list is.
const FILE_BYTES_MAX: u64 = 4 << 20;

impl Account {
    /// The user `name`. Root needs no entry.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let (passwd, group) = (read("/etc/passwd"), read("/etc/group"));
        let found = Self::parse(name, &passwd, &group);
        found.or_else(|| (name == "root").then(Self::failsafe))
    }

    /// Root with a plain shell, whatever the zone's files say.
    pub(crate) fn failsafe() -> Self {
        let (home, shell) = ("/".to_owned(), "/bin/sh".to_owned());
        Self {
            name: "root".to_owned(),
            uid: 0,
            gid: 0,
            groups: vec![0],
            home,
            shell,
        }
    }

    fn parse(name: &str, passwd: &str, group: &str) -> Option<Self> {
        let entry = passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.len() == 7 && fields[0] == name).then_some(fields)
        })?;
        let (uid, gid) = (entry[2].parse().ok()?, entry[3].parse().ok()?);
        let or = |text: &str, default: &str| {
            if text.starts_with('/') { text } else { default }.to_owned()
        };
        let mut groups = vec![gid];
        groups.extend(group.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let member = fields.len() == 4 && fields[3].split(',').any(|member| member == name);
            member.then(|| fields[2].parse::<u32>().ok()).flatten()
        }));
        groups.sort_unstable();
        groups.dedup();
        Some(Self {
            name: name.to_owned(),
            uid,
            gid,
            groups,
            home: or(entry[5], "/"),
            shell: or(entry[6], "/bin/sh"),
        })
    }

    /// The variables that a login sets.
    pub(crate) fn environ(&self) -> Vec<String> {
        vec![
            format!("LOGNAME={}", self.name),
            format!("USER={}", self.name),
            format!("HOME={}", self.home),
            format!("MAIL=/var/mail/{}", self.name),
            format!("SHELL={}", self.shell),
        ]
    }
}

fn read(path: &str) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_with_their_groups() {
        let passwd = "bad\nroot:x:0:0:root:/root:/bin/bash\njo:x:1000:1000:,:/home/jo:\n";
        let group = "sudo:x:27:ann,jo\nadm:x:4:jo\nx:y\n";
        let jo = Account::parse("jo", passwd, group).unwrap();
        assert_eq!(
            (jo.uid, jo.groups, jo.shell.as_str()),
            (1000, vec![4, 27, 1000], "/bin/sh")
        );
        assert_eq!(
            Account::parse("root", passwd, group).unwrap().shell,
            "/bin/bash"
        );
        assert!(Account::parse("nobody", passwd, group).is_none());
        assert!(Account::parse("evil", "evil:x:-1:0::/:/bin/sh", "").is_none());
    }
}
