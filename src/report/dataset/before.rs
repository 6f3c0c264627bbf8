//! Thumbnails of the source frames before cropping, in the grey scale of the release.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::rows::Row;
use crate::config::{DecodeConfig, WindowConfig};
use crate::image::{Plane, Rect};
use crate::preprocess::Reject;
use crate::preprocess::decode::{self, Decoder};
use crate::preprocess::read::{self, ReadError};
use crate::preprocess::roi::{self, Finder};
use crate::preprocess::{look, window};
use crate::report::gallery::Thumbnail;
use crate::shard::sources::Places;
use crate::store::start::without_place;
use crate::store::{self, quoted};

/// The source files of a release, and the settings to render them with.
pub struct Sources {
    input: PathBuf,
    places: Places,
    decode: DecodeConfig,
    window: WindowConfig,
    decoder: Decoder,
    finder: Finder,
}

impl Sources {
    /// The dataset in `input`, with the settings and the places of a release. `folder` is the release
    /// or run whose page is written.
    ///
    /// # Errors
    /// The reason, as a sentence for the page, with the command that fills the frames.
    pub fn new(
        input: Option<&Path>,
        settings: &Value,
        places: Places,
        folder: &Path,
    ) -> Result<Self, String> {
        let fill = || {
            format!(
                "so the source frames below are empty but for their boxes. To fill them: \
                 mammo-pipe report {} --dataset DIR",
                quoted(without_place(folder))
            )
        };
        let input =
            input.ok_or_else(|| format!("The dataset's folder was not given, {}", fill()))?;
        if !input.is_dir() {
            return Err(format!("{} is not a folder, {}", without_place(input), fill()));
        }
        Ok(Self {
            input: input.into(),
            places,
            decode: part(settings, "decode")?,
            window: part(settings, "window")?,
            decoder: Decoder::default(),
            finder: Finder::default(),
        })
    }

    /// The whole frame of the image in `row`.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn frame(&mut self, row: &Row) -> Result<Thumbnail, String> {
        let bytes = fs::read(self.input.join(self.places.path_of(&row.source_path)))
            .map_err(|error| format!("{}: {error}", row.source_path))?;
        // A file of which only a prefix was read has no hash.
        if row.source_sha256.as_ref().is_some_and(|sha256| *sha256 != store::sha256(&bytes)) {
            return Err("the file has changed since it was processed".into());
        }
        let grey = self.grey(bytes).map_err(|reject| reject.to_string())?;
        Ok(Thumbnail::new(&grey))
    }

    /// The steps of preprocessing up to the grey scale, at reduced resolution.
    fn grey(&mut self, bytes: Vec<u8>) -> Result<Plane<u16>, Reject> {
        if bytes.is_empty() {
            return Err(ReadError::Empty.into());
        }
        let (header, pixel_data) = read::open(bytes.into(), self.decode.max_pixels)?;
        let levels = decode::levels(&header, &pixel_data)?;
        let look::Taken { look, reduction, .. } =
            look::take(&mut self.decoder, &header, &pixel_data, levels, 0)?;
        let linear = look::linear(&look, &header);
        let padding = look::padding(&look, &header);
        let found = self.finder.find(&roi::Look {
            pixels: &linear,
            padding: padding.as_ref(),
            reduction,
            source: (header.layout.columns.into(), header.layout.rows.into()),
        });
        let range = look::range(&look, &linear, padding.as_ref(), found.air, &self.window);
        let lut = window::lut(&header.display, &header.layout, &self.window, range)?;
        let mut grey = Plane::default();
        let whole = Rect::whole(look.pixels.width(), look.pixels.height());
        lut.apply(&look.pixels, whole, &mut grey);
        Ok(grey)
    }
}

fn part<T: DeserializeOwned>(settings: &Value, name: &str) -> Result<T, String> {
    serde_json::from_value(settings[name].clone()).map_err(|error| {
        format!(
            "The release's {name} settings were written by another version of mammo-pipe ({error})."
        )
    })
}
