//! What an action must be: at parsing, and before publication.

use super::{Action, ActionError, ActionKind};

impl Action {
    /// As [`Self::finish`], for parts that come from no line.
    pub(super) fn build(self) -> Result<Self, ActionError> {
        let bytes: usize = self
            .attributes
            .iter()
            .map(|(key, text)| key.len() + text.len())
            .sum();
        if bytes > super::ACTION_LEN_MAX {
            return Err(ActionError::Long(bytes));
        }
        if let Some((key, _)) = self
            .attributes
            .iter()
            .find(|(key, text)| !is_writable(key, text))
        {
            let why = format!("attribute '{key}' cannot be written into a manifest");
            return Err(self.invalid(why));
        }
        if self
            .payload()
            .is_some_and(|payload| !is_writable("hash", payload))
        {
            return Err(self.invalid("the payload cannot be written into a manifest"));
        }
        self.finish()
    }

    /// Puts the short forms right and asks for what every action must have.
    pub(super) fn finish(mut self) -> Result<Self, ActionError> {
        self.spell_out();
        self.spell_mode();
        self.settle_hash()?;
        if self.attributes.contains("data") {
            return Err(self.invalid("invalid key: 'data'"));
        }
        self.has_key()?;
        if self.kind.row().has_path {
            self.has_path()?;
        }
        Ok(self)
    }

    /// `set a=b` is short for `set name=a value=b`.
    fn spell_out(&mut self) {
        let is_full = ["name", "value"]
            .iter()
            .all(|key| self.attributes.contains(key));
        if self.kind != ActionKind::Set || is_full || self.attributes.keys().count() != 1 {
            return;
        }
        let name = self.attributes.iter().next().map(|(key, _)| key.to_owned());
        let name = name.unwrap_or_default();
        let values: Vec<_> = self.attributes.values(&name).collect();
        let pairs = values.into_iter().map(|value| ("value", value));
        self.attributes = std::iter::once(("name", &*name)).chain(pairs).collect();
    }

    /// `0o755` is another way to write `0755`.
    fn spell_mode(&mut self) {
        let digits = self.get("mode").and_then(|mode| mode.strip_prefix("0o"));
        if let Some(digits) = digits.filter(|_| self.attributes.values("mode").len() == 1) {
            let mode = format!("0{digits}");
            self.attributes.set("mode", &mode);
        }
    }

    /// `hash=` is another way to write the payload word.
    fn settle_hash(&mut self) -> Result<(), ActionError> {
        let has_payload = self.kind.row().has_payload;
        if self.payload.is_some() && !has_payload && self.word.is_none() {
            return Err(self.invalid("action type doesn't allow payload"));
        }
        let Some(hash) = self.attributes.get("hash") else {
            return Ok(());
        };
        if !has_payload {
            if self.word.is_some() {
                return Ok(());
            }
            return Err(self.invalid("invalid key: 'hash'"));
        }
        if self.attributes.values("hash").len() > 1 {
            return Err(self.invalid("hash attribute may only be specified once"));
        }
        if self.payload().is_some_and(|payload| payload != hash) {
            return Err(self.invalid("hash attribute not identical to positional hash"));
        }
        self.payload = Some(hash.into());
        self.attributes.remove("hash");
        Ok(())
    }

    fn has_key(&self) -> Result<(), ActionError> {
        let row = self.kind.row();
        if row.key.is_some() && self.key().is_none() {
            let key = row.key.unwrap_or_default();
            return Err(self.invalid(format!("no value specified for key attribute '{key}'")));
        }
        if self.kind == ActionKind::Set && !self.attributes.contains("value") {
            return Err(self.invalid("no value specified for attribute 'value'"));
        }
        Ok(())
    }

    /// The one path is not empty; leading slashes go.
    fn has_path(&mut self) -> Result<(), ActionError> {
        if self.attributes.values("path").len() > 1 {
            return Err(self.invalid("path attribute may only be specified once"));
        }
        let path = self.get("path").unwrap_or_default();
        if path.is_empty() || path.starts_with('/') {
            let stripped = path.trim_start_matches('/').to_owned();
            self.attributes.set("path", &stripped);
            if stripped.is_empty() {
                return Err(self.invalid("Empty or invalid path attribute"));
            }
        }
        Ok(())
    }

    /// Asks for what a published action must have: its required attributes, no list where one value
    /// belongs, and values of the right form.
    ///
    /// # Errors
    ///
    /// The first thing that is missing or wrong.
    pub fn check(&self) -> Result<(), ActionError> {
        let row = self.kind.row();
        for key in row.required {
            if !self.attributes.contains(key) {
                return Err(self.invalid(format!("missing required attribute '{key}'")));
            }
        }
        for key in row.single {
            if self.attributes.values(key).len() > 1 {
                return Err(self.invalid(format!("{key} attribute may only be specified once")));
            }
        }
        if row.has_path {
            self.path()?;
        }
        if row.required.contains(&"mode") {
            self.mode()?;
        }
        match self.kind {
            ActionKind::Depend => self.check_depend(),
            ActionKind::File => self.check_file(),
            _ => Ok(()),
        }
    }

    fn check_depend(&self) -> Result<(), ActionError> {
        use super::DependKind as D;
        let kind = self.depend_kind()?;
        if kind == D::Conditional && !self.attributes.contains("predicate") {
            return Err(self.invalid("missing required attribute 'predicate'"));
        }
        let is_list = matches!(kind, D::RequireAny | D::GroupAny);
        if !is_list && self.values("fmri").len() > 1 {
            return Err(self.invalid("fmri attribute may only be specified once"));
        }
        for fmri in self.values("fmri").chain(self.values("predicate")) {
            let parsed: Result<crate::Fmri, _> = fmri.parse();
            let parsed = parsed.map_err(|error| self.invalid(error.to_string()))?;
            if parsed.publisher().is_some() {
                let why = format!("a dependency names no publisher; write '{}'", parsed.stem());
                return Err(self.invalid(why));
            }
        }
        Ok(())
    }

    fn check_file(&self) -> Result<(), ActionError> {
        let preserve = self.preserve()?;
        let needs = ["preserve-version", "overlay"];
        let orphan = needs.iter().find(|key| self.attributes.contains(key));
        // The overlaying file may be plain; what allows it must be editable.
        let is_overlaid = self.overlay()? != Some(super::Overlay::Overlays);
        if let Some(key) = orphan.filter(|_| preserve.is_none() && is_overlaid) {
            return Err(self.invalid(format!("{key} needs a preserve attribute")));
        }
        self.preserve_version()?;
        self.timestamp()?;
        self.original_name()?;
        Ok(())
    }
}

/// Whether a pair can be written and read again.
fn is_writable(key: &str, value: &str) -> bool {
    let breaks = |byte: u8| byte == 0 || byte.is_ascii_whitespace() || b"\x0b\"'=".contains(&byte);
    !key.is_empty()
        && !key.bytes().any(breaks)
        && !value.bytes().any(|byte| byte == 0 || byte == b'\n')
}
