//! The release: the output of preprocessing, which all later commands read.
//!
//! ```text
//! release/
//!   plan.json             the plan; a run with another plan is refused
//!   manifest/shard-*.json one entry per finished shard, which is then never redone
//!   shards/shard-*        the rows, each file named by number and content
//!   manifest.json         describes the release; exists only when it is complete
//!   quarantine.csv        quarantined files, each with the reason
//!   report.html           the page of the release
//! ```

pub mod manifest;
pub mod quarantine;
pub mod release;
mod seal;
pub mod sources;
pub mod image;
pub(crate) mod records;
pub mod flags;
pub mod flagged;
pub mod notes;
mod shape;
mod error;
mod folder;
pub mod cells;
pub mod writer;
pub mod map;
pub mod guard;
pub mod tensor;
pub mod reader;
pub mod table;
pub mod verify;

pub use error::ReleaseError;
pub use folder::ReleaseFolder;
pub use shape::Shape;
