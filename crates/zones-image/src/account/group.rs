//! Group actions.

use zones_ips::Action;

use super::{AccountError, Database, line};

impl Database {
    /// Adds a group or brings it up to date; its members stay.
    ///
    /// # Errors
    ///
    /// A field that would break the line; no free number.
    pub fn put_group(&mut self, action: &Action) -> Result<(), AccountError> {
        let name = action.get("groupname").unwrap_or_default();
        let whole = |field| line::whole("group", name, field);
        whole(name)?;
        let text = self.group.get_or_insert_default();
        let old = line::find(text, name).map(str::to_owned);
        let gid = match (action.get("gid"), &old) {
            (Some(gid), _) => whole(gid)?.to_owned(),
            (None, Some(old)) => line::field(old, 2).to_owned(),
            (None, None) => {
                let full = || AccountError::Full {
                    kind: "group",
                    name: name.to_owned(),
                };
                line::free(text, 2).ok_or_else(full)?.to_string()
            }
        };
        let old = old.as_deref();
        let password = old.map_or("x", |old| line::field(old, 1));
        let members = old.map_or("", |old| line::field(old, 3));
        let new = format!("{name}:{password}:{gid}:{members}");
        line::put(text, name, Some(&new));
        Ok(())
    }

    /// Removes a group, unless it has members.
    pub fn remove_group(&mut self, name: &str) {
        let Some(text) = &mut self.group else { return };
        let is_empty = line::find(text, name).is_some_and(|it| line::field(it, 3).is_empty());
        if is_empty {
            line::put(text, name, None);
        }
    }

    /// The fields of a group that differ from the action: name, found, expected.
    #[must_use]
    pub fn group_faults(&self, action: &Action) -> Option<Vec<(&'static str, String, String)>> {
        let name = action.get("groupname").unwrap_or_default();
        let found = line::find(self.group.as_deref().unwrap_or_default(), name)?;
        let mut faults = Vec::new();
        if let Some(gid) = action
            .get("gid")
            .filter(|gid| *gid != line::field(found, 2))
        {
            faults.push(("gid", line::field(found, 2).to_owned(), gid.to_owned()));
        }
        Some(faults)
    }

    /// Makes the user a member of these groups and of no other that its former list named.
    pub(super) fn set_member(&mut self, user: &str, former: &[&str], groups: &[&str]) {
        let Some(text) = &mut self.group else { return };
        let mut result = String::with_capacity(text.len() + 80);
        for old in text.lines() {
            let name = line::name(old);
            let is_wanted = groups.contains(&name);
            let mut members: Vec<_> = line::field(old, 3).split(',').collect();
            members.retain(|it| !it.is_empty());
            let is_member = members.contains(&user);
            if is_wanted && !is_member {
                members.push(user);
            } else if !is_wanted && is_member && former.contains(&name) {
                members.retain(|it| *it != user);
            } else {
                result.push_str(old);
                result.push('\n');
                continue;
            }
            let head = [0, 1, 2].map(|at| line::field(old, at)).join(":");
            result.push_str(&format!("{head}:{}\n", members.join(",")));
        }
        *text = result;
    }
}
