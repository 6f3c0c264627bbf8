//! One self-contained HTML file to look at: it opens offline and asks the network for nothing.

pub mod page;
pub mod number;
pub mod svg;
pub mod gallery;
