//! What a configuration says, in the units that the engine works in.

use zones_types::{BrandName, Bytes};

use super::{AttrType, Rctl, RctlAction, RctlValue, ZoneConfig};

/// The brand of a zone whose document names none, and of the default template.
pub const DEFAULT_BRAND: &str = "ipkg";

/// The template of `create` without options.
pub const TEMPLATE_DEFAULT: &str = "SYSdefault";

/// The template of `create -b`.
pub const TEMPLATE_BLANK: &str = "SYSblank";

impl ZoneConfig {
    /// The limit of a resource control (`zone.cpu-cap` ...), if it is set.
    #[must_use]
    pub fn rctl(&self, name: &str) -> Option<u64> {
        let rctl = self.rctls.iter().find(|rctl| rctl.name == name)?;
        rctl.values.first().map(|value| value.limit)
    }

    /// Gives a resource control one privileged value; replaces what it had.
    pub fn set_rctl(&mut self, name: &str, limit: u64, action: RctlAction) {
        let value = RctlValue {
            privilege: "privileged".to_owned(),
            limit,
            action,
        };
        match self.rctls.iter_mut().find(|rctl| rctl.name == name) {
            Some(rctl) => rctl.values = vec![value],
            None => self.rctls.push(Rctl {
                name: name.to_owned(),
                values: vec![value],
            }),
        }
    }

    /// Takes a resource control away; false when it was not there.
    pub fn remove_rctl(&mut self, name: &str) -> bool {
        let before = self.rctls.len();
        self.rctls.retain(|rctl| rctl.name != name);
        self.rctls.len() != before
    }

    /// The value of an attribute, if it is set.
    #[must_use]
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attrs
            .iter()
            .find(|attr| attr.name == name)
            .map(|attr| attr.value.as_str())
    }

    /// The value of an attribute of type `boolean`; `None` when unset or of another type.
    #[must_use]
    pub fn attr_bool(&self, name: &str) -> Option<bool> {
        self.typed(name, AttrType::Boolean)?.parse().ok()
    }

    /// The value of an attribute of type `uint`; `None` when unset or of another type.
    #[must_use]
    pub fn attr_uint(&self, name: &str) -> Option<u64> {
        self.typed(name, AttrType::Uint)?.parse().ok()
    }

    fn typed(&self, name: &str, attr_type: AttrType) -> Option<&str> {
        self.attrs
            .iter()
            .find(|attr| attr.name == name && attr.attr_type == attr_type)
            .map(|attr| attr.value.as_str())
    }

    /// The brand, or [`DEFAULT_BRAND`] when the document names none.
    #[must_use]
    pub fn brand_or_default(&self) -> BrandName {
        self.brand.clone().unwrap_or_else(|| {
            let parsed = DEFAULT_BRAND.parse();
            parsed.expect("the constant is a brand name; a test reads it")
        })
    }

    /// CPU cap in percent of one CPU (`capped-cpu: ncpus` times 100).
    #[must_use]
    pub fn cpu_cap(&self) -> Option<u64> {
        self.rctl("zone.cpu-cap")
    }

    /// Fair-share weight; 0 means "only when nobody else wants the CPU".
    #[must_use]
    pub fn cpu_shares(&self) -> Option<u64> {
        self.rctl("zone.cpu-shares")
    }

    /// Greatest number of threads.
    #[must_use]
    pub fn max_lwps(&self) -> Option<u64> {
        self.rctl("zone.max-lwps")
    }

    /// Greatest number of processes.
    #[must_use]
    pub fn max_processes(&self) -> Option<u64> {
        self.rctl("zone.max-processes")
    }

    /// Cap on the threads of the zone: `max-lwps`, else ten times `max-processes`.
    #[must_use]
    pub fn task_limit(&self) -> Option<u64> {
        let tenfold = |processes: u64| processes.saturating_mul(10);
        self.max_lwps()
            .or_else(|| self.max_processes().map(tenfold))
    }

    /// Cap on anonymous memory plus tmpfs ("swap" in the words of Solaris).
    #[must_use]
    pub fn swap(&self) -> Option<Bytes> {
        self.rctl("zone.max-swap").map(Bytes)
    }

    /// Cap on locked memory.
    #[must_use]
    pub fn locked(&self) -> Option<Bytes> {
        self.rctl("zone.max-locked-memory").map(Bytes)
    }

    /// System V shared memory in bytes.
    #[must_use]
    pub fn max_shm_memory(&self) -> Option<Bytes> {
        self.rctl("zone.max-shm-memory").map(Bytes)
    }

    /// Number of System V shared memory segments.
    #[must_use]
    pub fn max_shm_ids(&self) -> Option<u64> {
        self.rctl("zone.max-shm-ids")
    }

    /// Number of System V semaphore sets.
    #[must_use]
    pub fn max_sem_ids(&self) -> Option<u64> {
        self.rctl("zone.max-sem-ids")
    }

    /// Number of System V message queues.
    #[must_use]
    pub fn max_msg_ids(&self) -> Option<u64> {
        self.rctl("zone.max-msg-ids")
    }

    /// I/O weight, 1 when unset.
    #[must_use]
    pub fn io_priority(&self) -> Option<u64> {
        self.rctl("zone.zfs-io-priority")
    }

    /// The emulated host id, if one is set and well formed.
    #[must_use]
    pub fn hostid_value(&self) -> Option<u32> {
        parse_hostid(&self.hostid).ok().flatten()
    }
}

/// Reads a `hostid`: hexadecimal, 0 to FFFFFFFE, `0x` before it allowed; empty text is no host id.
///
/// Errors: the classic words to print after the zone name. Source: zonecfg(8), `hostid`.
pub fn parse_hostid(text: &str) -> Result<Option<u32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(text);
    if digits.len() > 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("hostid string is too large: {text}"));
    }
    let all_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u32::from_str_radix(digits, 16) {
        // All ones is what the kernel answers for "no host id".
        Ok(id) if all_hex && id != u32::MAX => Ok(Some(id)),
        _ => Err(format!("invalid hostid: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> ZoneConfig {
        ZoneConfig::blank("z".parse().unwrap())
    }

    #[test]
    fn the_default_brand_is_a_brand_name() {
        assert_eq!(blank().brand_or_default().as_str(), DEFAULT_BRAND);
    }

    #[test]
    fn a_process_limit_implies_ten_threads_each() {
        let mut config = blank();
        config.set_rctl("zone.max-processes", 100, RctlAction::Deny);
        assert_eq!(config.task_limit(), Some(1000));
        config.set_rctl("zone.max-lwps", 300, RctlAction::Deny);
        assert_eq!(config.task_limit(), Some(300));
        assert!(config.remove_rctl("zone.max-lwps"));
        assert!(!config.remove_rctl("zone.max-lwps"));
    }

    #[test]
    fn host_ids_are_hexadecimal() {
        assert_eq!(parse_hostid(""), Ok(None));
        assert_eq!(parse_hostid("0x1f"), Ok(Some(31)));
        assert_eq!(parse_hostid("FFFFFFFE"), Ok(Some(0xffff_fffe)));
        for bad in ["ffffffff", "0x", "+1", "zz"] {
            assert_eq!(parse_hostid(bad), Err(format!("invalid hostid: {bad}")));
        }
        assert!(parse_hostid("123456789").unwrap_err().contains("too large"));
    }
}
