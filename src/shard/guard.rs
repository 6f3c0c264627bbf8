//! Damaged bytes in the hands of a format's library.
//!
//! Fed with flipped bits, the Arrow library sometimes panics where it should say what is wrong
//! (a buffer's offset beyond its end). A damaged shard is a fault with a name, not a bug.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `read` gives, or why it could not, a panic included.
///
/// # Errors
/// Those of `read`.
pub fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // Nothing that a panic left half-done is used again: what is read is only ever returned.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(format!("it is damaged: {text}"))
    })
}
