//! `zoneadm install`.
pub(super) fn run(_t: &super::Target<'_>, _a: &[String]) -> u8 {
    2
}
