//! The name under which ps(1) shows a process.

use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

static START: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static LENGTH: AtomicUsize = AtomicUsize::new(0);

/// The C runtime hands the raw arguments to every function of this section before `main`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[used]
#[unsafe(link_section = ".init_array")]
static REMEMBER: extern "C" fn(libc::c_int, *const *const u8, *const *const u8) = remember;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
extern "C" fn remember(argc: libc::c_int, argv: *const *const u8, _environ: *const *const u8) {
    let Ok(argc) = usize::try_from(argc) else {
        return;
    };
    if argc == 0 {
        return;
    }
    // SAFETY: glibc passes `argc` valid pointers to texts that the kernel laid one after the other;
    // the end of the last one is found by its NUL.
    unsafe {
        let first = *argv;
        let last = *argv.add(argc - 1);
        let end = last.add(libc::strlen(last.cast::<libc::c_char>()));
        START.store(first.cast_mut(), Ordering::Relaxed);
        LENGTH.store(end.offset_from(first).unsigned_abs(), Ordering::Relaxed);
    }
}

/// Shows this process as `title`, cut to the room that its arguments left.
pub fn set_title(title: &str) {
    let (start, length) = (
        START.load(Ordering::Relaxed),
        LENGTH.load(Ordering::Relaxed),
    );
    if !start.is_null() {
        let text = &title.as_bytes()[..title.len().min(length)];
        // SAFETY: `start..start+length` is the argument area of this process, writable since
        // execve(2), and Rust's own `args` copied what it needed at its start.
        unsafe {
            std::ptr::write_bytes(start, 0, length);
            std::ptr::copy_nonoverlapping(text.as_ptr(), start, text.len());
        }
    }
    let short: Vec<u8> = title.bytes().filter(|&byte| byte != 0).take(15).collect();
    if let Ok(short) = std::ffi::CString::new(short) {
        let _ = rustix::thread::set_name(&short);
    }
}
