//! Settings for well-known datasets as they are published.
//!
//! A preset is a settings file like any other, applied between the defaults and what the user
//! types. So each of its settings can be changed, and everything it does can be done for a dataset
//! of one's own. No preset makes a label: `cancer` comes from pathology or stays empty.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A dataset whose settings are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetPreset {
    /// RSNA Screening Mammography Breast Cancer Detection: the defaults.
    Rsna,
    /// VinDr-Mammo, on PhysioNet.
    VindrMammo,
    /// EMory BrEast imaging Dataset, Open Data.
    Embed,
    /// Curated Breast Imaging Subset of DDSM, on TCIA.
    CbisDdsm,
    /// INbreast.
    Inbreast,
    /// The Chinese Mammography Database, on TCIA.
    Cmmd,
}

impl DatasetPreset {
    /// All presets.
    pub const ALL: [Self; 6] =
        [Self::Rsna, Self::VindrMammo, Self::Embed, Self::CbisDdsm, Self::Inbreast, Self::Cmmd];

    /// The word in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsna => "rsna",
            Self::VindrMammo => "vindr-mammo",
            Self::Embed => "embed",
            Self::CbisDdsm => "cbis-ddsm",
            Self::Inbreast => "inbreast",
            Self::Cmmd => "cmmd",
        }
    }

    /// Its settings file, with comments.
    pub fn text(self) -> &'static str {
        match self {
            Self::Rsna => "",
            Self::VindrMammo => include_str!("presets/vindr-mammo.yaml"),
            Self::Embed => include_str!("presets/embed.yaml"),
            Self::CbisDdsm => include_str!("presets/cbis-ddsm.yaml"),
            Self::Inbreast => include_str!("presets/inbreast.yaml"),
            Self::Cmmd => include_str!("presets/cmmd.yaml"),
        }
    }

    /// The files of its table, below the dataset's folder.
    pub fn table_files(self) -> Vec<String> {
        let Some(settings) = self.settings() else { return vec!["train.csv".into()] };
        let tables = settings["dataset"]["tables"].as_array().cloned().unwrap_or_default();
        tables.iter().filter_map(|table| Some(table["file"].as_str()?.to_owned())).collect()
    }

    /// Its settings; `None` for the defaults.
    pub(super) fn settings(self) -> Option<Value> {
        let settings: Option<Value> =
            serde_saphyr::from_str(self.text()).expect("a test reads every preset");
        settings
    }
}
