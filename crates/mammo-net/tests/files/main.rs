//! Files of weights from outside: what PyTorch writes is read as PyTorch reads it, and whatever a
//! file holds, reading it ends in an error or in the right tensors.
//!
//! In a process of its own, because the peak of memory is the process's.

#[path = "../it/python.rs"]
mod python;

mod archive;
mod damage;
mod hostile;
mod torch;

use std::path::Path;

use mammo_net::weights::{Tensors, read};

/// What comes of these bytes in a file of this name.
fn load(folder: &Path, name: &str, bytes: &[u8]) -> Result<Tensors, String> {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    read(&path).map_err(|error| error.to_string())
}
