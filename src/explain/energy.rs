//! The share of the maps' energy inside the breast, in `explain.json`, with the worst images
//! first.

use serde::{Deserialize, Serialize};

/// The share of one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The image.
    pub image_id: String,
    /// The predicted probability.
    pub probability: f64,
    /// Share of the map's energy inside the breast's box; `None` if the map is empty, because no
    /// place raised the score.
    pub inside: Option<f64>,
}

/// The shares of several images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// Number of images explained.
    pub images: usize,
    /// Number of images whose map is not empty.
    pub with_map: usize,
    /// Mean share; `None` without any map.
    pub mean: Option<f64>,
    /// Median share; of an even number the lower of the two in the middle.
    pub median: Option<f64>,
    /// Share of the maps with most of their energy outside the breast.
    pub mostly_outside: Option<f64>,
    /// The lowest shares, lowest first.
    pub worst: Vec<Share>,
}

impl Energy {
    /// Summarises these images; the `worst` of them are listed.
    pub fn of(mut shares: Vec<Share>, worst: usize) -> Self {
        let images = shares.len();
        shares.retain(|share| share.inside.is_some());
        let inside = |share: &Share| share.inside.unwrap_or(f64::NAN);
        shares.sort_by(|a, b| {
            inside(a).total_cmp(&inside(b)).then_with(|| a.image_id.cmp(&b.image_id))
        });
        let count = shares.len() as f64;
        let mean = |value: &dyn Fn(&Share) -> f64| {
            (!shares.is_empty()).then(|| shares.iter().map(value).sum::<f64>() / count)
        };
        Self {
            images,
            with_map: shares.len(),
            mean: mean(&inside),
            median: shares.get(shares.len().saturating_sub(1) / 2).map(inside),
            mostly_outside: mean(&|share| f64::from(u8::from(inside(share) < 0.5))),
            worst: shares.into_iter().take(worst).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(image_id: &str, inside: Option<f64>) -> Share {
        Share { image_id: image_id.into(), probability: 0.5, inside }
    }

    #[test]
    fn the_worst_come_first_and_what_has_no_map_counts_for_nothing() {
        let shares = vec![
            share("a", Some(0.9)),
            share("b", Some(0.2)),
            share("c", None),
            share("d", Some(1.0)),
            share("e", Some(0.2)),
        ];
        let energy = Energy::of(shares, 3);
        assert_eq!((energy.images, energy.with_map), (5, 4));
        assert_eq!((energy.mean, energy.median), (Some(0.575), Some(0.2)));
        assert_eq!(energy.mostly_outside, Some(0.5));
        let worst: Vec<&str> = energy.worst.iter().map(|share| share.image_id.as_str()).collect();
        assert_eq!(worst, ["b", "e", "a"]);
    }

    #[test]
    fn without_maps_there_are_no_figures() {
        let energy = Energy::of(vec![share("a", None)], 3);
        assert_eq!((energy.images, energy.with_map), (1, 0));
        assert_eq!((energy.mean, energy.median, energy.mostly_outside), (None, None, None));
    }
}
