//! Puts the tensors of a file into the places of a network.

use std::collections::BTreeMap;
use std::fmt;

use super::file::{Tensor, Tensors, shown};
use super::names;
use crate::kernels::EPSILON;
use crate::{Entry, Layout};

/// Whose names a file uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// timm's, which are those of this crate.
    Timm,
    /// torchvision's.
    Torchvision,
}

/// A tensor of the network that the file does not fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// The file has no tensor of this name.
    Missing(String),
    /// It has another shape in the file.
    Shape {
        /// Its name.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape in the network.
        needed: Vec<usize>,
    },
}

/// What a file held for a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose names it uses.
    pub naming: Naming,
    /// The number of tensors that were taken.
    pub taken: usize,
    /// The tensors of the network that could not be filled.
    pub misfits: Vec<Misfit>,
    /// Names that the backbone does not have, other than a classifier's.
    pub unexpected: Vec<String>,
    /// Names of a classifier or of heads, which the backbone does not have.
    pub classifier: Vec<String>,
    /// The channels of the stem in the file and in the network, if they differ.
    pub channels: Option<(usize, usize)>,
}

impl Report {
    /// Whether the file filled every tensor of the network and has no further blocks.
    pub fn fits(&self) -> bool {
        self.misfits.is_empty() && !self.unexpected.iter().any(|name| name.starts_with("blocks."))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let naming = match self.naming {
            Naming::Timm => "timm",
            Naming::Torchvision => "torchvision",
        };
        write!(f, "{} tensors taken, named as in {naming}", self.taken)?;
        if let Some((found, needed)) = self.channels {
            let how = if needed == 1 { "summed" } else { "divided" };
            write!(f, "; the stem's {found} channels {how} to {needed}")?;
        }
        if !self.classifier.is_empty() {
            write!(f, "; the classifier left out, heads start fresh")?;
        }
        let missing = self.misfits.iter().filter_map(|misfit| match misfit {
            Misfit::Missing(name) => Some(name.clone()),
            Misfit::Shape { .. } => None,
        });
        let shapes = self.misfits.iter().filter_map(|misfit| match misfit {
            Misfit::Shape { name, found, needed } => {
                Some(format!("{name} is {found:?}, needs {needed:?}"))
            }
            Misfit::Missing(_) => None,
        });
        list(f, "missing", &missing.collect::<Vec<_>>())?;
        list(f, "of another shape", &shapes.collect::<Vec<_>>())?;
        let unexpected = self.unexpected.iter().map(|name| shown(name));
        list(f, "not the network's", &unexpected.collect::<Vec<_>>())
    }
}

/// The first few of a list, and how many more there are.
fn list(f: &mut fmt::Formatter<'_>, what: &str, names: &[String]) -> fmt::Result {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return Ok(());
    }
    write!(f, "; {} {what}: {}", names.len(), names[..names.len().min(SHOWN)].join(", "))?;
    if names.len() > SHOWN {
        write!(f, " and {} more", names.len() - SHOWN)?;
    }
    Ok(())
}

/// The flat buffers, and the report.
pub struct Fitted {
    pub parameters: Vec<f32>,
    pub statistics: Vec<f32>,
    pub report: Report,
}

/// torchvision's B5 to B7 have norms with this epsilon; its smaller networks have timm's.
const WIDE_EPSILON: f64 = 1e-3;

/// Fills the places of a network from a file.
pub fn fit(layout: &Layout, tensors: Tensors) -> Fitted {
    let torchvision = tensors.keys().any(|name| names::unwrapped(name).starts_with("features."));
    let naming = if torchvision { Naming::Torchvision } else { Naming::Timm };
    let mut report = Report {
        naming,
        taken: 0,
        misfits: Vec::new(),
        unexpected: Vec::new(),
        classifier: Vec::new(),
        channels: None,
    };
    let mut named = BTreeMap::new();
    for (name, tensor) in tensors {
        let short = names::unwrapped(&name);
        let ours = match naming {
            Naming::Timm => Some(short.to_owned()),
            Naming::Torchvision => names::from_torchvision(short),
        };
        match ours {
            Some(ours) => drop(named.insert(ours, tensor)),
            None => report.unexpected.push(name),
        }
    }
    let parameters = take(&layout.parameters, &mut named, &mut report);
    let mut statistics = take(&layout.statistics, &mut named, &mut report);
    let features = layout.parameters.last().map_or(0, |entry| entry.range.len());
    if naming == Naming::Torchvision && features >= 2048 {
        // variance + 1e-3 = (variance + 1e-3 - 1e-5) + 1e-5: the same norm with our epsilon.
        let variances = layout.statistics.iter().filter(|entry| entry.name.ends_with("_var"));
        for entry in variances {
            let extra = (WIDE_EPSILON - EPSILON) as f32;
            statistics[entry.range.clone()].iter_mut().for_each(|variance| *variance += extra);
        }
    }
    for name in named.into_keys() {
        if name.starts_with("classifier.") || name.starts_with("heads.") {
            report.classifier.push(name);
        } else if !name.ends_with(".num_batches_tracked") {
            report.unexpected.push(name);
        }
    }
    Fitted { parameters, statistics, report }
}

fn take(entries: &[Entry], named: &mut BTreeMap<String, Tensor>, report: &mut Report) -> Vec<f32> {
    let mut flat = vec![0.0; entries.last().map_or(0, |entry| entry.range.end)];
    for entry in entries {
        let Some(mut tensor) = named.remove(&entry.name) else {
            report.misfits.push(Misfit::Missing(entry.name.clone()));
            continue;
        };
        if entry.name == "conv_stem.weight"
            && let Some(converted) = with_channels(&tensor, entry.shape[1])
        {
            report.channels = Some((tensor.shape[1], entry.shape[1]));
            tensor = converted;
        }
        if tensor.shape != entry.shape {
            let (name, needed) = (entry.name.clone(), entry.shape.clone());
            report.misfits.push(Misfit::Shape { name, found: tensor.shape, needed });
            continue;
        }
        flat[entry.range.clone()].copy_from_slice(&tensor.values);
        report.taken += 1;
    }
    flat
}

/// The stem's weight for another number of channels, so that a grey image gives the same output:
/// three channels are summed to one, as in timm; one is divided among three.
fn with_channels(stem: &Tensor, needed: usize) -> Option<Tensor> {
    let [outputs, found, height, width] = stem.shape[..] else { return None };
    if stem.values.is_empty() {
        return None;
    }
    let area = height * width;
    let filters = stem.values.chunks_exact(found * area);
    let values: Vec<f32> = match (found, needed) {
        (3, 1) => filters
            .flat_map(|filter| {
                (0..area).map(|i| filter[i] + filter[area + i] + filter[2 * area + i])
            })
            .collect(),
        (1, 3) => {
            let share = |filter: &[f32]| filter.iter().map(|value| value / 3.0).collect::<Vec<_>>();
            filters.flat_map(|filter| share(filter).repeat(3)).collect()
        }
        _ => return None,
    };
    Some(Tensor { shape: vec![outputs, needed, height, width], values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Variant;
    use crate::plan::Plan;

    /// A file with all of a network's tensors; each value is its place in the tensor.
    fn file(variant: Variant, channels: usize) -> Tensors {
        let layout = Plan::new(variant, channels).layout;
        let tensor = |entry: &Entry| {
            let values = (0..entry.range.len()).map(|i| i as f32).collect();
            (entry.name.clone(), Tensor { shape: entry.shape.clone(), values })
        };
        layout.parameters.iter().chain(&layout.statistics).map(tensor).collect()
    }

    #[test]
    fn three_channels_are_summed_to_one_and_the_classifier_is_left_out() {
        let mut tensors = file(Variant::B0, 3);
        let scalar = Tensor { shape: vec![], values: vec![7.0] };
        tensors.insert("classifier.bias".into(), scalar.clone());
        tensors.insert("bn1.num_batches_tracked".into(), scalar.clone());
        tensors.insert("global_pool.p".into(), scalar);
        let fitted = fit(&Plan::new(Variant::B0, 1).layout, tensors);
        let report = &fitted.report;
        assert!(report.fits());
        assert_eq!(report.channels, Some((3, 1)));
        assert_eq!(report.classifier, ["classifier.bias"]);
        assert_eq!(report.unexpected, ["global_pool.p"]);
        // Of the second filter the first tap: 27 + 36 + 45.
        assert_eq!(fitted.parameters[9], 108.0);
        let text = report.to_string();
        assert!(text.contains("3 channels summed to 1"), "{text}");
        assert!(text.contains("1 not the network's: global_pool.p"), "{text}");
    }

    #[test]
    fn a_deeper_network_of_the_same_widths_does_not_fit() {
        let report = fit(&Plan::new(Variant::B0, 1).layout, file(Variant::B1, 1)).report;
        assert!(report.misfits.is_empty() && !report.fits(), "{report}");
    }

    #[test]
    fn what_does_not_fit_is_listed_by_name_and_shape() {
        let mut tensors = file(Variant::B0, 1);
        tensors.remove("bn2.running_var");
        tensors.get_mut("bn1.weight").unwrap().shape = vec![4, 8];
        let report = fit(&Plan::new(Variant::B0, 1).layout, tensors).report;
        let (found, needed) = (vec![4, 8], vec![32]);
        let shape = Misfit::Shape { name: "bn1.weight".into(), found, needed };
        assert_eq!(report.misfits, [shape, Misfit::Missing("bn2.running_var".into())]);
        let text = report.to_string();
        assert!(text.contains("1 missing: bn2.running_var"), "{text}");
        assert!(text.contains("bn1.weight is [4, 8], needs [32]"), "{text}");
    }
}
