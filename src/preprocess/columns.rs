//! The columns of a shard, made from samples. One list gives both the schema and the rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, FixedSizeListArray, Float32Builder, ListBuilder, StringArray,
    StringBuilder, UInt8Array, UInt16Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::stages::Sample;
use crate::config::ShardFormat;
use crate::dataset::Role;
use crate::image::{Orientation, Pixels};
use crate::record::ImageRecord;
use crate::shard::Shape;
use crate::shard::flags::Flag;
use crate::shard::image::checksum;
use crate::shard::records::{self, Column, OfImage, boolean, double, float, integer, text};
use crate::store::hex;

/// The schema of a shard.
pub fn schema(shape: &Shape) -> SchemaRef {
    batch(&[], shape).schema()
}

/// Makes a record batch with one row per sample.
pub fn batch(samples: &[Sample], shape: &Shape) -> RecordBatch {
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for Column { name, about, array } in records::columns(samples)
        .into_iter()
        .chain(extra(samples, shape))
        .chain(source(samples))
        .chain(processing(samples))
        .chain(quality(samples))
    {
        let about = HashMap::from([("description".to_owned(), about.to_owned())]);
        fields.push(Field::new(name, array.data_type().clone(), true).with_metadata(about));
        arrays.push(array);
    }
    let checksums = samples.iter().map(|s| checksum(&s.pixels.to_bytes()));
    let about = "XXH3 (64 bits) of the image's bytes".to_owned();
    fields.push(
        Field::new("checksum", DataType::UInt64, true)
            .with_metadata(HashMap::from([("description".to_owned(), about)])),
    );
    arrays.push(Arc::new(UInt64Array::from_iter_values(checksums)));
    let (field, array) = image(samples, shape);
    fields.push(field);
    arrays.push(array);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .expect("every column is made from the same samples, with its own type")
}

impl OfImage for Sample {
    fn record(&self) -> &ImageRecord {
        &self.facts.job.record
    }

    fn role(&self) -> Role {
        self.facts.job.role
    }
}

/// The further columns of the table.
fn extra(s: &[Sample], shape: &Shape) -> Vec<Column> {
    let column = |(index, name): (usize, &String)| {
        text(name, "further column of the table, as text", s, |s| {
            s.facts.job.record.extra[index].as_deref()
        })
    };
    shape.extra.iter().enumerate().map(column).chain(shape.boxes.then(|| boxes(s))).collect()
}

/// The boxes around lesions: four numbers each, one after the other.
fn boxes(s: &[Sample]) -> Column {
    let mut builder = ListBuilder::new(Float32Builder::new());
    for sample in s {
        let boxes = &sample.facts.job.record.boxes;
        boxes.iter().flatten().for_each(|side| builder.values().append_value(*side));
        builder.append(true);
    }
    Column {
        name: "lesion_boxes".to_owned(),
        about: "boxes around lesions in source pixels: left, top, right, bottom of each",
        array: Arc::new(builder.finish()),
    }
}

/// Columns about the source file and its header.
fn source(s: &[Sample]) -> Vec<Column> {
    vec![
        text(
            "source_path",
            "path of the source file below the input folder, or its keyed hash (dataset.keep_paths)",
            s,
            |s| Some(&s.facts.job.name),
        ),
        integer("source_bytes", "size of the source file in bytes", s, |s| {
            Some(s.facts.file.bytes as i64)
        }),
        owned(
            "source_sha256",
            "SHA-256 of the source file; null if it was not read whole",
            s,
            |s| s.facts.file.sha256.map(|sha256| hex(&sha256)),
        ),
        text("transfer_syntax", "Transfer Syntax UID", s, |s| Some(s.facts.header.syntax.uid())),
        text("decoder", "decoder that was used", s, |s| Some(s.facts.decoder.as_str())),
        text("photometric", "Photometric Interpretation: MONOCHROME1 or MONOCHROME2", s, |s| {
            Some(s.facts.header.layout.photometric.as_str())
        }),
        integer("bits_stored", "Bits Stored: bits of a stored value", s, |s| {
            Some(s.facts.header.layout.bits_stored.into())
        }),
        integer("rows", "height of the source in pixels", s, |s| {
            Some(s.facts.header.layout.rows.into())
        }),
        integer("columns", "width of the source in pixels", s, |s| {
            Some(s.facts.header.layout.columns.into())
        }),
        text("manufacturer", "manufacturer of the machine, from the header", s, |s| {
            s.facts.header.manufacturer.as_deref()
        }),
        text("model", "model of the machine, from the header", s, |s| {
            s.facts.header.model.as_deref()
        }),
        text(
            "presentation_intent",
            "Presentation Intent Type: FOR PRESENTATION or FOR PROCESSING; null if not known",
            s,
            |s| s.facts.header.intent.as_deref(),
        ),
        text("header_laterality", "side in the header: L or R; null if not known", s, |s| {
            s.facts.header.laterality.map(|side| side.as_str())
        }),
        text("header_view", "projection in the header, as a code; null if not known", s, |s| {
            s.facts.header.view_code()
        }),
        notes(s),
        double(
            "spacing_row_mm",
            "distance between source rows at the breast in mm; null if not known",
            s,
            |s| s.facts.spacing.map(|p| p.row.0),
        ),
        double(
            "spacing_column_mm",
            "distance between source columns at the breast in mm; null if not known",
            s,
            |s| s.facts.spacing.map(|p| p.column.0),
        ),
    ]
}

/// The column of the notes.
fn notes(s: &[Sample]) -> Column {
    let mut codes = ListBuilder::new(StringBuilder::new());
    for sample in s {
        codes.append_value(sample.facts.notes.iter().map(|note| Some(note.as_str())));
    }
    let about = "what was unusual about the file, as stable codes; an empty list if nothing was";
    Column { name: "notes".to_owned(), about, array: Arc::new(codes.finish()) }
}

/// Columns about the processing: window, box, crop and geometry.
fn processing(s: &[Sample]) -> Vec<Column> {
    let pixel = |value: usize| Some(value as i64);
    vec![
        text(
            "window_source",
            "origin of the window: the file, the image, or the full range",
            s,
            |s| Some(s.window.source.as_str()),
        ),
        text("window_function", "VOI LUT Function; null without a window", s, |s| {
            s.window.function.map(|f| f.as_str())
        }),
        double(
            "window_center",
            "window centre in modality values; null without a window",
            s,
            |s| s.window.center,
        ),
        double("window_width", "window width in modality values; null without a window", s, |s| {
            s.window.width
        }),
        integer("window_index", "index of the window or table in the file, from 0", s, |s| {
            s.window.index.map(|i| i as i64)
        }),
        integer("breast_left", "left edge of the breast's box in source pixels", s, |s| {
            pixel(s.found.breast.left)
        }),
        integer("breast_top", "top edge of the breast's box in source pixels", s, |s| {
            pixel(s.found.breast.top)
        }),
        integer("breast_width", "width of the breast's box in source pixels", s, |s| {
            pixel(s.found.breast.width)
        }),
        integer("breast_height", "height of the breast's box in source pixels", s, |s| {
            pixel(s.found.breast.height)
        }),
        text("roi_method", "method that found the breast's box", s, |s| {
            Some(s.found.method.as_str())
        }),
        float(
            "roi_confidence",
            "confidence of the breast's box, 0 (whole frame) to 1; not a probability",
            s,
            |s| Some(s.found.confidence),
        ),
        integer("crop_left", "left edge of the crop in source pixels", s, |s| {
            pixel(s.geometry.crop.left)
        }),
        integer("crop_top", "top edge of the crop in source pixels", s, |s| {
            pixel(s.geometry.crop.top)
        }),
        integer("crop_width", "width of the crop in source pixels", s, |s| {
            pixel(s.geometry.crop.width)
        }),
        integer("crop_height", "height of the crop in source pixels", s, |s| {
            pixel(s.geometry.crop.height)
        }),
        integer(
            "content_left",
            "left edge of the crop in the output image, in output pixels; the rest is padding",
            s,
            |s| pixel(s.geometry.content.left),
        ),
        integer(
            "content_top",
            "top edge of the crop in the output image, in output pixels",
            s,
            |s| pixel(s.geometry.content.top),
        ),
        integer(
            "content_width",
            "width of the crop in the output image, in output pixels",
            s,
            |s| pixel(s.geometry.content.width),
        ),
        integer(
            "content_height",
            "height of the crop in the output image, in output pixels",
            s,
            |s| pixel(s.geometry.content.height),
        ),
        boolean(
            "mirrored",
            "whether the crop is mirrored left to right in the output image",
            s,
            |s| Some(s.geometry.orientation == Orientation::Mirrored),
        ),
    ]
}

/// Columns about the image quality: measurements, and the flags that follow from them.
fn quality(s: &[Sample]) -> Vec<Column> {
    let measurements = [
        float(
            "quality_air_share",
            "share of the frame that is air; null if no air was found",
            s,
            |s| s.quality.air_share,
        ),
        float(
            "quality_entropy_bits",
            "entropy of the breast's grey levels in bits, 0 to 8",
            s,
            |s| Some(s.quality.entropy_bits),
        ),
        float(
            "quality_saturated_share",
            "share of the breast that the window makes black or white",
            s,
            |s| Some(s.quality.saturated_share),
        ),
        float(
            "quality_seam",
            "longest seam along a row, as a share of the width; 1 if a tile of air is noise",
            s,
            |s| Some(s.quality.seam),
        ),
        integer("quality_surplus_bytes", "bytes of compressed data that no pixel needed", s, |s| {
            Some(s.quality.surplus_bytes as i64)
        }),
    ];
    let flags = Flag::ALL.map(|flag| {
        let name = format!("quality_{}", flag.as_str());
        boolean(&name, flag.about(), s, move |s| Some(s.quality.flags.contains(flag)))
    });
    measurements.into_iter().chain(flags).collect()
}

/// The columns `checksum` and `image`.
fn image(s: &[Sample], shape: &Shape) -> (Field, ArrayRef) {
    let metadata = |pairs: &[(&str, String)]| -> HashMap<String, String> {
        pairs.iter().map(|(k, v)| (k.to_string(), v.clone())).collect()
    };
    let mut about = metadata(&[
        ("height", shape.height.to_string()),
        ("width", shape.width.to_string()),
        ("dtype", shape.dtype().to_owned()),
        (
            "description",
            "grey levels, row by row, little-endian; the breast is bright, air is 0".to_owned(),
        ),
    ]);
    match shape.format {
        ShardFormat::Parquet => {
            let bytes: Vec<Vec<u8>> = s.iter().map(|s| s.pixels.to_bytes()).collect();
            let array = BinaryArray::from_iter_values(bytes);
            (Field::new("image", DataType::Binary, true).with_metadata(about), Arc::new(array))
        }
        ShardFormat::Tensor => {
            let values: ArrayRef = match shape.bits {
                8 => {
                    Arc::new(UInt8Array::from_iter_values(s.iter().flat_map(|s| match &s.pixels {
                        Pixels::U8(plane) => plane.pixels().iter().copied(),
                        Pixels::U16(_) => unreachable!("the plan has 8 bits"),
                    })))
                }
                _ => Arc::new(UInt16Array::from_iter_values(s.iter().flat_map(
                    |s| match &s.pixels {
                        Pixels::U16(plane) => plane.pixels().iter().copied(),
                        Pixels::U8(_) => unreachable!("the plan has 16 bits"),
                    },
                ))),
            };
            let size = (shape.height * shape.width) as i32;
            // pyarrow recognises the tensor only if its items are nullable.
            let item = Arc::new(Field::new("item", values.data_type().clone(), true));
            let array = FixedSizeListArray::new(Arc::clone(&item), size, values, None);
            about.extend(metadata(&[
                ("ARROW:extension:name", "arrow.fixed_shape_tensor".to_owned()),
                (
                    "ARROW:extension:metadata",
                    format!("{{\"shape\":[{},{}]}}", shape.height, shape.width),
                ),
            ]));
            let kind = DataType::FixedSizeList(item, size);
            (Field::new("image", kind, true).with_metadata(about), Arc::new(array))
        }
    }
}

fn owned(
    name: &str,
    about: &'static str,
    samples: &[Sample],
    get: impl Fn(&Sample) -> Option<String>,
) -> Column {
    let array = StringArray::from_iter(samples.iter().map(get));
    Column { name: name.to_owned(), about, array: Arc::new(array) }
}
