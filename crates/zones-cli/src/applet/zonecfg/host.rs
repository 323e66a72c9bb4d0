//! What a session asks of the host, answered from the store.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, MemfdFlags, access, memfd_create};
use zones_brand::sparse::BASE_HASH;
use zones_brand::{Hook, HookEnd, Stream};
use zones_config::ZoneConfig;
use zones_config::session::{Effect, Env};
use zones_engine::Hooks;
use zones_store::{Layout, Store, StoreError, builtin_names, read_document, write_document};
use zones_types::{ZoneName, ZoneState};

use super::console::{Console, chain, words};
use crate::applet::zoneadm;

/// The manifest that `zoneadm detach` leaves in the zonepath.
const DETACHED: &str = "SUNWdetached.xml";

pub(super) struct Host<'a> {
    layout: Layout,
    store: Store,
    probe: &'a dyn Fn(&ZoneName) -> Option<ZoneState>,
    /// Whether it answers for the running zone and not for what is stored.
    live: bool,
}

impl<'a> Host<'a> {
    pub(super) fn new(
        layout: Layout,
        probe: &'a dyn Fn(&ZoneName) -> Option<ZoneState>,
        live: bool,
    ) -> Self {
        let store = Store::open(layout.clone());
        Self {
            layout,
            store,
            probe,
            live,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Sees that there is a running zone and a daemon of it, which repairs what the last one could
    /// not finish; the error is the whole message.
    pub(super) fn begin_live(
        &self,
        zone: &ZoneName,
        console: &mut Console<'_>,
    ) -> Result<(), String> {
        if zone.is_global() {
            return Err("The -r option cannot be used on the global zone.".to_owned());
        }
        if !rustix::process::geteuid().is_root() {
            return Err("only a privileged user may change a running zone.".to_owned());
        }
        let Some(state) = self.state(zone) else {
            return Err(format!("{zone}: No such zone configured"));
        };
        if !matches!(state, ZoneState::Ready | ZoneState::Running) {
            return Err(format!(
                "zone '{zone}': -r needs a running zone; this one is in state '{state}'"
            ));
        }
        let layout = self.store.layout();
        let response = zones_engine::request(layout, zone, &zones_engine::Request::Attend)
            .map_err(|error| format!("zone '{zone}': {}", error.chain()))?;
        for warning in response.warnings {
            console.err(&format!("zone '{zone}': {warning}"));
        }
        Ok(())
    }

    /// Changes the running zone and shows what is done; the error is what the session says.
    pub(super) fn apply(
        &self,
        config: &ZoneConfig,
        console: &mut Console<'_>,
    ) -> Result<(), String> {
        let (zone, layout) = (&config.name, self.store.layout());
        // What it may take on the disk is no affair of the daemon. First, since the disk may
        // refuse.
        let limit = |config: &ZoneConfig| match &config.zonepath {
            Some(zonepath) => zoneadm::limit(config, zonepath.as_path()),
            None => Ok(()),
        };
        let before = zones_engine::live_config(layout, zone).ok().flatten();
        limit(config)?;
        let applied = zones_engine::apply(layout, zone, Some(config), false, false);
        if !applied.as_ref().is_ok_and(|it| it.done)
            && let Some(before) = before
        {
            let _ = limit(&before);
        }
        let response = applied.map_err(|error| error.chain())?;
        for warning in &response.warnings {
            let warning = match warning.starts_with("zone '") {
                true => warning.clone(),
                false => format!("zone '{zone}': {warning}"),
            };
            console.err(&warning);
        }
        if !response.done {
            return Err(response.lines.join("\n"));
        }
        for line in &response.lines {
            console.out(line);
        }
        Ok(())
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Does what the session wants done; the error is the message without its subject.
    pub(super) fn act(&self, effect: &Effect) -> Result<(), String> {
        match effect {
            Effect::Commit { config, old } => {
                let old = old.as_ref().unwrap_or(&config.name);
                let saved = self.store.save_as(old, config);
                saved.map(|_| ()).map_err(|error| reason(&error))
            }
            Effect::Apply(_) => Err("not a change of what is stored".to_owned()),
            Effect::Delete(name) => self.store.delete(name).map_err(|error| reason(&error)),
            Effect::Export { file, text } => {
                std::fs::write(file, text).map_err(|error| words(&error))
            }
        }
    }
}

/// The message without the zone that the session puts before it.
fn reason(error: &StoreError) -> String {
    match error {
        StoreError::NoSuchZone(_) => "No such zone configured".to_owned(),
        StoreError::NameInUse(_) => "Zone name already in use".to_owned(),
        other => chain(other),
    }
}

impl Env for Host<'_> {
    fn brands(&self) -> Vec<String> {
        zones_brand::brand_names(&zones_engine::brand_folder(&self.layout))
    }

    fn templates(&self) -> Vec<String> {
        let zones = self.store.list().unwrap_or_default();
        let zones = zones.into_iter().map(|entry| entry.name.to_string());
        builtin_names().map(str::to_owned).chain(zones).collect()
    }

    fn state(&self, zone: &ZoneName) -> Option<ZoneState> {
        // An index that cannot be read is reported by `load`.
        let entry = self.store.get(zone).ok().flatten()?;
        Some((self.probe)(zone).unwrap_or(entry.state))
    }

    fn load(&self, zone: &ZoneName) -> Result<Option<ZoneConfig>, String> {
        if self.live {
            let layout = self.store.layout();
            let found = zones_engine::live_config(layout, zone).map_err(|error| error.chain())?;
            let stored = self.store.load(zone);
            // One that was booted before there were copies runs with what is stored.
            return match (found, stored) {
                (Some(mut config), stored) => {
                    config.uuid = stored.map(|config| config.uuid).unwrap_or_default();
                    Ok(Some(config))
                }
                (None, stored) => stored.map(Some).map_err(|error| chain(&error)),
            };
        }
        match self.store.get(zone) {
            Ok(None) if !zone.is_global() => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(chain(&error)),
        }
        match self.store.load(zone) {
            Ok(config) => Ok(Some(config)),
            // The host gets its document with its first commit.
            Err(StoreError::NoSuchZone(_)) if zone.is_global() => Ok(None),
            Err(error) => Err(chain(&error)),
        }
    }

    fn template(&self, name: &ZoneName) -> Result<Option<ZoneConfig>, String> {
        self.store.template(name).map_err(|error| chain(&error))
    }

    fn unregistered(&self, zone: &ZoneName) -> Result<Option<ZoneConfig>, String> {
        self.store.unregistered(zone).map_err(|error| chain(&error))
    }

    fn uuid_owner(&self, uuid: &str) -> Option<ZoneName> {
        let found = self.store.find_uuid(uuid).ok().flatten();
        found.map(|entry| entry.name)
    }

    fn detached(&self, path: &str) -> Result<ZoneConfig, String> {
        let file = PathBuf::from(path).join(DETACHED);
        let text = std::fs::read_to_string(&file)
            .map_err(|_| "invalid path to detached zone".to_owned())?;
        let read = read_document(&text);
        let mut config = read.map_err(|error| format!("{}: {error}", file.display()))?;
        // For zoneadm attach, which reads it there.
        config.attrs.retain(|it| it.name != BASE_HASH);
        Ok(config)
    }

    fn check(&self, config: &ZoneConfig) -> Result<(), Vec<String>> {
        if config.name.is_global() {
            return Ok(());
        }
        let hooks = Hooks::of(&self.layout, config, false).map_err(|error| vec![error.chain()])?;
        if hooks.has(Hook::VerifyCfg) {
            verify_cfg(&hooks, config)
        } else {
            Ok(())
        }
    }
}

/// Has the brand look at a configuration that is not committed yet.
fn verify_cfg(hooks: &Hooks, config: &ZoneConfig) -> Result<(), Vec<String>> {
    let failed = |error: std::io::Error| vec![format!("cannot prepare the brand's check: {error}")];
    // A file without a name: nothing is left of it, whatever happens.
    let memory = memfd_create("zone.xml", MemfdFlags::CLOEXEC);
    let mut file = std::fs::File::from(memory.map_err(|error| failed(error.into()))?);
    file.write_all(write_document(config).as_bytes())
        .map_err(failed)?;
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let mut lines = Vec::new();
    let mut keep = |_: Stream, line: &str| lines.push(line.to_owned());
    match hooks.run(Hook::VerifyCfg, &[path], &[], &mut keep) {
        Ok(None | Some(HookEnd::Done)) => Ok(()),
        Ok(Some(_)) => {
            lines.push(format!("{}: Brand-specific error", config.name));
            Err(lines)
        }
        Err(error) => Err(vec![error.chain()]),
    }
}

/// Whether the configuration can be written: the folder, or the nearest one above that exists.
pub(super) fn can_write(layout: &Layout) -> bool {
    let etc = layout.etc();
    let nearest = etc.ancestors().find(|path| path.exists());
    access(nearest.unwrap_or_else(|| Path::new("/")), Access::WRITE_OK).is_ok()
}
