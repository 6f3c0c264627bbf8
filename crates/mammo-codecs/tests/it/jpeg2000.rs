//! The JPEG 2000 decoder: thousands of small generated streams over all options, streams of other
//! encoders, and real files.

mod corpus;
mod damage;
mod display;
mod high_throughput;
mod low;
mod peer;
mod prefix;
mod region;
mod rewritten;
pub mod streams;
