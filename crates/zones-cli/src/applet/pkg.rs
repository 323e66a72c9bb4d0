//! pkg(1): packages of an image. Subcommands stand in one table.

mod change;
mod contents;
mod create;
mod environment;
mod history;
mod hold;
mod info;
pub(crate) mod linked;
mod list;
mod mediator;
mod options;
pub(crate) mod owner;
mod property;
mod publisher;
mod refresh;
mod table;
mod text;
mod tracker;
mod variant;
mod verify;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use zones_image::origin::Access;
use zones_image::{Client, Image, ImageError, ImageLock};
use zones_store::Layout;

use crate::report::{FAILURE, OK, USAGE};
use options::Parsed;
use table::{ALIASES, SUBCOMMANDS, Subcommand};
pub(crate) use tracker::Tracker;

/// Nothing had to be done.
pub(super) const NOTHING: u8 = 4;

/// What a subcommand works with.
pub(super) struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) layout: &'a Layout,
    pub(super) root: PathBuf,
    pub(super) words: Parsed,
    pub(super) client: Client,
}

/// Why a subcommand ends without its work done.
pub(super) enum Stop {
    /// The command line is wrong.
    Usage(String),
    /// The image says so.
    Image(ImageError),
    /// With this text and status.
    Failed(String, u8),
    /// All is said; with this status.
    Said(u8),
}

impl<E: Into<ImageError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Image(error.into())
    }
}

/// What subcommands give: the exit status.
pub(super) type Outcome = Result<u8, Stop>;

#[expect(clippy::needless_pass_by_value, reason = "errors are handed over")]
pub(super) fn failed(text: impl ToString) -> Stop {
    Stop::Failed(text.to_string(), FAILURE)
}

#[expect(clippy::needless_pass_by_value, reason = "errors are handed over")]
pub(super) fn usage(text: impl ToString) -> Stop {
    Stop::Usage(text.to_string())
}

pub(crate) fn run(layout: &Layout, args: &[String]) -> u8 {
    zones_sys::ignore_signals(&[1]);
    let (root, rest) = match globals(args) {
        Ok(found) => found,
        Err(why) => return wrong("pkg", &why, None),
    };
    let Some((name, rest)) = rest.split_first() else {
        return help(USAGE);
    };
    if matches!(name.as_str(), "help" | "--help" | "-?" | "-h") {
        return match rest.first().and_then(|name| find(name)) {
            Some(subcommand) => {
                println!("Usage:\n{}", subcommand.usage());
                OK
            }
            None => help(OK),
        };
    }
    if name == "version" {
        println!("zones-{}", env!("CARGO_PKG_VERSION"));
        return OK;
    }
    let Some(subcommand) = find(name) else {
        return wrong("pkg", &format!("unknown subcommand '{name}'"), None);
    };
    let words = match options::parse(subcommand.options, rest) {
        Ok(words) if words.has("help") => {
            println!("Usage:\n{}", subcommand.usage());
            return OK;
        }
        Ok(words) => words,
        Err(why) => return wrong(subcommand.name, &why, Some(subcommand)),
    };
    let root = root
        .or_else(crate::env::image)
        .unwrap_or_else(|| PathBuf::from("/"));
    let client = client(layout, args);
    let root = match place(layout, root, &client) {
        Ok(root) => root,
        Err(error) => {
            say(subcommand.name, &error.to_string());
            return error.exit();
        }
    };
    let call = Call {
        name: subcommand.name,
        layout,
        root,
        words,
        client,
    };
    match (subcommand.run)(&call) {
        Ok(NOTHING) if crate::env::is_nothing_fine() => OK,
        Ok(status) | Err(Stop::Said(status)) => status,
        Err(Stop::Usage(why)) => wrong(subcommand.name, &why, Some(subcommand)),
        Err(Stop::Image(error)) => {
            say(subcommand.name, &error.to_string());
            error.exit()
        }
        Err(Stop::Failed(why, status)) => {
            say(subcommand.name, &why);
            status
        }
    }
}

/// `pkg NAME: text`; a text of several lines begins on its own line.
pub(super) fn say(name: &str, text: &str) {
    let gap = if text.contains('\n') { "\n" } else { "" };
    eprintln!("pkg {name}: {gap}{text}");
}

fn wrong(name: &str, why: &str, subcommand: Option<&Subcommand>) -> u8 {
    match subcommand {
        Some(subcommand) => eprintln!("pkg {name}: {why}\nUsage:\n{}", subcommand.usage()),
        None => eprintln!("{name}: {why}\nUsage: pkg [-R IMAGE] COMMAND [OPTIONS]; see: pkg help"),
    }
    USAGE
}

fn find(name: &str) -> Option<&'static Subcommand> {
    let alias = ALIASES.iter().find(|(old, _)| *old == name);
    let name = alias.map_or(name, |(_, new)| new);
    SUBCOMMANDS.iter().find(|known| known.name == name)
}

fn help(status: u8) -> u8 {
    let mut text = String::from(
        "Usage:\n        pkg [-R image] subcommand [options] [operands]\n\nSubcommands:\n",
    );
    let own = SUBCOMMANDS.iter().map(|it| (it.name, it.summary));
    let others = [
        ("help", "explain a subcommand"),
        ("version", "print the version"),
    ];
    for (name, summary) in own.chain(others) {
        text += &format!("{name:<22} {summary}\n");
    }
    if status == OK {
        print!("{text}");
    } else {
        eprint!("{text}");
    }
    status
}

/// `-R IMAGE` before the subcommand.
fn globals(args: &[String]) -> Result<(Option<PathBuf>, &[String]), String> {
    match args {
        [flag, root, rest @ ..] if flag == "-R" => {
            let root = Path::new(root);
            let root = std::path::absolute(root)
                .map_err(|error| format!("cannot use image root '{}': {error}", root.display()))?;
            Ok((Some(root), rest))
        }
        [flag] if flag == "-R" => Err("option -R needs an argument".to_owned()),
        _ => Ok((None, args)),
    }
}

/// `/` of a host is its global image, made when it is first used; in a zone it is the zone's own.
fn place(layout: &Layout, root: PathBuf, client: &Client) -> Result<PathBuf, ImageError> {
    let is_own = layout.is_host() && (Image::is_at(&root) || crate::inside::is_inside());
    if root != Path::new("/") || is_own {
        return Ok(root);
    }
    if rustix::process::geteuid().is_root() {
        zones_brand::create_global(layout, client.clone())?;
    }
    Ok(zones_brand::global_folder(layout))
}

/// What this command brings to operations on images.
pub(crate) fn client(layout: &Layout, args: &[String]) -> Client {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let uname = rustix::system::uname();
    let uid = rustix::process::geteuid().as_raw();
    let mut typed = vec!["pkg".to_owned()];
    typed.extend(args.iter().cloned());
    let (proxy, connections) = crate::env::transport();
    let default = Access::default();
    Client {
        access: Access {
            proxy,
            connections: connections.unwrap_or(default.connections),
            silence: crate::env::patience().unwrap_or(default.silence),
            ..default
        },
        cache: Some(crate::env::content_cache().unwrap_or_else(|| layout.cache().join("content"))),
        anchors: Some(layout.prefix().join("etc/ssl/pkg")),
        now: i64::try_from(now.as_micros()).unwrap_or(i64::MAX),
        name: "pkg".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: uname.nodename().to_string_lossy().into_owned(),
        user: (text::user_name(uid), uid),
        args: typed,
    }
}

impl Call<'_> {
    pub(super) fn image(&self) -> Result<Image, Stop> {
        self.open(&self.root)
    }

    /// The image at another place.
    pub(super) fn open(&self, root: &Path) -> Result<Image, Stop> {
        Ok(owner::open(self.layout, root, self.client.clone())?)
    }

    /// The image, and the right to change it.
    pub(super) fn locked(&self) -> Result<(Image, ImageLock), Stop> {
        let image = self.image()?;
        owner::warn_of_strangers(&image);
        let lock = image.lock()?;
        Ok((image, lock))
    }

    /// Notes an operation in the history.
    pub(super) fn note(&self, image: &Image, outcome: &Outcome) {
        let start = self.client.now.div_euclid(1_000_000);
        let (result, error) = match outcome {
            Ok(NOTHING) => ("Nothing To Do", None),
            Ok(_) | Err(Stop::Said(OK)) => ("None", None),
            Err(Stop::Usage(why)) => ("Bad Request", Some(why.clone())),
            Err(Stop::Failed(why, _)) => ("Unknown", Some(why.clone())),
            Err(Stop::Image(error @ ImageError::Constrained(_))) => {
                ("Constrained", Some(error.to_string()))
            }
            Err(Stop::Image(error @ ImageError::Unreachable { .. })) => {
                ("Transport", Some(error.to_string()))
            }
            Err(Stop::Image(error)) => ("Unknown", Some(error.to_string())),
            Err(Stop::Said(_)) => ("Unknown", Some(String::new())),
        };
        // A history that cannot be written must not hide what happened.
        let _ = image.note(self.name, start, result, error.as_deref());
    }
}
