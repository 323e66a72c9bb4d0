//! Names and numbers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::line;

/// Users and groups by name, and back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    users: Table,
    groups: Table,
}

/// One kind, both ways.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Table {
    ids: HashMap<String, u32>,
    names: HashMap<u32, String>,
}

impl Table {
    fn read(text: &str) -> Self {
        let mut table = Self::default();
        for line in text.lines() {
            if let Ok(id) = line::field(line, 2).parse() {
                table.add(line::name(line), id);
            }
        }
        table
    }

    /// The first line of a name, and of a number, counts.
    fn add(&mut self, name: &str, id: u32) {
        if let Entry::Vacant(vacant) = self.ids.entry(name.to_owned()) {
            vacant.insert(id);
            self.names.entry(id).or_insert_with(|| name.to_owned());
        }
    }

    fn id(&self, name: &str) -> Option<u32> {
        let known = self.ids.get(name).copied();
        known
            .or_else(|| (name == "root").then_some(0))
            .or_else(|| name.parse().ok())
    }

    fn name(&self, id: u32) -> Option<&str> {
        let known = self.names.get(&id).map(String::as_str);
        known.or_else(|| (id == 0).then_some("root"))
    }
}

impl Accounts {
    /// Reads `etc/passwd` and `etc/group`. Lines that make no sense are skipped; of several lines
    /// for a name the first counts.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Self {
        Self {
            users: Table::read(passwd),
            groups: Table::read(group),
        }
    }

    /// Takes over the names that are not known here.
    pub fn fill(&mut self, others: &Self) {
        for (own, others) in [
            (&mut self.users, &others.users),
            (&mut self.groups, &others.groups),
        ] {
            for (name, id) in &others.ids {
                own.add(name, *id);
            }
        }
    }

    /// Takes a name for root's where it is not known yet.
    pub(crate) fn admit(&mut self, name: &str) {
        for table in [&mut self.users, &mut self.groups] {
            if table.id(name).is_none() {
                table.ids.insert(name.to_owned(), 0);
            }
        }
    }

    /// Whether there is no user.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.ids.is_empty()
    }

    /// The number of a user. `root` is 0 everywhere; a number stands for itself.
    #[must_use]
    pub fn uid(&self, name: &str) -> Option<u32> {
        self.users.id(name)
    }

    /// The number of a group.
    #[must_use]
    pub fn gid(&self, name: &str) -> Option<u32> {
        self.groups.id(name)
    }

    /// The name of a user; the first of several.
    #[must_use]
    pub fn user(&self, uid: u32) -> Option<&str> {
        self.users.name(uid)
    }

    /// The name of a group.
    #[must_use]
    pub fn group(&self, gid: u32) -> Option<&str> {
        self.groups.name(gid)
    }
}
