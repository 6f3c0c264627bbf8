//! Folds on random tables: what must hold whatever the table.

use proptest::prelude::*;

use super::*;
use crate::config::Config;

/// A table's row, owned.
#[derive(Debug, Clone)]
struct Row {
    patient: String,
    cancer: Option<bool>,
    site: Option<i64>,
    machine: Option<i64>,
}

fn members(rows: &[Row]) -> Vec<Member<'_>> {
    rows.iter().map(member).collect()
}

fn member(row: &Row) -> Member<'_> {
    Member {
        split: Split::Train,
        patient_id: &row.patient,
        laterality: Some(Laterality::Left),
        cancer: row.cancer,
        site_id: row.site,
        machine_id: row.machine,
        density: None,
    }
}

fn config() -> FoldsConfig {
    Config::default().folds
}

fn row() -> impl Strategy<Value = Row> {
    (
        0..60u32,
        prop::option::weighted(0.9, prop::bool::weighted(0.2)),
        prop::option::weighted(0.9, 1..4i64),
        prop::option::weighted(0.9, 20..26i64),
    )
        .prop_map(|(patient, cancer, site, machine)| Row {
            patient: patient.to_string(),
            cancer,
            site,
            machine,
        })
}

fn scheme() -> impl Strategy<Value = FoldsConfig> {
    let schemes = [FoldScheme::Patient, FoldScheme::Site, FoldScheme::Machine];
    let strata = vec![Stratum::Cancer, Stratum::SiteId, Stratum::MachineId, Stratum::Density];
    (
        prop::sample::select(schemes.to_vec()),
        2..7u16,
        any::<u64>(),
        prop::sample::subsequence(strata, 0..=4),
        prop::sample::select(vec![0.0, 0.1, 0.35]),
        prop::option::of(prop::sample::select(vec![0.5, 1.0, 3.0])),
    )
        .prop_map(|(scheme, count, seed, stratify, locked_share, negatives_per_positive)| {
            FoldsConfig { scheme, count, seed, stratify, locked_share, negatives_per_positive }
        })
}

/// The one role of each patient.
fn by_patient(rows: &[Row], roles: &[Role]) -> BTreeMap<String, Role> {
    rows.iter().map(|row| row.patient.clone()).zip(roles.iter().copied()).collect()
}

proptest! {
    #[test]
    fn no_patient_is_ever_in_two_groups(
        rows in prop::collection::vec(row(), 1..200),
        config in scheme(),
    ) {
        let Ok(roles) = assign(members(&rows), &config) else { return Ok(()) };
        let audit = audit(members(&rows), &roles, &config).unwrap();
        let images: usize = audit.groups.iter().map(|group| group.all.images).sum();
        let patients: usize = audit.groups.iter().map(|group| group.all.patients).sum();
        prop_assert_eq!(images, rows.len());
        prop_assert_eq!(patients, by_patient(&rows, &roles).len());
    }

    #[test]
    fn the_order_of_the_rows_changes_nothing(
        (rows, shuffled) in prop::collection::vec(row(), 1..100)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        config in scheme(),
    ) {
        let roles = assign(members(&rows), &config);
        let again = assign(members(&shuffled), &config);
        prop_assert_eq!(roles.is_ok(), again.is_ok());
        if let (Ok(roles), Ok(again)) = (roles, again) {
            prop_assert_eq!(by_patient(&rows, &roles), by_patient(&shuffled, &again));
        }
    }

    #[test]
    fn every_stratum_is_shared_out_to_within_one_patient(
        rows in prop::collection::vec(row(), 1..300),
        count in 2..7u16,
        seed: u64,
        locked_share in 0.0..0.6f64,
    ) {
        let config = FoldsConfig { count, seed, locked_share, ..config() };
        let roles = by_patient(&rows, &assign(members(&rows), &config).unwrap());
        let images = members(&rows);
        let mut strata: BTreeMap<_, Vec<Role>> = BTreeMap::new();
        for patient in patients(&images) {
            strata.entry(patient.stratum(&config.stratify)).or_default().push(roles[patient.id]);
        }
        let of = |roles: &[Role], role| roles.iter().filter(|&&r| r == role).count();
        for stratum in strata.values() {
            let sizes: Vec<_> = (0..count).map(|fold| of(stratum, Role::Fold(fold))).collect();
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{:?}", sizes);
            let locked = of(stratum, Role::Locked) as f64;
            let exact = locked_share * stratum.len() as f64;
            prop_assert!((locked - exact).abs() <= 1.5, "{} of {}", locked, exact);
        }
        let all: Vec<_> = roles.values().copied().collect();
        let locked = of(&all, Role::Locked) as f64;
        prop_assert!((locked - locked_share * all.len() as f64).abs() <= 0.5);
        let sizes: Vec<_> = (0..count).map(|fold| of(&all, Role::Fold(fold))).collect();
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
    }

    #[test]
    fn negatives_are_left_out_down_to_the_ratio(
        rows in prop::collection::vec(row(), 1..300),
        ratio in 0.2..4.0f64,
    ) {
        let config = FoldsConfig { negatives_per_positive: Some(ratio), ..config() };
        let images = members(&rows);
        let patients = patients(&images);
        let count = |cancer| patients.iter().filter(|p| p.cancer == Some(cancer)).count();
        match assign(members(&rows), &config) {
            Err(error) => {
                prop_assert_eq!(error, FoldsError::NoPositives);
                prop_assert_eq!(count(true), 0);
            }
            Ok(roles) => {
                let roles = by_patient(&rows, &roles);
                let kept = |p: &&Patient| matches!(roles[p.id], Role::Fold(_));
                let negatives = patients.iter().filter(|p| p.cancer == Some(false));
                let wanted = ((ratio * count(true) as f64) as usize).min(count(false));
                prop_assert_eq!(negatives.filter(kept).count(), wanted);
                let others = patients.iter().filter(|p| p.cancer != Some(false));
                prop_assert_eq!(others.clone().filter(kept).count(), others.count());
            }
        }
    }

    #[test]
    fn one_patient_more_moves_at_most_one_across_each_cut(
        rows in prop::collection::vec(row(), 1..200),
        newcomer in row(),
        seed: u64,
    ) {
        let config = FoldsConfig { seed, stratify: vec![], ..config() };
        let before = by_patient(&rows, &assign(members(&rows), &config).unwrap());
        let mut rows = rows;
        rows.push(Row { patient: "newcomer".into(), ..newcomer });
        let after = by_patient(&rows, &assign(members(&rows), &config).unwrap());
        let moved = before.iter().filter(|(patient, role)| after[*patient] != **role).count();
        prop_assert!(moved < usize::from(config.count), "{} moved", moved);
    }

    #[test]
    fn a_held_out_machine_holds_no_patient_of_another_fold(
        rows in prop::collection::vec(row(), 1..200),
    ) {
        let config = FoldsConfig { scheme: FoldScheme::Machine, ..config() };
        let Ok(roles) = assign(members(&rows), &config) else { return Ok(()) };
        let audit = audit(members(&rows), &roles, &config).unwrap();
        let held_out: Vec<_> = audit.groups.iter().map(|group| group.held_out).collect();
        let mut sorted = held_out.clone();
        sorted.sort_by_key(|value| (value.is_none(), *value));
        sorted.dedup();
        prop_assert_eq!(held_out, sorted);
        if audit.straddling.machines == 0 {
            for group in &audit.groups {
                let known = group.machines.iter().filter_map(|m| m.value);
                prop_assert!(known.eq(group.held_out));
            }
        }
    }
}

fn rows(text: &str) -> Vec<Row> {
    let row = |line: &str| {
        let mut fields = line.split_whitespace();
        let patient = fields.next().unwrap().to_owned();
        let mut number = || fields.next().unwrap().parse::<i64>().ok();
        Row { patient, cancer: number().map(|n| n == 1), site: number(), machine: number() }
    };
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(row).collect()
}

#[test]
fn a_patient_of_two_machines_goes_to_the_one_with_more_images() {
    let rows = rows(
        "
        ada   0 2 48
        ada   0 2 29
        ada   0 2 29
        bea   0 2 29
        bea   0 2 48
        cleo  1 2 48
    ",
    );
    let config = FoldsConfig { scheme: FoldScheme::Machine, ..config() };
    let roles = assign(members(&rows), &config).unwrap();
    let of = by_patient(&rows, &roles);
    assert_eq!(of["ada"], Role::Fold(0), "29 has two of her three");
    assert_eq!(of["bea"], Role::Fold(0), "29 is the lower of equals");
    assert_eq!(of["cleo"], Role::Fold(1));
    assert_eq!(audit(members(&rows), &roles, &config).unwrap().straddling.machines, 2);
}

#[test]
fn a_divided_patient_fails_the_audit() {
    let rows = rows("ada 0 1 1\nbea 0 1 1\nada 0 1 1");
    let roles = [Role::Fold(0), Role::Fold(1), Role::Locked];
    let error = audit(members(&rows), &roles, &config()).unwrap_err();
    assert!(error.to_string().starts_with("patient ada is in fold 0 and in locked"), "{error}");
}

#[test]
fn folds_stay_as_they_are_from_version_to_version() {
    let rows: Vec<_> = (0..12).flat_map(|i| rows(&format!("{i} {} 1 1", i % 3 / 2))).collect();
    let roles = assign(members(&rows), &FoldsConfig { count: 3, ..config() }).unwrap();
    let folds: String = roles.iter().map(|role| role.to_string().replace("fold ", "")).collect();
    assert_eq!(folds, "121020100212");
}

#[test]
fn leaving_out_what_is_not_known_is_refused() {
    let rows = rows("ada 0 - 7");
    let site = FoldsConfig { scheme: FoldScheme::Site, ..config() };
    assert_eq!(assign(members(&rows), &site), Err(FoldsError::NoValues("site_id")));
}

#[test]
fn what_has_no_label_has_no_prevalence() {
    let rows = rows("ada - 1 1\nbea - 1 1");
    let config = FoldsConfig { count: 2, ..config() };
    let roles = assign(members(&rows), &config).unwrap();
    let audit = audit(members(&rows), &roles, &config).unwrap();
    assert_eq!(audit.groups[0].prevalence, Prevalence::default());
    assert_eq!(audit.groups[0].all, Tally { patients: 1, breasts: 1, images: 1 });
}
