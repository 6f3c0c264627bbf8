//! EfficientNet-B0 to B7, with the forward and the backward pass written by hand.
//!
//! [`build`](fn@build) makes a [`Backbone`] for a [`Device`]. [`Backbone::forward`] turns a batch of images
//! into pooled features, `[batch, features]`, on the host. [`Backbone::backward`] takes the
//! gradient of the loss with respect to these features and adds the gradient of every parameter.
//! [`Backbone::update`] makes one optimizer step. Weights of timm and torchvision load by
//! [`weights::load_into`].
//!
//! ```
//! use mammo_net::{Backbone, Images, Mode, Options, Pixels, Variant, build};
//!
//! # fn main() -> Result<(), mammo_net::ModelError> {
//! let mut backbone = build(Variant::B0, 1, &Options::default(), 42)?;
//! let pixels = vec![128_u8; 2 * 64 * 48];
//! let images = Images { pixels: Pixels::U8(&pixels), batch: 2, height: 64, width: 48 };
//! let features = backbone.forward(&images, Mode::Evaluate)?;
//! assert_eq!(features.len(), 2 * backbone.features());
//! # Ok(())
//! # }
//! ```
//!
//! The backbone knows no loss and no classifier. With the feature `candle`,
//! `candle::CandleBackbone` puts it into a candle graph, so that any candle model can stand on its
//! features and `loss.backward()` reaches its parameters.
//!
//! All parameters lie in one flat buffer of f32. [`Layout`] says where each tensor is, under
//! timm's name and in PyTorch's shape. An optimizer step, an exponential moving average, a
//! gradient norm and a checkpoint are then loops over that buffer.
//!
//! # Modules, from the ground up
//! - [`images`], [`layout`], [`error`]: what goes in, where the parameters are, what can go wrong.
//! - [`variant`], [`plan`]: the network as data. No other module knows its shape.
//! - [`update`]: the arithmetic of AdamW, SGD and the moving average.
//! - [`kernels`]: the trait of a device's operations, and its implementations for CPU and CUDA.
//! - [`backbone`], [`efficientnet`]: the trait of a network, and the network over any kernels.
//! - [`weights`], [`build`](mod@build): random and pretrained weights; from options to a network.
//!
//! # Features
//! - `cuda`: [`Device::Cuda`], for NVIDIA GPUs of compute capability 8.0 or newer.
//! - `candle`: the backbone as a candle op.
//! - `pytorch` (default): reads `.pth`, `.pt` and `.bin` files of weights.
//! - `hub` (default): downloads weights from the Hugging Face hub.

pub mod images;
pub mod layout;
pub mod error;
mod random;
pub mod variant;
pub mod plan;
pub mod update;
pub mod kernels;
pub mod backbone;
pub mod efficientnet;
pub mod weights;
pub mod build;
#[cfg(feature = "candle")]
pub mod candle;

pub use backbone::{Backbone, Mode, Tap};
pub use build::{Device, Options, Precision, build};
pub use efficientnet::GradientCheckpointing;
pub use error::ModelError;
pub use images::{Images, Normalisation, Pixels};
pub use layout::{Buffer, Entry, Kind, Layout};
pub use update::{Rule, Update};
pub use variant::Variant;
