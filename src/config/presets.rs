//! Settings that fit a common machine: `--preset NAME` of `preprocess` and `train`.
//!
//! A preset is a layer between the defaults and the user's own file, so every value of it can be
//! replaced, and `mammo-pipe config --preset NAME` shows what it sets. It also gives defaults to
//! flags of `train`: the folds, the initial weights and the device.

use serde_json::Value;

/// Settings and flags for one kind of machine.
#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// `train --fold`.
    pub fold: &'static str,
    /// `train --init`.
    pub init: &'static str,
    /// `train --device`.
    pub device: &'static str,
    yaml: &'static str,
}

/// Every preset.
pub const PRESETS: [Preset; 2] = [
    Preset {
        name: "rsna-gpu",
        purpose: "RSNA's dataset on one NVIDIA GPU with 24 GB or more",
        fold: "all",
        init: "timm/efficientnet_b4.ra2_in1k",
        device: "cuda:0",
        yaml: include_str!("presets/rsna-gpu.yaml"),
    },
    Preset {
        name: "laptop",
        purpose: "a first network on a few cores and 8 GB of memory",
        fold: "all",
        init: "timm/efficientnet_b0.ra_in1k",
        device: "cpu",
        yaml: include_str!("presets/laptop.yaml"),
    },
];

impl Preset {
    /// The preset of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Its settings; all others have their defaults.
    pub fn settings(&self) -> Value {
        serde_saphyr::from_str(self.yaml).expect("a test reads every preset")
    }

    /// Its settings with their reasons, as YAML.
    pub fn yaml(&self) -> &'static str {
        self.yaml
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_layers;
    use crate::model::Device;

    #[test]
    fn every_preset_is_sound_and_fits_its_weights() {
        for preset in &PRESETS {
            let config = load_layers(Some(preset), None, &[]).unwrap().config;
            assert_eq!(config.train.model.channels, 3, "pretrained weights have three channels");
            let variant = config.train.model.variant.as_str();
            assert!(preset.init.starts_with(&format!("timm/{variant}.")), "{preset:?}");
            assert!(preset.device.parse::<Device>().is_ok(), "{preset:?}");
            assert!(
                preset.settings().get("dataset").is_none(),
                "the data are the user's: {preset:?}"
            );
        }
    }

    #[test]
    fn a_preset_is_only_what_differs_from_the_defaults() {
        for preset in &PRESETS {
            let defaults = super::super::load::tree_of_defaults();
            let mut keys = Vec::new();
            super::super::load::keys(&preset.settings(), "", &mut keys);
            for key in keys {
                let value = super::super::reference::value_at(&defaults, &key).unwrap();
                let set = preset.settings();
                let set = super::super::reference::value_at(&set, &key).unwrap();
                assert!(set != value || set.is_object(), "{}: {key} is the default", preset.name);
            }
        }
    }
}
