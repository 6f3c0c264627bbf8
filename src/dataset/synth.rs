//! Phantom mammograms: a dataset shaped like RSNA's, made from a seed.

pub mod encode;
