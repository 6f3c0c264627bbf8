//! Builds the network of the settings, with random weights drawn from the seed.

use crate::config::TrainConfig;
use crate::model::heads::{Heads, HeadsSpec};
use crate::model::network::Network;
use crate::model::{Device, GradientCheckpointing, ModelError, Options, build};
use crate::random::Random;

/// The random streams; each is seeded separately.
pub(super) mod stream {
    pub const BACKBONE: u64 = 1;
    pub const HEADS: u64 = 2;
    pub const ORDER: u64 = 3;
}

/// A network with random weights, on a device.
///
/// # Errors
/// [`ModelError`] if the device is missing or does not support the precision.
pub fn random(
    train: &TrainConfig,
    device: Device,
    heads: HeadsSpec,
) -> Result<Network, ModelError> {
    let seed = |stream| Random::seed_of(train.seed, stream);
    let options = Options {
        device,
        precision: train.precision,
        normalisation: None,
        drop_path: train.model.drop_path,
        gradient_checkpointing: match train.gradient_checkpointing {
            true => GradientCheckpointing::Stages,
            false => GradientCheckpointing::Off,
        },
    };
    let backbone =
        build(train.model.variant, train.model.channels, &options, seed(stream::BACKBONE))?;
    Network::new(backbone, Heads::new(heads, seed(stream::HEADS)))
}
