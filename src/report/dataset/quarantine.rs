//! Quarantined files: images that are not in the release, by reason, with examples.

use std::collections::BTreeMap;

use super::{Html, Release};
use crate::error::Fault;
use crate::number::{count, of};
use crate::preprocess::reject_class::RejectClass;
use crate::report::page::{Align, Section, Table, code};
use crate::shard::manifest::Quarantined;
use crate::shard::{ReleaseFolder, quarantine};

/// Number of reasons shown; the rest is in `quarantine.csv`.
const MOST_REASONS: usize = 60;
/// Number of examples of each reason.
const EXAMPLES: usize = 3;

/// Images with the same reason.
#[derive(Debug, Default)]
struct Group {
    images: usize,
    examples: Vec<Quarantined>,
}

/// The section.
///
/// # Errors
/// [`Fault::Io`] if `quarantine.csv` cannot be read.
pub fn section(release: &Release) -> Result<Section, Fault> {
    let mut groups = BTreeMap::new();
    each(release, |row| {
        let class = RejectClass::of(&row.stage, &row.reason);
        let key = (class, row.stage.clone(), alike(&row.reason));
        let group: &mut Group = groups.entry(key).or_default();
        group.images += 1;
        if group.examples.len() < EXAMPLES {
            group.examples.push(row);
        }
    })?;
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.images));

    let body = if groups.is_empty() {
        Html::paragraph("None: every listed image could be read.".into())
    } else {
        classes(&groups).and(table(&groups))
    };
    Ok(Section {
        id: "quarantine",
        title: "Quarantined files",
        intro: "Images that could not be processed: what is wrong with them and what to do next. Below, \
                the step that rejected them and the exact reason, with examples. Reasons that differ \
                only in their numbers are counted together; the full list is in quarantine.csv."
            .into(),
        body,
    })
}

/// A group's key: class, stage, and the reason without its numbers.
type Key = (RejectClass, String, String);

/// The classes in plain words, the most frequent first.
fn classes(groups: &[(Key, Group)]) -> Html {
    let mut images: BTreeMap<RejectClass, usize> = BTreeMap::new();
    for ((class, ..), group) in groups {
        *images.entry(*class).or_default() += group.images;
    }
    let mut images: Vec<_> = images.into_iter().collect();
    images.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let mut table = Table::new(&[
        ("Images", Align::Right),
        ("What is wrong", Align::Left),
        ("What to do next", Align::Left),
    ]);
    for (class, n) in images {
        table.row(vec![
            Html::text(count(n)),
            Html::element("b", "", class.title().into()),
            class.next_step().into(),
        ]);
    }
    table.html()
}

fn table(groups: &[(Key, Group)]) -> Html {
    let mut table = Table::new(&[
        ("Images", Align::Right),
        ("Step", Align::Left),
        ("Reason", Align::Left),
        ("Examples", Align::Left),
    ]);
    for ((_, stage, _), group) in groups.iter().take(MOST_REASONS) {
        let reason = &group.examples[0].reason;
        let examples = group.examples.iter().map(|example| {
            let row = example.split.zip(example.line);
            let row = row.map(|(split, n)| format!(", line {n} of the {} table", split.as_str()));
            let differs = (example.reason != *reason).then(|| format!(": {}", example.reason));
            let text = code(&example.path).and_text(row.unwrap_or_default());
            Html::element("div", "example", text.and_text(differs.unwrap_or_default()))
        });
        table.row(vec![
            Html::text(count(group.images)),
            Html::text(stage),
            Html::text(reason),
            examples.collect(),
        ]);
    }
    let heading = Html::element("h3", "", "Exact reasons".into());
    let rest = groups.len().saturating_sub(MOST_REASONS);
    let rest = match rest {
        0 => Html::default(),
        n => Html::paragraph(Html::text(format!("And {} more.", of(n, "rarer reason")))),
    };
    heading.and(table.html()).and(rest)
}

/// Calls `take` with every quarantined file: from `quarantine.csv` if the release is finished, else
/// from the entries of its shards.
fn each(release: &Release, mut take: impl FnMut(Quarantined)) -> Result<(), Fault> {
    let path = ReleaseFolder::new(&release.folder).quarantine();
    if release.tool.is_none() || !path.exists() {
        let rejected = release.shards.iter().flat_map(|shard| &shard.rejected);
        rejected.cloned().for_each(take);
        return Ok(());
    }
    quarantine::read(&path)?.try_for_each(|row| row.map(&mut take))
}

/// The reason with every number replaced by `#`, to group similar reasons.
fn alike(reason: &str) -> String {
    let mut out = String::with_capacity(reason.len());
    for c in reason.chars() {
        match c {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_their_numbers_are_one() {
        assert_eq!(alike("needs 12 bytes, has 7"), alike("needs 4 bytes, has 1024"));
        assert_ne!(alike("needs 12 bytes"), alike("needs bytes"));
    }
}
