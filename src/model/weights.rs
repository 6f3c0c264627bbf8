//! Where a network's numbers come from: drawn at random, or read from a file or the hub.

mod random;

pub use random::randomise;
