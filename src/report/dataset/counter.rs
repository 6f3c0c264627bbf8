//! Counts of images by a value, with their labels.

use std::collections::BTreeMap;

/// Images by value, with how many of them have a label and cancer.
#[derive(Debug, Clone, Default)]
pub struct Counter(BTreeMap<Option<String>, Share>);

/// A number of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// All images.
    pub images: usize,
    /// Images with a label.
    pub labelled: usize,
    /// Images with cancer.
    pub cancer: usize,
}

impl Share {
    /// Counts an image by its label.
    pub fn add(&mut self, cancer: Option<bool>) {
        self.images += 1;
        self.labelled += usize::from(cancer.is_some());
        self.cancer += usize::from(cancer == Some(true));
    }
}

impl Counter {
    /// Counts an image by its value, which may be absent, and its label.
    pub fn add(&mut self, value: Option<impl ToString>, cancer: Option<bool>) {
        self.0.entry(value.map(|value| value.to_string())).or_default().add(cancer);
    }

    /// The values and their images, most frequent first.
    pub fn by_frequency(&self) -> Vec<(&str, Share)> {
        let mut all = self.natural();
        all.sort_by_key(|(_, share)| std::cmp::Reverse(share.images));
        all
    }

    /// The values in natural order: a number at the end is sorted by its value.
    pub fn natural(&self) -> Vec<(&str, Share)> {
        let mut all: Vec<_> = self
            .0
            .iter()
            .map(|(value, share)| (value.as_deref().unwrap_or("not given"), *share))
            .collect();
        all.sort_by_cached_key(|(value, _)| {
            let word = value.trim_end_matches(|c: char| c.is_ascii_digit());
            (word.to_owned(), value[word.len()..].parse::<u64>().ok())
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenth_fold_comes_after_the_second() {
        let mut counter = Counter::default();
        for value in ["fold 10", "locked", "fold 2"] {
            counter.add(Some(value), None);
        }
        let names: Vec<&str> = counter.natural().iter().map(|(value, _)| *value).collect();
        assert_eq!(names, ["fold 2", "fold 10", "locked"]);
    }
}
