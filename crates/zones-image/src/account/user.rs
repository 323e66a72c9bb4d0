//! User actions.

use zones_ips::Action;

use super::{AccountError, Accounts, Database, line};

/// The fields of etc/shadow behind name and password, and whether what is on disk wins.
const AGING: [(&str, bool); 7] = [
    ("lastchg", true),
    ("min", true),
    ("max", true),
    ("warn", true),
    ("inactive", false),
    ("expire", true),
    ("flag", true),
];

impl Database {
    /// Adds a user or brings it up to date. Its password, and what it did about the password's
    /// age, stay. `from` is the action until now.
    ///
    /// # Errors
    ///
    /// A field that would break a line; no such group; no free number.
    pub fn put_user(&mut self, from: Option<&Action>, action: &Action) -> Result<(), AccountError> {
        let name = action.get("username").unwrap_or_default();
        for (_, value) in action.attributes().iter() {
            line::whole("user", name, value)?;
        }
        self.put_passwd(name, action)?;
        self.put_shadow(name, action);
        let list = |action: &Action| -> Vec<String> {
            action.values("group-list").map(str::to_owned).collect()
        };
        let former = from.map(list).unwrap_or_default();
        let former: Vec<&str> = former.iter().map(String::as_str).collect();
        let groups: Vec<&str> = action.values("group-list").collect();
        self.set_member(name, &former, &groups);
        let is_barred = action.get("ftpuser") == Some("false");
        if let Some(text) = &mut self.ftpusers {
            line::put(text, name, is_barred.then_some(name));
        }
        Ok(())
    }

    fn put_passwd(&mut self, name: &str, action: &Action) -> Result<(), AccountError> {
        let gid = self.primary(name, action)?;
        let text = self.passwd.get_or_insert_default();
        let old = line::find(text, name).map(str::to_owned);
        let uid = match (action.get("uid"), &old) {
            (Some(uid), _) => uid.to_owned(),
            (None, Some(old)) => line::field(old, 2).to_owned(),
            (None, None) => {
                let full = || AccountError::Full {
                    kind: "user",
                    name: name.to_owned(),
                };
                line::free(text, 2).ok_or_else(full)?.to_string()
            }
        };
        let comment = action.get("gcos-field").unwrap_or(name);
        let home = action.get("home-dir").unwrap_or("/");
        let shell = action.get("login-shell").unwrap_or_default();
        let new = format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}");
        line::put(text, name, Some(&new));
        Ok(())
    }

    /// The number of the primary group.
    fn primary(&self, name: &str, action: &Action) -> Result<u32, AccountError> {
        let group = action.get("group").unwrap_or_default();
        let missing = || AccountError::NoGroup {
            user: name.to_owned(),
            group: group.to_owned(),
        };
        self.gid(group).ok_or_else(missing)
    }

    /// The number of a group, read from its line alone.
    fn gid(&self, group: &str) -> Option<u32> {
        let line = line::find(self.group.as_deref().unwrap_or_default(), group);
        Accounts::parse("", line.unwrap_or_default()).gid(group)
    }

    fn put_shadow(&mut self, name: &str, action: &Action) {
        let text = self.shadow.get_or_insert_default();
        let old = line::find(text, name).map(str::to_owned);
        let password = match &old {
            Some(old) => line::field(old, 1),
            None => match action.get("password") {
                // passwd(1) sets it later.
                Some("UP") | None => "*LK*",
                Some(password) => password,
            },
        };
        let mut new = format!("{name}:{password}");
        for (at, (key, is_kept)) in AGING.into_iter().enumerate() {
            let kept = old.as_deref().filter(|_| is_kept);
            let value = kept.map(|old| line::field(old, at + 2));
            let value = value
                .filter(|value| !value.is_empty())
                .or_else(|| action.get(key));
            new.push(':');
            new.push_str(value.unwrap_or_default());
        }
        line::put(text, name, Some(&new));
    }

    /// Removes a user from all files.
    pub fn remove_user(&mut self, action: &Action) {
        let name = action.get("username").unwrap_or_default().to_owned();
        let files = [&mut self.passwd, &mut self.shadow, &mut self.ftpusers];
        for text in files.into_iter().flatten() {
            line::put(text, &name, None);
        }
        let groups: Vec<&str> = action.values("group-list").collect();
        self.set_member(&name, &groups, &[]);
    }

    /// The fields of a user that differ from the action: name, found, expected; None when there is
    /// no such user.
    #[must_use]
    pub fn user_faults(&self, action: &Action) -> Option<Vec<(&'static str, String, String)>> {
        let name = action.get("username").unwrap_or_default();
        let found = line::find(self.passwd.as_deref().unwrap_or_default(), name)?;
        let group = action.get("group").unwrap_or_default();
        let gid = self.gid(group).map(|gid| gid.to_string());
        let rows = [
            ("uid", 2, action.get("uid")),
            ("group", 3, gid.as_deref()),
            (
                "gcos-field",
                4,
                Some(action.get("gcos-field").unwrap_or(name)),
            ),
            ("home-dir", 5, Some(action.get("home-dir").unwrap_or("/"))),
            ("login-shell", 6, action.get("login-shell")),
        ];
        let differs = rows.into_iter().filter_map(|(key, at, expected)| {
            let (found, expected) = (line::field(found, at), expected?);
            (found != expected).then(|| (key, found.to_owned(), expected.to_owned()))
        });
        Some(differs.collect())
    }
}
