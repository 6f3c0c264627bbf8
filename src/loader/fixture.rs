//! A table without a release, for tests that read no images.

use std::path::PathBuf;

use serde_json::Value;

use crate::config::ShardFormat;
use crate::dataset::Role;
use crate::image::Rect;
use crate::image::{Geometry, Orientation};
use crate::record::{Id, ImageRecord};
use crate::shard::Shape;
use crate::shard::flags::Flags;
use crate::shard::manifest::{Entry, PlanFacts};
use crate::shard::table::{Row, Table};

/// Rows in a shard.
const SHARD: usize = 40;

/// A table of `count` rows in shards of 40.
pub fn table(count: usize, has_cancer: impl Fn(usize) -> bool) -> Table {
    let plan = PlanFacts {
        format_version: 1,
        pixel_version: 1,
        settings: Value::Null,
        table_sha256: String::new(),
        listing_sha256: String::new(),
        images: count,
        bytes: 0,
        missing: 0,
        strays: 0,
    };
    let entry = |shard: usize| Entry {
        shard,
        first: shard * SHARD,
        planned: SHARD,
        file: Some(format!("shards/{shard}.parquet")),
        rows: SHARD.min(count - shard * SHARD),
        bytes: 0,
        sha256: String::new(),
        rejected: Vec::new(),
        notes: Default::default(),
    };
    Table {
        release: PathBuf::new(),
        plan_sha256: plan.sha256(),
        plan,
        tool: String::new(),
        shards: (0..count.div_ceil(SHARD)).map(entry).collect(),
        shape: Shape {
            height: 4,
            width: 3,
            bits: 8,
            format: ShardFormat::Parquet,
            extra: Vec::new(),
            boxes: false,
        },
        compression: None,
        rows: (0..count).map(|index| row(index, has_cancer(index))).collect(),
    }
}

fn row(index: usize, cancer: bool) -> Row {
    let id = |text: String| Id::new(&text).expect("digits are a name");
    let record = ImageRecord::unlabelled(id((index / 4).to_string()), id(index.to_string()));
    let whole = Rect::whole(3, 4);
    Row {
        record: ImageRecord { cancer: Some(cancer), ..record },
        role: Role::Fold((index % 5) as u16),
        shard: index / SHARD,
        row: index % SHARD,
        checksum: 0,
        geometry: Geometry {
            crop: whole,
            content: whole,
            width: 3,
            height: 4,
            orientation: Orientation::Kept,
        },
        breast: whole,
        source: (3, 4),
        spacing: None,
        roi_method: "air".into(),
        roi_confidence: 1.0,
        flags: Flags::default(),
        source_path: String::new(),
        source_sha256: None,
    }
}
