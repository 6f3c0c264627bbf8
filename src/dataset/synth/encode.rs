//! Encoders of the transfer syntaxes that generated files are written in.

pub mod jpeg2000;
