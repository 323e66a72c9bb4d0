//! Build, test, demo, bench and check the house.
fn main() {}
