//! The release: what preprocessing leaves and everything later reads.
//!
//! ```text
//! release/
//!   plan.json             what is to be done; a run with another plan is refused
//!   manifest/shard-*.json one entry a finished shard: from here on it is never redone
//!   shards/shard-*        the rows, each file named by number and content
//!   manifest.json         all of it; there only when the release is complete
//!   quarantine.csv        what was set aside, with the reason
//!   report.html           what to look at
//! ```

pub mod manifest;
pub mod quarantine;
pub mod release;
pub mod image;
pub(crate) mod records;
pub mod flags;
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
