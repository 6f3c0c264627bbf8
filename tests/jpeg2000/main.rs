//! The JPEG 2000 decoder: thousands of small generated streams over all options, and real
//! files where they are at hand.

mod damage;
mod display;
mod high_throughput;
mod low;
mod peer;
mod prefix;
mod region;
mod rewritten;
mod streams;
