//! Fakes, temporary roots and skip reasons for the tests of the other crates.
