//! How long it takes to lay and verify an image of the common shape. The whole size, 7,100 files
//! and 200 MB, runs with `ZONES_IMAGE_TEST_FILES=7100`; otherwise a small part of it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use zones_image::apply::{Content, Source, apply};
use zones_ips::{Action, Fmri};

use crate::support::{World, apply_options, is_root};

/// What something took: by the clock, and of all processors together.
#[derive(Clone, Copy)]
struct Spent {
    wall: Duration,
    cpu: Duration,
}

impl std::fmt::Display for Spent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2?} ({:.2?} of processors)", self.wall, self.cpu)
    }
}

fn spent<T>(work: impl FnOnce() -> T) -> (T, Spent) {
    let cpu = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(
            time.tv_sec.cast_unsigned(),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        )
    };
    let (start, start_cpu) = (Instant::now(), cpu());
    let result = work();
    let spent = Spent {
        wall: start.elapsed(),
        cpu: cpu().saturating_sub(start_cpu),
    };
    (result, spent)
}

/// Bytes a file has on average.
const SIZE: usize = 28 << 10;

/// A cache of unpacked content.
struct Unpacked(HashMap<String, PathBuf>);

impl Content for Unpacked {
    fn open(&self, _: &Fmri, action: &Action) -> io::Result<Source> {
        let path = &self.0[action.payload().unwrap_or_default()];
        Ok(Source::Plain(File::open(path)?))
    }
}

fn content(number: usize) -> Vec<u8> {
    // Sizes from nothing to many times the mean, text that packs to a third or so.
    let size = match number % 10 {
        0 => SIZE * 6,
        1 => SIZE * 2,
        _ => SIZE / 4,
    };
    let mut state = number as u64 + 1;
    let mut bytes = Vec::with_capacity(size + 16);
    while bytes.len() < size {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let word = format!("{:x} instance of {number};\n", state >> 40);
        bytes.extend_from_slice(word.as_bytes());
    }
    bytes
}

#[test]
fn laying_and_verifying_keep_to_their_time() {
    if !is_root("laying_and_verifying") {
        return;
    }
    let wanted = std::env::var("ZONES_IMAGE_TEST_FILES").ok();
    let files: usize = wanted.and_then(|it| it.parse().ok()).unwrap_or(300);
    let mut world = World::new();
    let mut lines = Vec::with_capacity(files);
    let mut plain = HashMap::new();
    let mut bytes = 0;
    fs::create_dir(world.temp.path().join("cache")).expect("cache");
    for number in 0..files {
        let path = format!("usr/share/d{}/f{number}", number / 10);
        let text = content(number);
        bytes += text.len();
        let line = world.store.file(&path, &text, "");
        let hash = line.split(' ').nth(1).expect("hash").to_owned();
        let cached = world.temp.path().join("cache").join(&hash);
        fs::write(&cached, &text).expect("cache");
        plain.insert(hash, cached);
        lines.push(line);
    }
    let package = world.package("a@1", &lines);
    let (plan, planned) = spent(|| world.plan(std::slice::from_ref(&package)).expect("plan"));
    let (_, cold) = spent(|| world.apply(&plan).expect("apply"));
    world.installed = vec![package];
    let ((), verified) = spent(|| world.assert_clean());
    fs::remove_dir_all(world.path("usr")).expect("remove");
    let content = Unpacked(plain);
    let (_, warm) =
        spent(|| apply(&plan, &world.root, &content, &apply_options(), &|_| {}).expect("apply"));
    world.assert_clean();
    let megabytes = bytes / 1_000_000;
    eprintln!(
        "{files} files, {megabytes} MB: plan {planned}, cold {cold}, warm {warm}, \
         verify {verified}"
    );
    // Far above the figures of a release build on an idle host; a quadratic step is above this.
    assert!(
        [planned, cold, warm, verified]
            .iter()
            .all(|it| it.cpu.as_secs() < 30)
    );
}
