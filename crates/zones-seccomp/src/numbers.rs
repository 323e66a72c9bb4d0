//! System call numbers of the refused calls, for each interface.
//!
//! Source: the `syscall.tbl` files and `asm-generic/unistd.h` of the kernel. A new rule needs a
//! row here, which a test checks.

use crate::abi::Abi;

/// The newest call these rules were written with: `file_setattr`, kernel 6.17.
///
/// From 403 on a call has the same number everywhere. Later numbers answer "not implemented", so a
/// call that nobody here has looked at is not open to zones just because the kernel was updated;
/// programs take their older way, as they do on an older kernel.
pub const NEWEST_KNOWN: u32 = 469;

/// Absent on that interface.
const NO: i16 = -1;

/// Names in order; columns as in [`Abi::ALL`]: x86_64, i386, aarch64, arm, riscv64, ppc64le, s390x.
#[rustfmt::skip]
const NUMBERS: &[(&str, [i16; 7])] = &[
    ("_sysctl",             [156, 149,  NO, 149,  NO, 149, 149]),
    ("acct",                [163,  51,  89,  51,  89,  51,  51]),
    ("add_key",             [248, 286, 217, 309, 217, 269, 278]),
    ("bpf",                 [321, 357, 280, 386, 280, 361, 351]),
    ("clock_settime",       [227, 264, 112, 262, 112, 245, 259]),
    ("clock_settime64",     [ NO, 404,  NO, 404,  NO,  NO,  NO]),
    ("clone",               [ 56, 120, 220, 120, 220, 120, 120]),
    ("clone3",              [435, 435, 435, 435, 435, 435, 435]),
    ("create_module",       [174, 127,  NO,  NO,  NO, 127, 127]),
    ("delete_module",       [176, 129, 106, 129, 106, 129, 129]),
    ("finit_module",        [313, 350, 273, 379, 273, 353, 344]),
    ("fsconfig",            [431, 431, 431, 431, 431, 431, 431]),
    ("fsmount",             [432, 432, 432, 432, 432, 432, 432]),
    ("fsopen",              [430, 430, 430, 430, 430, 430, 430]),
    ("fspick",              [433, 433, 433, 433, 433, 433, 433]),
    ("get_kernel_syms",     [177, 130,  NO,  NO,  NO, 130, 130]),
    ("init_module",         [175, 128, 105, 128, 105, 128, 128]),
    ("ioctl",               [ 16,  54,  29,  54,  29,  54,  54]),
    ("ioperm",              [173, 101,  NO,  NO,  NO, 101,  NO]),
    ("iopl",                [172, 110,  NO,  NO,  NO, 110,  NO]),
    ("kexec_file_load",     [320,  NO, 294, 401, 294, 382, 381]),
    ("kexec_load",          [246, 283, 104, 347, 104, 268, 277]),
    ("keyctl",              [250, 288, 219, 311, 219, 271, 280]),
    ("lookup_dcookie",      [212, 253,  18, 249,  18, 235, 110]),
    ("mount",               [165,  21,  40,  21,  40,  21,  21]),
    ("mount_setattr",       [442, 442, 442, 442, 442, 442, 442]),
    ("move_mount",          [429, 429, 429, 429, 429, 429, 429]),
    ("nfsservctl",          [180, 169,  42, 169,  42, 168, 169]),
    ("open_by_handle_at",   [304, 342, 265, 371, 265, 346, 336]),
    ("open_tree",           [428, 428, 428, 428, 428, 428, 428]),
    ("open_tree_attr",      [467, 467, 467, 467, 467, 467, 467]),
    ("pciconfig_iobase",    [ NO,  NO,  NO, 271,  NO, 200,  NO]),
    ("pciconfig_read",      [ NO,  NO,  NO, 272,  NO, 198,  NO]),
    ("pciconfig_write",     [ NO,  NO,  NO, 273,  NO, 199,  NO]),
    ("perf_event_open",     [298, 336, 241, 364, 241, 319, 331]),
    ("pivot_root",          [155, 217,  41, 218,  41, 203, 217]),
    ("query_module",        [178, 167,  NO,  NO,  NO, 166, 167]),
    ("quotactl",            [179, 131,  60, 131,  60, 131, 131]),
    ("quotactl_fd",         [443, 443, 443, 443, 443, 443, 443]),
    ("request_key",         [249, 287, 218, 310, 218, 270, 279]),
    ("s390_pci_mmio_read",  [ NO,  NO,  NO,  NO,  NO,  NO, 353]),
    ("s390_pci_mmio_write", [ NO,  NO,  NO,  NO,  NO,  NO, 352]),
    ("setns",               [308, 346, 268, 375, 268, 350, 339]),
    ("settimeofday",        [164,  79, 170,  79, 170,  79,  79]),
    ("stime",               [ NO,  25,  NO,  NO,  NO,  25,  NO]),
    ("swapoff",             [168, 115, 225, 115, 225, 115, 115]),
    ("swapon",              [167,  87, 224,  87, 224,  87,  87]),
    ("sysfs",               [139, 135,  NO, 135,  NO, 135, 135]),
    ("syslog",              [103, 103, 116, 103, 116, 103, 103]),
    ("umount",              [ NO,  22,  NO,  NO,  NO,  22,  22]),
    ("umount2",             [166,  52,  39,  52,  39,  52,  52]),
    ("unshare",             [272, 310,  97, 337,  97, 282, 303]),
    ("uselib",              [134,  86,  NO,  86,  NO,  86,  86]),
    ("userfaultfd",         [323, 374, 282, 388, 282, 364, 355]),
    ("ustat",               [136,  62,  NO,  62,  NO,  62,  62]),
    ("vm86",                [ NO, 166,  NO,  NO,  NO, 113,  NO]),
    ("vm86old",             [ NO, 113,  NO,  NO,  NO,  NO,  NO]),
];

/// The number of the call `name`; `None` when the interface lacks it or no rule names it.
#[must_use]
pub fn number(abi: Abi, name: &str) -> Option<u32> {
    let row = NUMBERS.binary_search_by(|(row, _)| (*row).cmp(name)).ok()?;
    let column = Abi::ALL.iter().position(|a| *a == abi)?;
    u32::try_from(NUMBERS[row].1[column]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order() {
        assert!(NUMBERS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
