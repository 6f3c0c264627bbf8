//! Whether the breast stands on the edge where the other side's breast stands.

use crate::image::Side;
use crate::preprocess::roi::{Found, RoiMethod, SOUND};
use crate::record::Laterality;

/// Whether the breast was found on another edge than it should stand on: the one that Patient
/// Orientation gives, or else, as on a light box, a left breast on the left edge and a right one on
/// the right.
pub fn is_other_wall(found: &Found, stated: Option<Side>, side: Option<Laterality>) -> bool {
    let usual = side.map(|side| match side {
        Laterality::Left => Side::Left,
        Laterality::Right => Side::Right,
    });
    let is_sure = found.confidence >= SOUND && found.method != RoiMethod::WholeFrame;
    let seen = found.chest_wall.filter(|_| is_sure);
    stated.or(usual).zip(seen).is_some_and(|(expected, seen)| expected != seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Rect;

    #[test]
    fn the_header_s_word_comes_before_the_habit() {
        let mut found = Found {
            breast: Rect::whole(9, 9),
            method: RoiMethod::Air,
            confidence: 0.9,
            chest_wall: Some(Side::Left),
            air: None,
            picture: Rect::whole(9, 9),
        };
        let left = Some(Laterality::Left);
        let right = Some(Laterality::Right);
        assert!(!is_other_wall(&found, None, left));
        assert!(is_other_wall(&found, None, right));
        assert!(!is_other_wall(&found, Some(Side::Left), right));
        assert!(is_other_wall(&found, Some(Side::Right), left));
        assert!(!is_other_wall(&found, None, None));
        found.confidence = 0.2;
        assert!(!is_other_wall(&found, None, right), "a doubtful box says nothing");
    }
}
