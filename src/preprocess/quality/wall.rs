//! The edge that the breast should stand on, and whether it was found on the other one.

use crate::image::Side;
use crate::preprocess::roi::{Found, RoiMethod, SOUND};
use crate::record::Laterality;

/// The edge of the chest wall: the one that Patient Orientation gives (`stated`), or else, as on a
/// light box, the left one for a left breast and the right one for a right breast.
pub fn expected(stated: Option<Side>, side: Option<Laterality>) -> Option<Side> {
    stated.or(side.map(|side| match side {
        Laterality::Left => Side::Left,
        Laterality::Right => Side::Right,
    }))
}

/// Whether the breast was found on another edge than `expected`. A doubtful box says nothing.
pub fn is_other(found: &Found, expected: Option<Side>) -> bool {
    let is_sure = found.confidence >= SOUND && found.method != RoiMethod::WholeFrame;
    let seen = found.chest_wall.filter(|_| is_sure);
    expected.zip(seen).is_some_and(|(expected, seen)| expected != seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Rect;

    #[test]
    fn the_header_s_word_comes_before_the_habit() {
        let (left, right) = (Some(Laterality::Left), Some(Laterality::Right));
        assert_eq!(expected(None, left), Some(Side::Left));
        assert_eq!(expected(None, right), Some(Side::Right));
        assert_eq!(expected(Some(Side::Left), right), Some(Side::Left));
        assert_eq!(expected(None, None), None);
    }

    #[test]
    fn a_sure_box_on_the_other_edge_is_told_and_a_doubtful_one_is_not() {
        let mut found = Found {
            breast: Rect::whole(9, 9),
            method: RoiMethod::Air,
            confidence: 0.9,
            chest_wall: Some(Side::Left),
            air: None,
            picture: Rect::whole(9, 9),
        };
        assert!(!is_other(&found, Some(Side::Left)));
        assert!(is_other(&found, Some(Side::Right)));
        assert!(!is_other(&found, None));
        found.confidence = 0.2;
        assert!(!is_other(&found, Some(Side::Right)));
    }
}
