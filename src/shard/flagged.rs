//! The number of images with each quality flag, and a warning where flags touch many of them.
//!
//! In: the columns `quality_*` of a release, or flags counted elsewhere. Out: [`Flagged`]. The counts
//! of `preprocess` and of the page are the same ones.

use std::path::Path;

use super::cells::Cells;
use super::flags::Flag;
use super::manifest::Entry;
use super::reader::ShardReader;
use crate::error::Fault;
use crate::number::{count, percent};

/// The share of flagged images above which a setting or the dataset is the likely cause.
pub const MANY: f64 = 0.2;

/// Images by flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flagged {
    /// All images.
    pub images: usize,
    /// Images with one flag or more.
    pub flagged: usize,
    /// The flags that some image has, with their images.
    pub flags: Vec<(Flag, usize)>,
}

impl Flagged {
    /// Counts the rows of the shards of `entries` in the release `folder`. Reads the columns of the
    /// flags alone.
    ///
    /// # Errors
    /// A [`Fault`] if a shard cannot be read.
    pub fn read<'e>(
        folder: &Path,
        entries: impl Iterator<Item = &'e Entry>,
    ) -> Result<Self, Fault> {
        let names = Flag::ALL.map(|flag| format!("quality_{}", flag.as_str()));
        let mut counts = [0; Flag::ALL.len()];
        let (mut images, mut flagged) = (0, 0);
        for file in entries.filter_map(|entry| entry.file.as_ref()) {
            let path = folder.join(file);
            let schema = ShardReader::open(&path, None)?.schema();
            let has = |name: &&str| schema.field_with_name(name).is_ok();
            let wanted: Vec<&str> = names.iter().map(String::as_str).filter(has).collect();
            for batch in ShardReader::open(&path, Some(&wanted))? {
                let batch = batch?;
                let cells = Cells(&batch);
                images += batch.num_rows();
                for row in 0..batch.num_rows() {
                    let raised =
                        names.each_ref().map(|name| cells.boolean(name, row) == Some(true));
                    flagged += usize::from(raised.contains(&true));
                    counts.iter_mut().zip(raised).for_each(|(n, is)| *n += usize::from(is));
                }
            }
        }
        Ok(Self::new(images, flagged, Flag::ALL.into_iter().zip(counts)))
    }

    /// The counts, most frequent flag first.
    pub fn new(images: usize, flagged: usize, counts: impl Iterator<Item = (Flag, usize)>) -> Self {
        let mut flags: Vec<_> = counts.filter(|(_, n)| *n > 0).collect();
        flags.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        Self { images, flagged, flags }
    }

    /// Whether flags touch more than [`MANY`] of the images.
    pub fn are_many(&self) -> bool {
        self.flagged as f64 > MANY * self.images as f64
    }

    /// `polarity 214, flat 3`.
    pub fn by_flag(&self) -> String {
        let each = |(flag, n): &(Flag, usize)| format!("{} {}", flag.as_str(), count(*n));
        self.flags.iter().map(each).collect::<Vec<_>>().join(", ")
    }

    /// Which flags, the likely cause of the most frequent one, and what to try, in one line; `None`
    /// where flags touch few images.
    pub fn warning(&self) -> Option<String> {
        let (first, _) = self.flags.first().filter(|_| self.are_many())?;
        Some(format!(
            "{} of {} images ({}) have a quality flag: {}. Likely cause of {}: {}. To try: {}",
            count(self.flagged),
            count(self.images),
            percent(self.flagged, self.images),
            self.by_flag(),
            first.as_str(),
            first.likely_cause(),
            first.to_try()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_fifth_of_the_images_is_a_warning_that_names_the_commonest_flag() {
        let of = |n| Flagged::new(10, n, [(Flag::Torn, 1), (Flag::Saturated, n)].into_iter());
        assert_eq!(of(2).warning(), None);
        let warning = of(3).warning().unwrap();
        for expected in ["3 of 10 images (30.0 %)", "saturated 3, torn 1", "window.mode=percentile"]
        {
            assert!(warning.contains(expected), "{expected} in {warning}");
        }
        assert_eq!(Flagged::default().warning(), None);
    }

    #[test]
    fn each_flag_is_found_by_its_name() {
        for flag in Flag::ALL {
            assert_eq!(Flag::of(flag.as_str()), Some(flag));
        }
    }
}
