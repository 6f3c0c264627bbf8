use std::collections::BTreeMap;

use super::*;
use crate::loader::fixture::table;
use crate::loader::sample::SamplingError;

const DROP: Remainder = Remainder::Drop;

fn order(count: usize, positives: usize, shuffle: Shuffle, sampling: Sampling) -> Order {
    let table = table(count, |row| row < positives);
    let rows: Vec<usize> = (0..count).collect();
    sampling.check(positives, count - positives, 16).unwrap();
    Order::new(&table, &rows, (5, 16), (shuffle, Remainder::Keep), sampling)
}

fn counts(rows: &[u32]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(*row).or_default() += 1);
    counts
}

#[test]
fn every_order_is_a_permutation_and_the_same_whenever_it_is_asked_for() {
    for shuffle in [Shuffle::Sequential, Shuffle::Rows, Shuffle::Blocks { window: 3 }] {
        let order = order(1003, 10, shuffle, Sampling::default());
        let first = order.epoch(0);
        assert_eq!(counts(&first), (0..1003).map(|row| (row, 1)).collect(), "{shuffle:?}");
        assert_eq!(order.epoch(7), order.clone().epoch(7));
        let moved = first.iter().zip(0..).filter(|(row, place)| **row != *place).count();
        let changed = first.iter().zip(order.epoch(1)).filter(|(a, b)| **a != *b).count();
        match shuffle {
            Shuffle::Sequential => assert_eq!((moved, changed), (0, 0)),
            _ => assert!(moved > 950 && changed > 950, "{shuffle:?}: {moved}, {changed}"),
        }
    }
}

#[test]
fn a_shuffle_of_rows_is_uniform() {
    // Where the first of 8 rows comes, over 8000 epochs: 1000 times at each place, give or
    // take 4.5 standard deviations.
    let order = order(8, 0, Shuffle::Rows, Sampling::default());
    let mut places = [0; 8];
    for epoch in 0..8000 {
        places[order.epoch(epoch).iter().position(|row| *row == 0).unwrap()] += 1;
    }
    assert!(places.iter().all(|n| (870..1130).contains(n)), "{places:?}");
}

#[test]
fn no_more_blocks_than_the_window_are_open_at_once() {
    // Shards of 40 rows: blocks of 16, 16 and 8.
    let order = order(400, 0, Shuffle::Blocks { window: 4 }, Sampling::default());
    let rows = order.epoch(3);
    let block = |row: u32| (row / 40, row % 40 / 16);
    let mut last = BTreeMap::new();
    rows.iter().enumerate().for_each(|(place, row)| {
        last.insert(block(*row), place);
    });
    let mut first = BTreeMap::new();
    rows.iter().enumerate().rev().for_each(|(place, row)| {
        first.insert(block(*row), place);
    });
    let open =
        |place: usize| first.keys().filter(|b| first[*b] <= place && place <= last[*b]).count();
    let most = (0..rows.len()).map(open).max().unwrap();
    assert!((3..=4).contains(&most), "{most}");
    let neighbours = rows.windows(2).filter(|pair| block(pair[0]) == block(pair[1])).count();
    assert!(neighbours < 160, "rows are mixed across blocks: {neighbours} of 399");
}

#[test]
fn every_batch_has_its_positives_and_every_other_row_comes_once() {
    let sampling = Sampling { positives_per_batch: 2, oversample_positives: 1.0 };
    let order = order(1003, 20, Shuffle::Rows, sampling);
    let rows = order.epoch(0);
    assert_eq!(rows.len(), order.len());
    assert_eq!(rows.len() % 16, 0);
    for batch in rows.chunks(16) {
        assert!(batch.iter().filter(|row| **row < 20).count() >= 2, "{batch:?}");
    }
    let counts = counts(&rows);
    assert!((20..1003).all(|row| counts[&row] == 1));
    let times: Vec<usize> = (0..20).map(|row| counts[&row]).collect();
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(most - least <= 1, "{times:?}");
    let ahead = rows.chunks(16).filter(|batch| batch[0] < 20).count();
    assert!(ahead < 20, "positives come anywhere in a batch, first in {ahead} of 71");
}

#[test]
fn oversampling_repeats_each_positive_and_says_what_that_makes_of_the_prior() {
    let sampling = Sampling { positives_per_batch: 0, oversample_positives: 5.0 };
    let order = order(1000, 20, Shuffle::Blocks { window: 2 }, sampling);
    let rows = order.epoch(1);
    let counts = counts(&rows);
    // 980 + 5 * 20 = 1080 rows fill 67.5 batches; the free half is filled with positives.
    assert_eq!(rows.len(), 68 * 16);
    assert!((0..20).all(|row| (5..=6).contains(&counts[&row])), "{counts:?}");
    let prior = order.prior().unwrap();
    assert_eq!(prior.natural, 0.02);
    assert_eq!(prior.sampled, 108.0 / 1088.0);
    // ln((108/980) / (20/980)) = ln 5.4
    assert!((prior.logit_shift() - 5.4_f64.ln()).abs() < 1e-12);
}

#[test]
fn a_remainder_is_dropped_unless_it_is_all_there_is() {
    let rows: Vec<usize> = (0..35).collect();
    let table = table(35, |_| false);
    let order = |rows: &[usize], remainder| {
        let sampling = Sampling::default();
        Order::new(&table, rows, (1, 16), (Shuffle::Rows, remainder), sampling)
    };
    assert_eq!(order(&rows, DROP).epoch(0).len(), 32);
    assert_eq!(order(&rows, Remainder::Keep).epoch(0).len(), 35);
    assert_eq!(order(&rows[..5], DROP).epoch(0).len(), 5);
    assert_eq!(order(&rows, DROP).epoch(0), order(&rows, Remainder::Keep).epoch(0)[..32]);
}

#[test]
fn what_cannot_be_sampled_is_refused() {
    let check = |positives_per_batch, oversample_positives, positives| {
        Sampling { positives_per_batch, oversample_positives }.check(positives, 100, 16)
    };
    assert_eq!(check(1, 1.0, 0), Err(SamplingError::NoPositives(100)));
    assert_eq!(check(16, 1.0, 9), Err(SamplingError::NoRoom { positives: 16, batch: 16 }));
    assert!(matches!(check(1, 0.5, 9), Err(SamplingError::Factor(_))));
    assert_eq!(check(15, 1.0, 9), Ok(()));
    assert_eq!(check(0, 1.0, 0), Ok(()));
}
