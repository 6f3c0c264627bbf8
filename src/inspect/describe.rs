//! Describes a header by texts that can be counted.

use crate::preprocess::read::{Header, Modality, PixelLayout, VoiWindow};

/// The value of an attribute that a header lacks.
pub const NOT_GIVEN: &str = "not given";

/// The attributes that a survey reports, in order, each with the header's value as text.
pub fn describe(header: &Header) -> [(&'static str, String); 13] {
    let or_not = |text: Option<&str>| text.unwrap_or(NOT_GIVEN).to_owned();
    let display = &header.display;
    let window = |w: &VoiWindow| format!("{} / {}", w.center, w.width);
    [
        ("transfer syntax", format!("{} ({})", header.syntax.name(), header.syntax.uid())),
        ("photometric", header.layout.photometric.as_str().to_owned()),
        ("rows x columns", size(&header.layout)),
        ("bits", bits(&header.layout)),
        ("VOI", voi(header)),
        ("center / width", or_not(display.windows.first().map(window).as_deref())),
        (
            "rescale",
            match &display.modality {
                Modality::Rescale { slope, intercept } if *intercept < 0.0 => {
                    format!("{slope} x - {}", -intercept)
                }
                Modality::Rescale { slope, intercept } => format!("{slope} x + {intercept}"),
                Modality::Table(_) => "modality LUT sequence".to_owned(),
            },
        ),
        ("padding value", if display.padding.is_some() { "given" } else { NOT_GIVEN }.to_owned()),
        (
            "spacing",
            match &header.spacing {
                Some(s) => format!("{} x {} mm", s.row.0, s.column.0),
                None => NOT_GIVEN.to_owned(),
            },
        ),
        ("laterality", or_not(header.laterality.map(|side| side.as_str()))),
        ("view", or_not(header.view.as_ref().map(|view| view.as_str()))),
        ("intent", or_not(header.intent.as_deref())),
        ("model", or_not(model(header).as_deref())),
    ]
}

/// Manufacturer and model.
pub fn model(header: &Header) -> Option<String> {
    let names: Vec<&str> =
        [&header.manufacturer, &header.model].into_iter().flatten().map(|n| n.trim()).collect();
    Some(names.join(" ").trim().to_owned()).filter(|model| !model.is_empty())
}

pub fn size(layout: &PixelLayout) -> String {
    format!("{} x {}", layout.rows, layout.columns)
}

pub fn bits(layout: &PixelLayout) -> String {
    let sign = if layout.signed { ", signed" } else { "" };
    format!("{} of {}{sign}", layout.bits_stored, layout.bits_allocated)
}

/// The origin of the window (PS3.3 C.11.2).
pub fn voi(header: &Header) -> String {
    let (tables, windows) = (header.display.tables.len(), header.display.windows.len());
    let function = header.display.windows.first().map_or("", |window| window.function.as_str());
    match (tables, windows) {
        (0, 0) => "none".to_owned(),
        (0, 1) => format!("{function}, 1 window"),
        (0, n) => format!("{function}, {n} windows"),
        (1, 0) => "1 LUT".to_owned(),
        (n, 0) => format!("{n} LUTs"),
        (t, w) => format!("{t} LUT, {function}, {w} windows"),
    }
}
