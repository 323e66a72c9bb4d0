//! From TOML to settings.

use toml::{Table, Value};

use super::{PasswordHash, SysConfig, SysConfigError, User};

const TOP: &[&str] = &[
    "hostname",
    "timezone",
    "locale",
    "root_password_hash",
    "user",
    "ssh",
];
const USER: &[&str] = &[
    "name",
    "uid",
    "groups",
    "password_hash",
    "ssh_keys",
    "shell",
];
const SSH: &[&str] = &["root_keys"];

/// Kinds of keys that sshd knows. Source: sshd(8), AUTHORIZED_KEYS FILE FORMAT.
const KEY_KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

type Result<T> = std::result::Result<T, SysConfigError>;

/// One table and how its keys are called in messages.
struct Keys<'a> {
    table: &'a Table,
    prefix: String,
}

impl<'a> Keys<'a> {
    fn new(table: &'a Table, prefix: &str, known: &[&str]) -> Result<Self> {
        let keys = Self {
            table,
            prefix: prefix.to_owned(),
        };
        match table.keys().find(|k| !known.contains(&k.as_str())) {
            None => Ok(keys),
            Some(key) => Err(SysConfigError::UnknownKey {
                key: keys.name(key),
                hint: hint(key, known),
            }),
        }
    }

    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn wrong(&self, key: &str, want: &'static str) -> SysConfigError {
        SysConfigError::WrongType {
            key: self.name(key),
            want,
        }
    }

    /// A text that passes `check`, which says what is wrong.
    fn text(
        &self,
        key: &str,
        check: fn(&str) -> std::result::Result<(), String>,
    ) -> Result<Option<String>> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let text = value.as_str().ok_or_else(|| self.wrong(key, "a text"))?;
        match check(text) {
            Ok(()) => Ok(Some(text.to_owned())),
            Err(why) => Err(SysConfigError::Value {
                key: self.name(key),
                why,
            }),
        }
    }

    /// A list of texts that pass `check`.
    fn texts(
        &self,
        key: &str,
        check: fn(&str) -> std::result::Result<(), String>,
    ) -> Result<Vec<String>> {
        let Some(value) = self.table.get(key) else {
            return Ok(Vec::new());
        };
        let list = value
            .as_array()
            .ok_or_else(|| self.wrong(key, "a list of texts"))?;
        let mut texts = Vec::new();
        for (number, value) in list.iter().enumerate() {
            let text = value
                .as_str()
                .ok_or_else(|| self.wrong(key, "a list of texts"))?;
            check(text).map_err(|why| {
                let key = format!("{}[{number}]", self.name(key));
                SysConfigError::Value { key, why }
            })?;
            texts.push(text.trim().to_owned());
        }
        Ok(texts)
    }

    fn hash(&self, key: &str) -> Result<Option<PasswordHash>> {
        Ok(self.text(key, check_hash)?.map(PasswordHash))
    }
}

pub(super) fn parse(text: &str) -> Result<SysConfig> {
    let table: Table = text
        .parse()
        .map_err(|e: toml::de::Error| SysConfigError::Syntax(e.to_string()))?;
    let top = Keys::new(&table, "", TOP)?;
    let mut config = SysConfig {
        hostname: top.text("hostname", check_hostname)?,
        timezone: top.text("timezone", check_timezone)?,
        locale: top.text("locale", check_locale)?,
        root_password_hash: top.hash("root_password_hash")?,
        ..SysConfig::default()
    };
    if let Some(value) = table.get("ssh") {
        let ssh = value
            .as_table()
            .ok_or_else(|| top.wrong("ssh", "a table"))?;
        config.root_keys = Keys::new(ssh, "ssh.", SSH)?.texts("root_keys", check_key)?;
    }
    if let Some(value) = table.get("user") {
        let users = value
            .as_array()
            .ok_or_else(|| top.wrong("user", "a list: write `[[user]]`"))?;
        for (number, value) in users.iter().enumerate() {
            config.users.push(user(value, number, &config.users)?);
        }
    }
    Ok(config)
}

fn user(value: &Value, number: usize, before: &[User]) -> Result<User> {
    let prefix = format!("user[{number}].");
    let table = value.as_table().ok_or_else(|| SysConfigError::WrongType {
        key: format!("user[{number}]"),
        want: "a table",
    })?;
    let keys = Keys::new(table, &prefix, USER)?;
    let name = keys.text("name", check_name)?;
    let name = name.ok_or_else(|| SysConfigError::Missing(keys.name("name")))?;
    let wrong = |key: &str, why: String| SysConfigError::Value {
        key: keys.name(key),
        why,
    };
    if before.iter().any(|u| u.name == name) {
        return Err(wrong("name", format!("user `{name}` is there twice")));
    }
    let uid = match table.get("uid") {
        None => None,
        Some(value) => {
            let number = value
                .as_integer()
                .ok_or_else(|| keys.wrong("uid", "a number"))?;
            let fits = u32::try_from(number)
                .ok()
                .filter(|n| (1..65_534).contains(n));
            let why = || wrong("uid", String::from("it must be from 1 to 65533"));
            Some(fits.ok_or_else(why)?)
        }
    };
    if uid.is_some() && before.iter().any(|u| u.uid == uid) {
        return Err(wrong("uid", String::from("another user has it")));
    }
    Ok(User {
        uid,
        groups: keys.texts("groups", check_name)?,
        password_hash: keys.hash("password_hash")?,
        ssh_keys: keys.texts("ssh_keys", check_key)?,
        shell: keys.text("shell", check_shell)?,
        name,
    })
}

type Check = std::result::Result<(), String>;

fn must(holds: bool, rule: &str) -> Check {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

/// Source: hostname(7), RFC 1123.
fn check_hostname(text: &str) -> Check {
    let label = |l: &str| {
        let plain = l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        !l.is_empty() && l.len() <= 63 && plain && !l.starts_with('-') && !l.ends_with('-')
    };
    let rule = "it must be letters, digits and `-`, in parts separated by dots, 64 bytes at most";
    must(text.len() <= 64 && text.split('.').all(label), rule)
}

fn check_timezone(text: &str) -> Check {
    let part = |p: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_+-".contains(&b);
        !p.is_empty() && p.bytes().all(plain)
    };
    must(
        text.split('/').all(part),
        "it must be a name such as `Europe/Berlin`",
    )
}

fn check_locale(text: &str) -> Check {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.@-".contains(&b);
    must(
        !text.is_empty() && text.bytes().all(plain),
        "it must be a name such as `C.UTF-8`",
    )
}

/// Source: crypt(5). A plain password must not get into a file that everybody may read later.
fn check_hash(text: &str) -> Check {
    let plain = |b: u8| b.is_ascii_graphic() && !b":;*!\\".contains(&b);
    let crypt = text.starts_with('$') && text.matches('$').count() >= 3 && text.bytes().all(plain);
    let rule = "it must be a hash such as `$y$...` or `$6$...`, made by mkpasswd(1), or `!` for \
                no login by password";
    must(crypt || matches!(text, "!" | "*"), rule)
}

/// Source: useradd(8).
fn check_name(text: &str) -> Check {
    let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
    let rule = "it must be small letters, digits, `_` and `-`, not start with a digit, and have 32 \
                bytes at most";
    must(first && text.len() <= 32 && text.bytes().all(plain), rule)
}

fn check_shell(text: &str) -> Check {
    let plain = |b: u8| b.is_ascii_graphic() && b != b':';
    let clean = !text.split('/').any(|p| p == "..");
    must(
        text.starts_with('/') && clean && text.bytes().all(plain),
        "it must be an absolute path",
    )
}

fn check_key(text: &str) -> Check {
    let mut words = text.split_whitespace();
    let kind = words.next().is_some_and(|k| KEY_KINDS.contains(&k));
    let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
    let body = words
        .next()
        .is_some_and(|b| b.len() >= 16 && b.bytes().all(base64));
    let one = !text.trim().contains(['\n', '\r', '\0']);
    must(
        kind && body && one,
        "it must be one line of a public key, such as `ssh-ed25519 AAAA... me`",
    )
}

/// `; did you mean ...` for a key at most two letters away.
fn hint(key: &str, known: &[&str]) -> String {
    zones_types::nearest(key, known.iter().copied()).map_or_else(
        || format!("; known are {}", known.join(", ")),
        |near| format!("; did you mean `{near}`?"),
    )
}
