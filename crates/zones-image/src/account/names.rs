//! Names and numbers.

use std::collections::HashMap;

use super::line;

/// Users and groups by name, and back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    users: HashMap<String, u32>,
    groups: HashMap<String, u32>,
}

impl Accounts {
    /// Reads `etc/passwd` and `etc/group`. Lines that make no sense are skipped; of several lines
    /// for a name the first counts.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Self {
        Self {
            users: read(passwd),
            groups: read(group),
        }
    }

    /// Takes over the names that are not known here.
    pub fn fill(&mut self, others: &Self) {
        for (own, others) in [
            (&mut self.users, &others.users),
            (&mut self.groups, &others.groups),
        ] {
            for (name, id) in others {
                own.entry(name.clone()).or_insert(*id);
            }
        }
    }

    /// Whether there is no user.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// The number of a user. `root` is 0 everywhere; a number stands for itself.
    #[must_use]
    pub fn uid(&self, name: &str) -> Option<u32> {
        number(&self.users, name)
    }

    /// The number of a group.
    #[must_use]
    pub fn gid(&self, name: &str) -> Option<u32> {
        number(&self.groups, name)
    }

    /// The name of a user; the least of several.
    #[must_use]
    pub fn user(&self, uid: u32) -> Option<&str> {
        named(&self.users, uid)
    }

    /// The name of a group.
    #[must_use]
    pub fn group(&self, gid: u32) -> Option<&str> {
        named(&self.groups, gid)
    }
}

fn read(text: &str) -> HashMap<String, u32> {
    let mut found = HashMap::new();
    for line in text.lines() {
        if let Ok(id) = line::field(line, 2).parse() {
            found.entry(line::name(line).to_owned()).or_insert(id);
        }
    }
    found
}

fn number(table: &HashMap<String, u32>, name: &str) -> Option<u32> {
    let known = table.get(name).copied();
    known
        .or_else(|| (name == "root").then_some(0))
        .or_else(|| name.parse().ok())
}

fn named(table: &HashMap<String, u32>, id: u32) -> Option<&str> {
    let found = table.iter().filter(|(_, known)| **known == id);
    found
        .map(|(name, _)| name.as_str())
        .min()
        .or_else(|| (id == 0).then_some("root"))
}
