//! The model: a backbone from the crate `mammo-net`, and heads on its features.
//!
//! In: a batch of images from the loader. Out: logits of cancer and of the auxiliary targets. The
//! backbone knows no loss. Heads and losses are candle graphs on the host, on `[batch, features]`
//! numbers; the backbone is an op in that graph, so `loss.backward()` reaches every parameter.

pub mod columns;
pub mod heads;
pub mod network;

use crate::error::faults;

pub use mammo_net::{
    Backbone, Buffer, Device, Entry, GradientCheckpointing, Images, Kind, Layout, Mode, ModelError,
    Normalisation, Options, Pixels, Precision, Rule, Tap, Update, Variant, build, weights,
};
faults!(ModelError);
