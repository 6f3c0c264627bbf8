//! Protects against panics of a file format's library.
//!
//! For damaged bytes, the libraries of Arrow and Parquet sometimes panic instead of returning an
//! error (for example for a buffer's offset beyond its end). A damaged shard is a fault with a name,
//! not a bug.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The result of `read`; a panic becomes an error.
///
/// # Errors
/// Those of `read`.
pub fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // Nothing that a panic left half-done is used again: the result is only ever returned.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(format!("it is damaged: {text}"))
    })
}
