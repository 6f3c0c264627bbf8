//! Reads preset parameters (LSE), and checks them with the scan header (T.87 C.2.4.1).

use super::error::JpegLsError;
use super::model::Parameters;
use crate::headers::Segment;

/// MAXVAL, T1, T2, T3 and RESET as a stream sets them; 0 means the default.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Presets([u16; 5]);

/// The kind of LSE segment that presets parameters; the others hold mapping tables.
const CODING_PARAMETERS: u8 = 1;

impl Presets {
    /// Reads an LSE segment.
    pub fn define(&mut self, segment: &Segment) -> Result<(), JpegLsError> {
        if segment.array(0)? == [CODING_PARAMETERS] {
            let bytes: [u8; 10] = segment.array(1)?;
            self.0 = std::array::from_fn(|i| u16::from_be_bytes([bytes[2 * i], bytes[2 * i + 1]]));
        }
        Ok(())
    }

    /// The parameters of a scan with this NEAR.
    pub fn parameters(&self, precision: u8, near: u8) -> Result<Parameters, JpegLsError> {
        let [max, t1, t2, t3, reset] = self.0;
        let most = ((1_u32 << precision) - 1) as u16;
        let max = preset("MAXVAL", max, most, 1, most)?;
        if u16::from(near) > max / 2 {
            return Err(JpegLsError::Near { found: near, max: max / 2 });
        }
        let default = Parameters::with_defaults(max, near);
        let [d1, d2, d3] = default.thresholds.map(|threshold| threshold as u16);
        let t1 = preset("T1", t1, d1, u16::from(near) + 1, max)?;
        let t2 = preset("T2", t2, d2.max(t1), t1, max)?;
        let t3 = preset("T3", t3, d3.max(t2), t2, max)?;
        let reset = preset("RESET", reset, default.reset as u16, 3, max.max(255))?;
        let thresholds = [t1, t2, t3].map(i32::from);
        Ok(Parameters { thresholds, reset: u32::from(reset), ..default })
    }
}

fn preset(
    name: &'static str,
    found: u16,
    default: u16,
    least: u16,
    most: u16,
) -> Result<u16, JpegLsError> {
    match found {
        0 => Ok(default),
        _ if (least..=most).contains(&found) => Ok(found),
        _ => Err(JpegLsError::Preset { name, found, least, most }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_table_c_3() {
        // T.87 table C.3, and the values that CharLS computes for 12 and 16 bits.
        for (precision, thresholds) in [(8, [3, 7, 21]), (12, [18, 67, 276]), (16, [18, 67, 276])] {
            let parameters = Presets::default().parameters(precision, 0).unwrap();
            assert_eq!(parameters.thresholds, thresholds, "{precision} bits");
            assert_eq!((parameters.reset, parameters.near), (64, 0));
        }
        assert_eq!(Presets::default().parameters(4, 0).unwrap().thresholds, [2, 3, 4]);
        let near = Presets::default().parameters(8, 2).unwrap();
        assert_eq!(near.thresholds, [9, 17, 35]);
    }

    #[test]
    fn a_preset_out_of_bounds_is_named() {
        let refusal = Presets([300, 0, 0, 0, 0]).parameters(8, 0).err();
        let expected = JpegLsError::Preset { name: "MAXVAL", found: 300, least: 1, most: 255 };
        assert_eq!(refusal, Some(expected));
        let refusal = Presets([0, 9, 8, 0, 0]).parameters(8, 0).err();
        assert_eq!(
            refusal,
            Some(JpegLsError::Preset { name: "T2", found: 8, least: 9, most: 255 })
        );
        let refusal = Presets([9, 0, 0, 0, 0]).parameters(8, 5).err();
        assert_eq!(refusal, Some(JpegLsError::Near { found: 5, max: 4 }));
    }
}
