//! How the C library's allocator behaves, which images are allocated with.

/// Lets all threads share two arenas. Each arena keeps what was freed in it, so with one for every
/// thread the memory of many threads grows beyond what they use at once: by 200 MB with 64 of them.
/// Only glibc has arenas; elsewhere this does nothing.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn share_arenas() {
    const M_ARENA_MAX: i32 = -8;
    // SAFETY: this is the declaration of malloc.h, and any two numbers may be passed.
    unsafe extern "C" {
        safe fn mallopt(parameter: i32, value: i32) -> i32;
    }
    mallopt(M_ARENA_MAX, 2);
}

/// Does nothing, as there is nothing to set.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn share_arenas() {}
