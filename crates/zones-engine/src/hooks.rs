//! The hooks of a zone's brand, with all that a zone brings to them.

use std::os::fd::BorrowedFd;

use zones_brand::{Brand, Hook, HookCall, HookEnd, Stream, environment};
use zones_config::ZoneConfig;
use zones_store::{Layout, Store};
use zones_types::ZoneName;

use crate::error::EngineError;
use crate::host::{brand_folder, load};

/// What of a hook's output goes into a message, in lines.
const TAIL: usize = 4;

/// A brand as one zone sees it.
#[derive(Debug)]
pub struct Hooks {
    brand: Brand,
    zone: ZoneName,
    zonepath: String,
    environ: Vec<(String, String)>,
}

impl Hooks {
    /// The hooks of a zone that is configured. `lock_held`: the caller holds the zone's lock, so a
    /// zoneadm in a hook does not wait for it.
    ///
    /// # Errors
    /// When the zone has no configuration, or its brand cannot be used.
    pub fn load(layout: &Layout, zone: &ZoneName, lock_held: bool) -> Result<Self, EngineError> {
        Self::of(layout, &load(layout, zone)?, lock_held)
    }

    /// The hooks for a configuration, committed or not.
    ///
    /// # Errors
    /// When its brand cannot be used.
    pub fn of(layout: &Layout, config: &ZoneConfig, lock_held: bool) -> Result<Self, EngineError> {
        let brand = Brand::find(&config.brand_or_default(), &brand_folder(layout))?;
        let entry = Store::open(layout.clone()).get(&config.name).ok().flatten();
        let uuid = entry.as_ref().map_or("", |entry| &entry.uuid);
        let did = entry.as_ref().and_then(|entry| entry.extra.get(2));
        let mut environ = environment(config, uuid, did.map(String::as_str));
        let mut add = |name: &str, value: String| environ.push((name.to_owned(), value));
        add("_ZONEADM_LOCK_HELD", u8::from(lock_held).to_string());
        if !layout.is_host() {
            add("ZONES_ROOT", layout.prefix().display().to_string());
        }
        let zonepath = config.zonepath.as_ref();
        Ok(Self {
            brand,
            zone: config.name.clone(),
            zonepath: zonepath.map_or_else(String::new, |path| path.as_str().to_owned()),
            environ,
        })
    }

    /// The brand itself.
    #[must_use]
    pub fn brand(&self) -> &Brand {
        &self.brand
    }

    /// Whether the brand has a hook of this kind.
    #[must_use]
    pub fn has(&self, hook: Hook) -> bool {
        self.brand.hooks.contains_key(&hook)
    }

    /// Runs a hook to its end; `None` when there is none. See [`Brand::run_hook`].
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn run(
        &self,
        hook: Hook,
        arguments: &[String],
        interrupts: &[BorrowedFd<'_>],
        say: &mut dyn FnMut(Stream, &str),
    ) -> Result<Option<HookEnd>, EngineError> {
        let call = self.call(hook, arguments);
        Ok(self.brand.run_hook(&call, interrupts, say)?)
    }

    /// Runs a hook that says nothing when it succeeds; the last lines of one that fails, and all of
    /// them through `log`, tell why.
    ///
    /// # Errors
    /// When it cannot be run, or fails.
    pub fn demand(
        &self,
        hook: Hook,
        arguments: &[String],
        interrupts: &[BorrowedFd<'_>],
        log: &mut dyn FnMut(&str),
    ) -> Result<(), EngineError> {
        let mut said: Vec<String> = Vec::new();
        let mut keep = |_: Stream, line: &str| said.push(line.to_owned());
        match self.run(hook, arguments, interrupts, &mut keep)? {
            None | Some(HookEnd::Done) => Ok(()),
            Some(end) => {
                said.iter()
                    .for_each(|line| log(&format!("hook {hook}: {line}")));
                let tail = said.split_off(said.len().saturating_sub(TAIL));
                Err(EngineError::Hook { hook, end, tail })
            }
        }
    }

    /// The words of a hook that runs inside of the zone; `None` when there is none.
    #[must_use]
    pub fn words(&self, hook: Hook) -> Option<Vec<String>> {
        self.brand.hook_words(&self.call(hook, &[]))
    }

    fn call<'a>(&'a self, hook: Hook, arguments: &'a [String]) -> HookCall<'a> {
        HookCall {
            hook,
            zone: &self.zone,
            zonepath: &self.zonepath,
            environ: &self.environ,
            arguments,
        }
    }
}
