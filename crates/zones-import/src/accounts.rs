//! Users and groups of a root. Source: passwd(5), shadow(5), group(5).

use std::collections::BTreeMap;

use zones_ips::{Action, ActionKind};
use zones_sys::RootFd;

use crate::database::text;
use crate::error::{ImportError, Result};
use crate::say::action;
use crate::tree::Node;

/// Names of owners, and the actions that make them.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
    pub(crate) actions: Vec<Action>,
    /// The files themselves by path, no password that opens anything in them.
    pub(crate) texts: BTreeMap<String, String>,
}

/// The files, and whether no password lets everybody in. It is the second field of all.
const FILES: [(&str, bool); 4] = [
    ("etc/passwd", true),
    ("etc/shadow", true),
    ("etc/group", false),
    ("etc/gshadow", false),
];

/// What a password is in a package: it stays when it opens nothing.
fn locked(password: &str) -> &str {
    match password {
        "" | "x" => password,
        _ if password.starts_with(['*', '!']) => password,
        _ => "!",
    }
}

type Rows = Vec<Vec<String>>;

fn rows(root: &RootFd, path: &str) -> Result<Rows> {
    let text = text(root, path)?.unwrap_or_default();
    let fields = |line: &str| line.split(':').map(str::to_owned).collect();
    Ok(text
        .lines()
        .filter(|it| it.contains(':'))
        .map(fields)
        .collect())
}

impl Accounts {
    pub(crate) fn read(root: &RootFd) -> Result<Self> {
        let users = rows(root, "etc/passwd")?;
        let groups = rows(root, "etc/group")?;
        let shadow = rows(root, "etc/shadow")?;
        let mut accounts = Self {
            users: ids(&users),
            groups: ids(&groups),
            actions: Vec::new(),
            texts: BTreeMap::new(),
        };
        for (path, is_open) in FILES {
            if let Some(text) = text(root, path)? {
                let text = without_passwords(&text, is_open);
                accounts.texts.insert(path.to_owned(), text);
            }
        }
        for row in &groups {
            let pairs = [("groupname", field(row, 0)), ("gid", field(row, 2))];
            accounts
                .actions
                .push(action(ActionKind::Group, None, pairs)?);
        }
        for row in &users {
            let user = accounts.user(row, &groups, &shadow)?;
            accounts.actions.push(user);
        }
        Ok(accounts)
    }

    fn user(&self, row: &[String], groups: &Rows, shadow: &Rows) -> Result<Action> {
        let name = field(row, 0);
        let gid = field(row, 3).parse().unwrap_or(0);
        let group = self.groups.get(&gid).map_or("", String::as_str);
        let mut pairs = vec![
            ("username", name),
            ("uid", field(row, 2)),
            ("group", group),
            ("gcos-field", field(row, 4)),
            ("home-dir", field(row, 5)),
            ("login-shell", field(row, 6)),
        ];
        let secret = shadow.iter().find(|it| field(it, 0) == name);
        // A password of the root is nobody else's; a locked account stays locked as it is.
        let password = secret.map_or("*", |it| field(it, 1));
        let password = match password {
            "" => "!",
            other => locked(other),
        };
        pairs.push(("password", password));
        if let Some(secret) = secret {
            let numbers = [
                (2, "lastchg"),
                (3, "min"),
                (4, "max"),
                (5, "warn"),
                (6, "inactive"),
                (7, "expire"),
                (8, "flag"),
            ];
            for (at, key) in numbers {
                pairs.push((key, field(secret, at)));
            }
        }
        for other in groups {
            if field(other, 3).split(',').any(|member| member == name) {
                pairs.push(("group-list", field(other, 0)));
            }
        }
        // Without a comment, the name of the user would be it.
        pairs.retain(|(key, value)| !value.is_empty() || *key == "gcos-field");
        action(ActionKind::User, None, pairs)
    }

    /// The names of who owns something.
    pub(crate) fn owner(&self, path: &str, node: &Node) -> Result<(&str, &str)> {
        let nameless = |what, id, table| ImportError::Nameless {
            path: path.to_owned(),
            what,
            id,
            table,
        };
        let user = self.users.get(&node.uid);
        let group = self.groups.get(&node.gid);
        Ok((
            user.ok_or_else(|| nameless("user", node.uid, "passwd"))?,
            group.ok_or_else(|| nameless("group", node.gid, "group"))?,
        ))
    }
}

/// The text with locks for passwords.
fn without_passwords(text: &str, is_open: bool) -> String {
    let line = |line: &str| {
        let mut fields: Vec<&str> = line.split(':').collect();
        if let Some(password) = fields.get_mut(1) {
            *password = match *password {
                "" if is_open => "!",
                other => locked(other),
            };
        }
        fields.join(":") + "\n"
    };
    text.lines().map(line).collect()
}

fn field(row: &[String], at: usize) -> &str {
    row.get(at).map_or("", String::as_str)
}

/// The first name of each number.
fn ids(rows: &Rows) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for row in rows {
        if let Ok(id) = field(row, 2).parse() {
            found.entry(id).or_insert_with(|| field(row, 0).to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::without_passwords;

    #[test]
    fn what_opens_something_is_locked() {
        let rows = [
            (
                "root:$6$salt$hash:19000:0:99999:7:::\n",
                true,
                "root:!:19000:0:99999:7:::\n",
            ),
            ("daemon:*:19000::::::\n", true, "daemon:*:19000::::::\n"),
            ("guest::19000::::::\n", true, "guest:!:19000::::::\n"),
            ("adm:!$6$x:::\n", true, "adm:!$6$x:::\n"),
            ("staff::50:ann\nx\n", false, "staff::50:ann\nx\n"),
            ("wheel:secret::ann\n", false, "wheel:!::ann\n"),
        ];
        for (text, is_open, want) in rows {
            assert_eq!(without_passwords(text, is_open), want);
        }
    }
}
