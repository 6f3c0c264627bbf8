//! Draws one image: stored values as a machine would write them, and the truth about them.
//!
//! In: a [`PhantomSpec`]. Out: a [`Phantom`]. The same spec gives the same pixels on any thread.

use super::anatomy::{Anatomy, Build};
use super::artefacts;
use super::canvas::Canvas;
use super::lesion::{FindingKind, Placed, lymph_nodes};
use super::spec::{Layout, PhantomSpec};
use super::tissue::{Tissue, threads};
use super::tone::Tone;
use crate::image::{Plane, Rect};
use crate::random::Random;
use crate::record::{Laterality, View};

/// An image and the truth about it.
#[derive(Debug, Clone)]
pub struct Phantom {
    /// Stored values.
    pub pixels: Plane<u16>,
    /// The mask of the breast, with nipple, axilla and pectoral muscle. The abdomen below the fold
    /// is not part of it, nor is anything under opaque film borders.
    pub tissue: Plane<bool>,
    /// The box around the tissue.
    pub breast: Rect,
    /// The boxes of all findings, cut to the frame.
    pub findings: Vec<(FindingKind, Rect)>,
    /// The grey scale of the file.
    pub tone: Tone,
}

/// Draws the image.
pub fn phantom(spec: &PhantomSpec) -> Phantom {
    let width = spec.machine.columns.div_ceil(spec.divisor);
    let height = spec.machine.rows.div_ceil(spec.divisor);
    let pitch = spec.machine.pitch * spec.divisor as f32;
    let mut image = Random::new(spec.image);
    let mut patient = Random::new(spec.patient);
    let mut breast = Random::new(spec.breast);

    let frame = [width as f32 * pitch, height as f32 * pitch];
    let build = build(spec, frame, &mut patient, &mut image);
    let anatomy = Anatomy::new(&spec.view, build, &mut patient, &mut image);
    let tissue = Tissue::new(&anatomy, spec.density, pitch, &mut breast, &mut image);

    let mut canvas = Canvas::new(width, height, pitch);
    threads(&mut canvas, &anatomy, spec.age, &mut breast);
    let oblique = spec.view != View::Cc;
    if oblique {
        lymph_nodes(&mut canvas, &anatomy, &mut breast);
    }
    let placed: Vec<_> = spec
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.draw(&mut canvas, &anatomy, oblique)))
        .collect();

    let mut mask = Plane::new(width, height, vec![false; width * height]);
    let mut grey = canvas.plane;
    compose(spec, &anatomy, &tissue, pitch, &mut grey, &mut mask);
    let markers = artefacts::on_the_skin(spec, &anatomy, &mut image.clone());
    let mut page = Canvas { plane: grey, pitch };
    for marker in markers {
        marker.draw(&mut page);
    }
    let mut grey = page.plane;
    if spec.laterality == Laterality::Right {
        (0..height).for_each(|y| grey.row_mut(y).reverse());
        (0..height).for_each(|y| mask.row_mut(y).reverse());
    }
    artefacts::on_the_frame(spec, pitch, &mut grey, &mut mask, &mut image);
    let tone = Tone::new(spec.machine, &mut image);
    let pixels = tone.store(spec, &grey, &mut image);

    let findings = placed
        .into_iter()
        .filter_map(|(kind, at)| Some((kind, boxed(at, pitch, &pixels, spec.laterality)?)))
        .collect();
    let breast = bounds(&mask).unwrap_or(Rect::whole(width, height));
    Phantom { pixels, tissue: mask, breast, findings, tone }
}

/// Chooses the size of the breast for the frame.
fn build(spec: &PhantomSpec, frame: [f32; 2], patient: &mut Random, image: &mut Random) -> Build {
    let [width, height] = frame;
    let size = (0.28 * patient.normal()).exp() * 90.0;
    let slenderness = patient.between(1.65, 2.15);
    let again = image.between(0.96, 1.04);
    if spec.layouts.contains(&Layout::SmallBreast) {
        // A superellipse covers 0.8 of its box: this is a tenth of the frame.
        let depth = (0.10 * width * height / (0.8 * slenderness)).sqrt();
        return Build {
            frame,
            depth: depth * if spec.view == View::Cc { 1.0 } else { 0.72 },
            slenderness,
        };
    }
    if spec.layouts.contains(&Layout::FillingBreast) {
        return Build { frame, depth: 0.975 * width, slenderness: 1.08 * height / width };
    }
    let depth = (size * again).clamp(42.0, 0.74 * width);
    Build { frame, depth, slenderness: slenderness.min(0.9 * height / depth) }
}

/// Computes the brightness of every pixel, 0 in air, and the mask, for a breast on the left.
fn compose(
    spec: &PhantomSpec,
    anatomy: &Anatomy,
    tissue: &Tissue,
    pitch: f32,
    grey: &mut Plane<f32>,
    mask: &mut Plane<bool>,
) {
    let width = grey.width();
    let implant = artefacts::Implant::new(spec, anatomy);
    let (mut line, mut skin) = (Vec::new(), vec![0.0; width]);
    let nipple_reach = 2.0 * anatomy.nipple_radius;
    for row in 0..grey.height() {
        let y = (row as f32 + 0.5) * pitch;
        anatomy.skin_row(y, pitch, &mut line, &mut skin);
        let near_nipple = (y - anatomy.nipple[1]).abs() < nipple_reach;
        let out = grey.row_mut(row);
        let in_mask = mask.row_mut(row);
        for column in 0..width {
            let x = (column as f32 + 0.5) * pitch;
            let mut depth = skin[column];
            if near_nipple {
                depth = anatomy.with_nipple(x, y, depth);
            }
            let mut bright = 0.0;
            if depth > 0.0 {
                bright = tissue.at(x, y, depth) + out[column];
                if let Some(implant) = &implant {
                    bright = implant.over(x, y, bright);
                }
            }
            out[column] = bright.clamp(0.0, 1.0);
            in_mask[column] = depth > 0.0 && y < anatomy.fold;
        }
    }
}

/// The box of a finding in the image as stored, cut to the frame.
fn boxed(at: Placed, pitch: f32, image: &Plane<u16>, laterality: Laterality) -> Option<Rect> {
    let span = |middle: f32, limit: usize| {
        let pixel = |mm: f32| ((mm / pitch).round().max(0.0) as usize).min(limit);
        pixel(middle - at.radius)..pixel(middle + at.radius)
    };
    let mut columns = span(at.middle[0], image.width());
    let rows = span(at.middle[1], image.height());
    if laterality == Laterality::Right {
        columns = image.width() - columns.end..image.width() - columns.start;
    }
    let (left, top, width, height) = (columns.start, rows.start, columns.len(), rows.len());
    (width > 0 && height > 0).then_some(Rect { left, top, width, height })
}

/// The smallest box around all pixels of the mask.
fn bounds(mask: &Plane<bool>) -> Option<Rect> {
    let top = mask.rows().position(|row| row.contains(&true))?;
    let bottom =
        mask.height() - (0..mask.height()).rev().position(|y| mask.row(y).contains(&true))?;
    let rows = || (top..bottom).map(|y| mask.row(y));
    let left = rows().filter_map(|row| row.iter().position(|&set| set)).min()?;
    let right = rows().filter_map(|row| row.iter().rposition(|&set| set)).max()? + 1;
    Some(Rect { left, top, width: right - left, height: bottom - top })
}
