//! How long it takes to lay and verify an image of the common shape. The whole size, 7,100 files
//! and 200 MB, runs with `ZONES_IMAGE_TEST_FILES=7100`; otherwise a tenth of it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use zones_image::apply::{Content, Source, apply};
use zones_ips::{Action, Fmri};

use crate::support::{World, apply_options, is_root};

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
    let files: usize = wanted.and_then(|it| it.parse().ok()).unwrap_or(710);
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
    let start = Instant::now();
    let plan = world.plan(std::slice::from_ref(&package)).expect("plan");
    let planned = start.elapsed();
    let start = Instant::now();
    world.apply(&plan).expect("apply");
    let cold = start.elapsed();
    world.installed = vec![package];
    let start = Instant::now();
    world.assert_clean();
    let verified = start.elapsed();
    fs::remove_dir_all(world.path("usr")).expect("remove");
    let start = Instant::now();
    let content = Unpacked(plain);
    apply(&plan, &world.root, &content, &apply_options(), &|_| {}).expect("apply");
    let warm = start.elapsed();
    world.assert_clean();
    let megabytes = bytes / 1_000_000;
    eprintln!(
        "{files} files, {megabytes} MB: plan {planned:?}, cold {cold:?}, warm {warm:?}, \
         verify {verified:?}"
    );
    // Far above the figures of a release build on an idle host; a quadratic step is above this.
    assert!(cold.as_secs() < 60 && warm.as_secs() < 30 && verified.as_secs() < 30);
}
