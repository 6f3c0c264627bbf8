//! How many threads, and pools of them.

use std::io::Error;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::Fault;

/// The number of threads: `wanted` if given, but at least 1; else one per core that this process
/// may use.
pub fn count(wanted: Option<usize>) -> usize {
    wanted.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), |n| n.max(1))
}

/// A pool of `threads` threads beside the global one.
///
/// # Errors
/// [`Fault::Io`] if the system refuses to start them.
pub fn pool(threads: usize) -> Result<ThreadPool, Fault> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| Fault::io("threads")(Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_one_per_core_and_none_is_one() {
        assert!(count(None) >= 1);
        assert_eq!([count(Some(0)), count(Some(3))], [1, 3]);
        assert_eq!(pool(3).unwrap().current_num_threads(), 3);
    }
}
