//! One publisher of an image.

use std::collections::BTreeMap;

use zones_ips::Publisher;
use zones_repository::Configuration;
use zones_repository::config::printed;

/// Where packages of a publisher come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its URI or path.
    pub uri: String,
    /// Whether it is asked.
    pub is_enabled: bool,
    /// The proxy on the way to it.
    pub proxy: Option<String>,
}

/// What an image knows of a publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherSettings {
    /// Its name.
    pub prefix: Publisher,
    /// Another name of it.
    pub alias: Option<String>,
    /// Whether packages installed from it are updated from it only.
    pub is_sticky: bool,
    /// Whether it is asked.
    pub is_enabled: bool,
    /// Names this image to the publisher.
    pub uuid: String,
    /// Where its packages and their content come from.
    pub origins: Vec<Origin>,
    /// Where content comes from first.
    pub mirrors: Vec<String>,
    /// File with the key of a client certificate.
    pub ssl_key: Option<String>,
    /// File with a client certificate.
    pub ssl_cert: Option<String>,
    /// Digests of authorities that its packages may be signed by.
    pub approved_ca_certs: Vec<String>,
    /// Digests of certificates that count no more.
    pub revoked_ca_certs: Vec<String>,
    /// Properties of its own.
    pub properties: BTreeMap<String, String>,
}

/// A value that is written empty, or `None` by some clients.
fn value<'a>(document: &'a Configuration, section: &str, name: &str) -> Option<&'a str> {
    let text = document.get(section, name)?;
    (!text.is_empty() && text != "None").then_some(text)
}

impl PublisherSettings {
    /// A publisher without origins: sticky and enabled.
    #[must_use]
    pub fn new(prefix: Publisher, uuid: String) -> Self {
        Self {
            prefix,
            alias: None,
            is_sticky: true,
            is_enabled: true,
            uuid,
            origins: Vec::new(),
            mirrors: Vec::new(),
            ssl_key: None,
            ssl_cert: None,
            approved_ca_certs: Vec::new(),
            revoked_ca_certs: Vec::new(),
            properties: BTreeMap::new(),
        }
    }

    /// Adds an origin; one that is there is enabled.
    pub fn add_origin(&mut self, uri: &str, proxy: Option<&str>) {
        let uri = uri_of(uri);
        let proxy = proxy.map(str::to_owned);
        match self.origins.iter_mut().find(|it| it.uri == uri) {
            Some(old) => {
                old.is_enabled = true;
                old.proxy = proxy;
            }
            None => self.origins.push(Origin {
                uri,
                is_enabled: true,
                proxy,
            }),
        }
    }

    /// Takes an origin away; `*` takes all. Gives whether it was there.
    pub fn remove_origin(&mut self, uri: &str) -> bool {
        let old = self.origins.len();
        let wanted = uri_of(uri);
        self.origins.retain(|it| uri != "*" && it.uri != wanted);
        old != self.origins.len()
    }

    pub(super) fn read(prefix: Publisher, document: &Configuration, section: &str) -> Self {
        let text = |name: &str| value(document, section, name).map(str::to_owned);
        let list = |name: &str| document.list(section, name);
        let is = |name: &str, default: bool| {
            let text = value(document, section, name);
            text.map_or(default, |text| text.eq_ignore_ascii_case("true"))
        };
        let off = list("disabled_origins");
        let proxies = list("proxies");
        let proxy = |uri: &str| {
            let row = proxies.iter().find_map(|row| row.split_once(' '));
            row.filter(|(of, _)| *of == uri)
                .map(|(_, proxy)| proxy.to_owned())
        };
        let origins = list("origins").into_iter().map(|uri| Origin {
            is_enabled: !off.contains(&uri),
            proxy: proxy(&uri),
            uri,
        });
        let properties = document.section(section).filter_map(|(name, value)| {
            let name = name.strip_prefix("property.")?;
            Some((name.to_owned(), value.to_owned()))
        });
        Self {
            alias: text("alias"),
            is_sticky: is("sticky", true),
            is_enabled: !is("disabled", false),
            uuid: text("uuid").unwrap_or_default(),
            origins: origins.collect(),
            mirrors: list("mirrors"),
            ssl_key: text("ssl_key"),
            ssl_cert: text("ssl_cert"),
            approved_ca_certs: list("approved_ca_certs"),
            revoked_ca_certs: list("revoked_ca_certs"),
            properties: properties.collect(),
            prefix,
        }
    }

    pub(super) fn write(&self, document: &mut Configuration) {
        let section = format!("authority_{}", self.prefix);
        let mut put = |name: &str, value: &str| document.put(&section, name, value);
        let flag = |is: bool| if is { "True" } else { "False" };
        let list = |words: &[String]| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            printed(&words)
        };
        let uris = |pick: &dyn Fn(&Origin) -> Option<String>| {
            let words: Vec<String> = self.origins.iter().filter_map(pick).collect();
            list(&words)
        };
        put("alias", self.alias.as_deref().unwrap_or_default());
        put("approved_ca_certs", &list(&self.approved_ca_certs));
        put("disabled", flag(!self.is_enabled));
        put("mirrors", &list(&self.mirrors));
        put("origins", &uris(&|it| Some(it.uri.clone())));
        if self.origins.iter().any(|it| !it.is_enabled) {
            let off = uris(&|it| (!it.is_enabled).then(|| it.uri.clone()));
            put("disabled_origins", &off);
        }
        if self.origins.iter().any(|it| it.proxy.is_some()) {
            let row = |it: &Origin| Some(format!("{} {}", it.uri, it.proxy.as_ref()?));
            put("proxies", &uris(&row));
        }
        put("prefix", self.prefix.as_str());
        put("revoked_ca_certs", &list(&self.revoked_ca_certs));
        put("ssl_cert", self.ssl_cert.as_deref().unwrap_or_default());
        put("ssl_key", self.ssl_key.as_deref().unwrap_or_default());
        put("sticky", flag(self.is_sticky));
        put("uuid", &self.uuid);
        for (name, value) in &self.properties {
            put(&format!("property.{name}"), value);
        }
    }
}

/// A URI as it is kept: a path becomes `file://`, the slash at the end is there.
fn uri_of(text: &str) -> String {
    let text = if text.starts_with('/') {
        format!("file://{text}")
    } else {
        text.to_owned()
    };
    if text.ends_with('/') || text.starts_with("file:") {
        text
    } else {
        format!("{text}/")
    }
}
