//! Images at another place, by key: pushed there once, pulled from there by who needs them.

mod depot;

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use zones_matrix::{Hasher, Key};

pub use depot::Depot;

use super::{ImageError, Images, Manifest, build, place::Place};

/// What lies beside a stream and is written after it.
#[derive(Debug, Serialize, Deserialize)]
struct Slip {
    manifest: Manifest,
    /// The BLAKE3 hash of the whole stream.
    blake3: String,
}

/// Whether anything had to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// All of it was sent, so many bytes.
    Bytes(u64),
    /// It was there.
    Already,
}

fn slip_name(key: Key) -> String {
    format!("{key}.json")
}

fn stream_name(key: Key) -> String {
    format!("{key}.zone")
}

impl Images {
    /// Puts an image into a depot, as a stream of `zoneadm export`.
    ///
    /// # Errors
    /// There is no such image, the export failed, or the depot refuses; the depot has no slip of
    /// the image then, and so no image.
    pub fn push(&self, key: Key, depot: &Depot) -> Result<Carried, ImageError> {
        let golden = self.take(key)?;
        let golden = golden.ok_or_else(|| ImageError::Unknown(key.to_string()))?;
        if depot.names()?.contains(&slip_name(key)) {
            return Ok(Carried::Already);
        }
        let unknown = || ImageError::Unknown(key.to_string());
        let manifest = self.manifest(key)?.ok_or_else(unknown)?;
        let args = ["-z", golden.zone.as_str(), "export", "-"];
        let log = self.place.log(key);
        let err = OpenOptions::new().append(true).create(true).open(&log);
        let err = err.map_err(ImageError::file("open", &log))?;
        let mut export = self.verbs.command("zoneadm", &args);
        let export = export.stdout(Stdio::piped()).stderr(err).spawn();
        let mut export =
            export.map_err(ImageError::file("start", std::path::Path::new("zoneadm")))?;
        let mut stream = Counted::new(export.stdout.take());
        let sent = depot.put(&stream_name(key), &mut stream, || {
            let status = export.wait()?;
            match status.success() {
                true => Ok(()),
                false => Err(io::Error::other(format!("zoneadm export: {status}"))),
            }
        });
        // It ends by itself when nobody reads any more.
        let _ = export.wait();
        sent?;
        let slip = Slip {
            manifest,
            blake3: stream.hasher.finish().to_string(),
        };
        let text = serde_json::to_string_pretty(&slip).unwrap_or_default();
        depot.put(&slip_name(key), &mut text.as_bytes(), || Ok(()))?;
        Ok(Carried::Bytes(stream.bytes))
    }

    /// Gets an image from a depot, under the lock on its key. It shows only when all of it has
    /// come and is what its slip says.
    ///
    /// # Errors
    /// The depot has it not, or not whole; nothing of it stays here then.
    pub fn pull(&self, key: Key, depot: &Depot) -> Result<Carried, ImageError> {
        let Some(_hold) = self.alone(key, || ())? else {
            return Ok(Carried::Already);
        };
        let mut text = String::new();
        let slip = slip_name(key);
        if !depot.names()?.contains(&slip) {
            return Err(ImageError::Unknown(key.to_string()));
        }
        let limit = 16 << 20;
        let read = depot.get(&slip, |reader| reader.take(limit).read_to_string(&mut text));
        read?;
        let wrong = |why: String| depot.damaged(&slip, why);
        let slip: Slip = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let zone = Place::zone(key)?;
        let is_it = Key::of(&slip.manifest.inputs) == key && slip.manifest.key == key;
        if !is_it || slip.manifest.zone != zone {
            return Err(wrong("it is the slip of another image".to_owned()));
        }
        build::clear(self, &zone)?;
        let folder = self.place.image(key);
        std::fs::create_dir_all(&folder).map_err(ImageError::file("create", &folder))?;
        let done = self.receive(key, depot, &slip);
        match done {
            Ok(bytes) => {
                slip.manifest.write(&self.place.manifest(key))?;
                Ok(Carried::Bytes(bytes))
            }
            Err(error) => {
                build::clear(self, &zone)?;
                self.place.forget(key)?;
                Err(error)
            }
        }
    }

    /// The stream becomes the zone of the image.
    fn receive(&self, key: Key, depot: &Depot, slip: &Slip) -> Result<u64, ImageError> {
        let path = self.place.zones().join(slip.manifest.zone.as_str());
        let path = path.display().to_string();
        let args = [
            "-z",
            slip.manifest.zone.as_str(),
            "import",
            "-d",
            &path,
            "-",
        ];
        let program = std::path::Path::new("zoneadm");
        let mut import = self.verbs.command("zoneadm", &args);
        import
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut import = import.spawn().map_err(ImageError::file("start", program))?;
        let input = import.stdin.take();
        let name = stream_name(key);
        let carried = depot.get(&name, |reader| {
            let mut stream = Counted::new(Some(reader));
            let mut input = input.ok_or(io::ErrorKind::BrokenPipe)?;
            io::copy(&mut stream, &mut input)?;
            input.flush()?;
            Ok((stream.hasher.finish().to_string(), stream.bytes))
        });
        let said = import.wait_with_output();
        let said = said.map_err(ImageError::file("wait for", program))?;
        // What zoneadm says is nearer to the cause than a pipe that broke.
        if !said.status.success() {
            let text = String::from_utf8_lossy(&said.stderr);
            let last = text.lines().last().unwrap_or("zoneadm import failed");
            return Err(depot.damaged(&name, last.to_owned()));
        }
        let (hash, bytes) = carried?;
        if hash != slip.blake3 {
            let why = format!("its BLAKE3 hash is {hash}, not {}", slip.blake3);
            return Err(depot.damaged(&name, why));
        }
        Ok(bytes)
    }

    /// The keys that a depot has images of.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn at(&self, depot: &Depot) -> Result<Vec<Key>, ImageError> {
        let names = depot.names()?;
        let keys = names.iter().filter_map(|name| name.strip_suffix(".json"));
        Ok(keys.filter_map(|name| name.parse().ok()).collect())
    }
}

/// A reader that knows what went through it.
struct Counted<R> {
    inner: Option<R>,
    hasher: Hasher,
    bytes: u64,
}

impl<R> Counted<R> {
    fn new(inner: Option<R>) -> Self {
        Self {
            inner,
            hasher: Hasher::default(),
            bytes: 0,
        }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let inner = self.inner.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let n = inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}
