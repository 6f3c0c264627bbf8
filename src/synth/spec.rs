//! The specification of one image: the machine, the breast, and what else is in the frame.

use super::lesion::{self, Finding};
use super::machines::{self, Machine};
use crate::random::Random;
use crate::record::{Density, Laterality, View};

/// Everything that determines an image.
#[derive(Debug, Clone)]
pub struct PhantomSpec {
    /// The seed of the patient's build, the same for all images of the patient.
    pub patient: u64,
    /// The seed of the breast's tissue, the same for all images of the breast.
    pub breast: u64,
    /// The seed of positioning, noise and artefacts of this image.
    pub image: u64,
    /// The machine that writes it.
    pub machine: &'static Machine,
    /// The divisor of the machine's rows and columns; 1 is full size.
    pub divisor: usize,
    /// The side of the breast.
    pub laterality: Laterality,
    /// Projection.
    pub view: View,
    /// The breast density.
    pub density: Density,
    /// The patient's age in years; arteries of older patients calcify.
    pub age: u32,
    /// The findings.
    pub findings: Vec<Finding>,
    /// What else is in the frame.
    pub layouts: Vec<Layout>,
}

/// A peculiarity of an image: an object in the frame, or an unusual position of the breast. Each
/// has misled some method of finding the breast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Burned-in text such as `R-MLO`.
    Label,
    /// The shadow of a small paddle's edge: a faint line across the air.
    PaddleLine,
    /// Rings and beads taped to the skin, on moles and nipple.
    SkinMarkers,
    /// Lead letters on a strip, beside the breast.
    SideMarker,
    /// An implant, bright and sharp.
    Implant,
    /// An implant pushed back to the chest wall.
    ImplantDisplaced,
    /// A scanned film: grey air, a light border.
    Film,
    /// A film with tape on it.
    FilmTape,
    /// A film with scratches and dust.
    FilmScratches,
    /// Air that is noise around a level.
    NoisyAir,
    /// MONOCHROME1: air has the highest stored value.
    Inverted,
    /// Part of the other breast, the arm or the abdomen in a corner, not connected to the breast.
    OtherSkin,
    /// A breast that fills a tenth of the frame.
    SmallBreast,
    /// A breast that reaches all edges.
    FillingBreast,
}

impl Layout {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Label,
        Self::PaddleLine,
        Self::SkinMarkers,
        Self::SideMarker,
        Self::Implant,
        Self::ImplantDisplaced,
        Self::Film,
        Self::FilmTape,
        Self::FilmScratches,
        Self::NoisyAir,
        Self::Inverted,
        Self::OtherSkin,
        Self::SmallBreast,
        Self::FillingBreast,
    ];

    /// Its name in the truth table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::PaddleLine => "paddle_line",
            Self::SkinMarkers => "skin_markers",
            Self::SideMarker => "side_marker",
            Self::Implant => "implant",
            Self::ImplantDisplaced => "implant_displaced",
            Self::Film => "film",
            Self::FilmTape => "film_tape",
            Self::FilmScratches => "film_scratches",
            Self::NoisyAir => "noisy_air",
            Self::Inverted => "inverted",
            Self::OtherSkin => "other_skin",
            Self::SmallBreast => "small_breast",
            Self::FillingBreast => "filling_breast",
        }
    }

    /// Whether the image is a scanned film.
    pub(super) fn is_film(self) -> bool {
        matches!(self, Self::Film | Self::FilmTape | Self::FilmScratches)
    }

    /// The layouts of one image of a dataset.
    pub(super) fn draw(machine: &Machine, implant: Option<Self>, random: &mut Random) -> Vec<Self> {
        let mut layouts: Vec<Self> = implant.into_iter().collect();
        let mut add = |layout, share| {
            if random.chance(share) {
                layouts.push(layout);
            }
        };
        add(Self::Label, machine.label);
        add(Self::PaddleLine, machine.paddle);
        add(Self::SkinMarkers, 0.06);
        add(Self::Film, machine.film);
        add(Self::FilmTape, machine.film * 0.5);
        add(Self::FilmScratches, machine.film * 0.5);
        add(Self::SideMarker, if machine.label > 0.0 { 0.0 } else { 0.15 });
        add(Self::OtherSkin, 0.06);
        add(Self::SmallBreast, 0.02);
        if !layouts.contains(&Self::SmallBreast) && random.chance(0.02) {
            layouts.push(Self::FillingBreast);
        }
        match machine.air {
            machines::Air::Noise { .. } => layouts.push(Self::NoisyAir),
            machines::Air::Maximum { .. } => layouts.push(Self::Inverted),
            machines::Air::Zero => {}
        }
        layouts
    }
}

impl PhantomSpec {
    /// An image with `layout`, at an eighth of full size; everything else is drawn from the seed.
    pub fn example(layout: Layout, view: View, laterality: Laterality, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let usual = &machines::ALL[[0, 3, 4][(random.next() % 3) as usize]];
        let by_id = |id| Machine::of(id).expect("the id is one of the list's");
        let machine = match layout {
            Layout::NoisyAir => by_id(216),
            Layout::Inverted | Layout::PaddleLine => by_id(29),
            Layout::Film | Layout::FilmTape | Layout::FilmScratches => by_id(190),
            Layout::Implant | Layout::ImplantDisplaced => by_id(49),
            _ => usual,
        };
        let densities = [Density::A, Density::B, Density::C, Density::D];
        let cancer = random.chance(0.3);
        Self {
            patient: random.next(),
            breast: random.next(),
            image: random.next(),
            machine,
            divisor: 8,
            laterality,
            view,
            density: densities[(random.next() % 4) as usize],
            age: random.between(40.0, 85.0) as u32,
            findings: lesion::findings(cancer, false, &mut random),
            layouts: vec![layout],
        }
    }
}
