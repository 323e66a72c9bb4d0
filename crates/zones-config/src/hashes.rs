//! Where things stand by the hash of their key: half of the memory and time of a map of texts, and
//! a hash is made once only.
//!
//! Different in each run, so that nobody prepares texts that meet in one place. Two texts with one
//! hash are possible all the same: who finds a place looks whether the text there is the same.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};

/// Numbers that are hashes already.
pub(crate) type Hashes = HashSet<u64, BuildHasherDefault<Same>>;

/// Places by hashes.
pub(crate) type Places = HashMap<u64, usize, BuildHasherDefault<Same>>;

/// Makes the hashes.
#[derive(Debug, Default)]
pub(crate) struct Hashing(RandomState);

impl Hashing {
    pub(crate) fn of(&self, value: &(impl Hash + ?Sized)) -> u64 {
        self.0.hash_one(value)
    }
}

/// Takes one number and gives it back.
#[derive(Debug, Default)]
pub(crate) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only numbers are put in; this is here because the trait wants it.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
