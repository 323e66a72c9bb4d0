//! What a platform changes by itself: learned from a cell in which nothing is done.

use serde_json::Value;
use zones_matrix::Key;
use zones_matrix::leftovers::{Noise, Subject};
use zones_types::ZoneName;

use super::hold::Hold;
use super::{Golden, ImageError, Images, build};
use crate::VerbError;
use crate::script::SETTLE;

/// The moment before the boot.
const BEFORE: &str = "before";

impl Images {
    /// What the platform of an image changes by itself; learned now, when nobody did before, which
    /// is told.
    ///
    /// # Errors
    /// A verb fails; the cell is gone then, and nothing is noted.
    pub fn noise(&self, golden: &Golden, say: &dyn Fn(&str)) -> Result<Noise, ImageError> {
        let unknown = || ImageError::Unknown(golden.key.to_string());
        // One learns, others read what it noted. What a killed one left has the same name.
        let _lock = Hold::exclusive(&self.place.lock(golden.key).with_extension("noise"))?;
        let manifest = self.manifest(golden.key)?.ok_or_else(unknown)?;
        if manifest.noise.is_some() {
            return Ok(manifest.noise());
        }
        say("looking at what it changes by itself");
        let noise = self.listen(golden.key, &manifest.brand, &golden.zone)?;
        self.learn(golden.key, &noise)?;
        Ok(noise)
    }

    /// Clone, boot, settle, halt, compare.
    fn listen(&self, key: Key, brand: &str, golden: &ZoneName) -> Result<Noise, ImageError> {
        let name = format!("noise-{}", &key.to_string()[..16]);
        let wrong = |_| ImageError::Unknown(name.clone());
        let zone: ZoneName = name.parse().map_err(wrong)?;
        build::clear(self, &zone)?;
        let listened = self.idle(brand, golden, &zone);
        let cleared = build::clear(self, &zone);
        let noise = listened?;
        cleared.map(|()| noise)
    }

    fn idle(&self, brand: &str, golden: &ZoneName, zone: &ZoneName) -> Result<Noise, VerbError> {
        let path = self.place.zones().join(zone.as_str());
        let commands = format!(
            "create -b; set brand={brand}; set zonepath={}",
            path.display()
        );
        let name = zone.as_str();
        let run = |applet: &str, args: &[&str]| {
            let args = [&["-z", name], args].concat();
            self.verbs.run(applet, &args)
        };
        run("zonecfg", &[&commands])?;
        run("zoneadm", &["clone", golden.as_str()])?;
        run("zoneadm", &["snapshot", BEFORE])?;
        run("zoneadm", &["boot"])?;
        // One that does not settle makes noise as well.
        let _ = self.verbs.run("zlogin", &[name, "/bin/sh", "-c", SETTLE]);
        if run("zoneadm", &["shutdown", "-t", "60"]).is_err() {
            run("zoneadm", &["halt"])?;
        }
        let said = run("zoneadm", &["diff", "-o", "json", BEFORE])?;
        Ok(read(&said.out))
    }
}

/// The paths of a comparison. Marks that run with other rights are no noise.
fn read(text: &str) -> Noise {
    let rows: Value = serde_json::from_str(text).unwrap_or_default();
    let rows = rows.as_array().cloned().unwrap_or_default();
    let path = |row: &Value| row["path"].as_str().map(str::to_owned);
    let paths = rows.iter().filter_map(path);
    Noise::of(paths.map(|path| (Subject::File, path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_comparison_are_the_noise() {
        let text = r#"[{"change":"added","kind":"file","path":"/var/log/wtmp"},
                       {"change":"changed","aspects":["content"],"path":"/etc/resolv.conf"}]"#;
        let noise = read(text);
        let names: Vec<_> = noise.iter().collect();
        let file = Subject::File;
        assert_eq!(names, [(file, "/etc/resolv.conf"), (file, "/var/log/wtmp")]);
        assert_eq!(read("nothing"), Noise::default());
    }
}
