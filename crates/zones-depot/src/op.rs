//! The operations of the depot protocol. Source: pkg(7), "depot".

mod admin;
mod catalog;
mod file;
mod info;
mod manifest;
mod p5i;
mod publish;
mod publisher;
mod search;
mod status;

pub(crate) use admin::{rebuild, refresh};
pub(crate) use info::{size_text, sizes};
use zones_ips::Publisher;

use crate::http::head::Method;
use crate::http::reply::{Caching, Reply};
use crate::server::Request;
use crate::site::{Answered, Call, Modes, Site};

/// Seconds that what never changes may be kept.
pub(crate) const FOREVER: Caching = Caching::Seconds(31_536_000);
/// Seconds that what publications change may be kept: the refresh of clients.
pub(crate) const REFRESH: Caching = Caching::Seconds(14_400);
/// Seconds that the state of the depot may be kept.
pub(crate) const SHORTLY: Caching = Caching::Seconds(300);

/// What an operation does to the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Reads what a mirror has, too.
    Mirrored,
    /// Reads.
    Read,
    /// Changes.
    Write,
}

/// One way to call one version of an operation.
struct Operation {
    name: &'static str,
    version: u32,
    methods: &'static [Method],
    kind: Kind,
    run: fn(&Site, &mut Call<'_, '_>) -> Answered,
}

const READ: &[Method] = &[Method::Get, Method::Head];
const CHANGE: &[Method] = &[Method::Get];
const UPLOAD: &[Method] = &[Method::Post, Method::Put];
const QUERY: &[Method] = &[Method::Get, Method::Head, Method::Post];

macro_rules! operations {
    ($($name:literal $version:literal $methods:ident $kind:ident $run:path;)*) => {
        &[$(Operation {
            name: $name,
            version: $version,
            methods: $methods,
            kind: Kind::$kind,
            run: $run,
        }),*]
    };
}

/// All of them, by name and version.
const OPERATIONS: &[Operation] = operations! {
    "abandon"   0 CHANGE Write    publish::abandon;
    "add"       0 UPLOAD Write    publish::add;
    "admin"     0 CHANGE Write    admin::admin;
    "append"    0 CHANGE Write    publish::append;
    "catalog"   0 READ   Read     catalog::old;
    "catalog"   1 READ   Read     catalog::file;
    "close"     0 CHANGE Write    publish::close;
    "file"      0 READ   Mirrored file::get;
    "file"      1 READ   Mirrored file::get;
    "file"      1 UPLOAD Write    publish::file;
    "file"      2 READ   Mirrored file::get_with_attributes;
    "file"      2 UPLOAD Write    publish::file;
    "index"     0 CHANGE Write    admin::index;
    "info"      0 READ   Read     info::info;
    "manifest"  0 READ   Read     manifest::get;
    "manifest"  1 READ   Read     manifest::get;
    "manifest"  1 UPLOAD Write    publish::manifest;
    "open"      0 CHANGE Write    publish::open;
    "p5i"       0 READ   Read     p5i::p5i;
    "publisher" 0 READ   Mirrored publisher::publisher;
    "publisher" 1 READ   Mirrored publisher::publisher;
    "search"    0 READ   Read     search::old;
    "search"    1 QUERY  Read     search::search;
    "status"    0 READ   Mirrored status::status;
    "versions"  0 READ   Mirrored versions;
};

pub(crate) fn is_operation(name: &str) -> bool {
    OPERATIONS.iter().any(|operation| operation.name == name)
}

impl Modes {
    /// Whether an operation is served.
    fn serves(&self, operation: &Operation) -> bool {
        let Operation { name, version, .. } = operation;
        let is_disabled = |word: &String| match word.split_once('/') {
            Some((known, number)) => known == *name && number.parse() == Ok(*version),
            None => word == name,
        };
        let is_in_mode = match operation.kind {
            Kind::Mirrored => true,
            Kind::Read => !self.mirror,
            Kind::Write => !self.mirror && !self.read_only,
        };
        is_in_mode && !self.disabled.iter().any(is_disabled)
    }
}

/// Answers `path`, which begins with the name of an operation.
pub(crate) fn run(
    site: &Site,
    request: &mut Request<'_>,
    publisher: Option<Publisher>,
    path: &[String],
) -> Answered {
    let name = &path[0];
    let refused = |status, message: &str| Err(Reply::refusal(status, message));
    let of_name = OPERATIONS.iter().filter(|row| row.name == name);
    let served: Vec<&Operation> = of_name.filter(|row| site.modes.serves(row)).collect();
    let Some(first) = served.first() else {
        return refused(404, "Operation not supported in current server mode.");
    };
    request.operation = first.name;
    let version = path.get(1).map_or("", String::as_str);
    if version.is_empty() {
        return refused(400, "Missing version");
    }
    let is_number = version.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = version.parse::<u32>().ok().filter(|_| is_number) else {
        return refused(400, "Non-integer version");
    };
    let of_version: Vec<&Operation> = served
        .into_iter()
        .filter(|row| row.version == number)
        .collect();
    if of_version.is_empty() {
        let message = format!("Version '{version}' not supported for operation '{name}'");
        return refused(404, &message);
    }
    let method = request.head.method;
    let Some(row) = of_version.iter().find(|row| row.methods.contains(&method)) else {
        let allowed: Vec<&str> = of_version
            .iter()
            .flat_map(|row| row.methods)
            .map(verb)
            .collect();
        let reply = Reply::refusal(405, &format!("Operation '{name}' has another method."));
        return Err(reply.with("Allow", allowed.join(", ")));
    };
    // A publication may bring its publisher; everything else needs one that is there.
    if (row.kind != Kind::Write || row.name == "admin" || row.name == "index")
        && let Some(publisher) = &publisher
    {
        let store = site.stock.store(Some(publisher));
        store.map_err(|error| site.refuse(&error))?;
    }
    if row.kind == Kind::Write {
        site.guard.check(request)?;
    }
    let mut call = Call {
        request,
        publisher,
        args: path.get(2..).unwrap_or_default(),
    };
    (row.run)(site, &mut call)
}

fn verb(method: &Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Other => "",
    }
}

/// `versions/0`: what is served.
fn versions(site: &Site, _call: &mut Call<'_, '_>) -> Answered {
    let mut text = concat!("pkg-server zones-", env!("CARGO_PKG_VERSION")).to_owned();
    let mut last = None;
    for row in OPERATIONS.iter().filter(|row| site.modes.serves(row)) {
        match last {
            Some((name, version)) if name == row.name && version == row.version => {}
            Some((name, _)) if name == row.name => text += &format!(" {}", row.version),
            _ => text += &format!("\n{} {}", row.name, row.version),
        }
        last = Some((row.name, row.version));
    }
    text.push('\n');
    Ok(Reply::text("text/plain;charset=utf-8", text).cached(SHORTLY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_single_versions() {
        let served = |modes: &Modes| -> Vec<String> {
            let rows = OPERATIONS.iter().filter(|row| modes.serves(row));
            rows.map(|row| format!("{}/{}", row.name, row.version))
                .collect()
        };
        let mirror = Modes {
            mirror: true,
            ..Modes::default()
        };
        let names = "file/0 file/1 file/2 publisher/0 publisher/1 status/0 versions/0";
        assert_eq!(served(&mirror).join(" "), names);
        let read_only = Modes {
            read_only: true,
            disabled: vec!["search/1".to_owned(), "p5i".to_owned()],
            ..Modes::default()
        };
        let names = "catalog/0 catalog/1 file/0 file/1 file/2 info/0 manifest/0 manifest/1 \
                     publisher/0 publisher/1 search/0 status/0 versions/0";
        assert_eq!(served(&read_only).join(" "), names);
        assert_eq!(served(&Modes::default()).len(), OPERATIONS.len());
    }
}
