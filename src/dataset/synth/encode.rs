//! Encoders of the transfer syntaxes that generated files are written in.
