//! Checks a JPEG 2000 codestream (ISO/IEC 15444-1 Annex A) before OpenJPEG decodes it.
//!
//! In: one frame, as a JP2 file (as in RSNA's dataset) or a bare codestream. Out: the bare
//! codestream, its size and levels, and whether it is complete. A decoder that trusts a damaged SIZ
//! allocates terabytes, and OpenJPEG takes a truncated file for one that is still arriving. So the
//! size is bounded here, and the end of every tile-part is checked.
//!
//! It cannot detect damage inside a packet. OpenJPEG's strict mode, which is on, refuses packets
//! that are longer than their tile-part.

/// Why a codestream is refused before decoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodestreamError {
    /// Neither of the two forms.
    #[error(
        "the frame is neither a JP2 file nor a codestream: {length} bytes that begin otherwise"
    )]
    NotJpeg2000 {
        /// The number of its bytes.
        length: usize,
    },
    /// A JP2 file without a codestream.
    #[error("the JP2 file has no codestream")]
    NoCodestream,
    /// It ends too early.
    #[error("the codestream ends inside {part}: needs {need} bytes, {have} are left")]
    Truncated {
        /// The part that is incomplete.
        part: String,
        /// Bytes it needs.
        need: usize,
        /// Bytes that are left.
        have: usize,
    },
    /// Tiles are missing, or the end marker is missing and so tile-parts may be.
    #[error("the codestream ends after {found} of {tiles} tiles")]
    NoEnd {
        /// The number of complete tiles.
        found: usize,
        /// Tiles of the image.
        tiles: usize,
    },
    /// A marker segment with an invalid value.
    #[error("{part} is {found}, needs {needed}")]
    Value {
        /// The field.
        part: &'static str,
        /// The value.
        found: String,
        /// The allowed values.
        needed: &'static str,
    },
}

/// A codestream, and the facts of its main header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codestream<'a> {
    /// The bytes from its start marker on, without a JP2 container, as far as they were read.
    pub bytes: &'a [u8],
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bits of a sample, 1 to 16.
    pub precision: u8,
    /// Whether samples are two's complement.
    pub signed: bool,
    /// Wavelet levels that can be left out.
    pub levels: u8,
    tiles: usize,
    /// Offset of the first tile-part.
    body: usize,
}

const SIGNATURE: &[u8] = b"\0\0\0\x0cjP  \r\n\x87\n";
const SIZ: u16 = 0xFF51;
const COD: u16 = 0xFF52;
const COC: u16 = 0xFF53;
const SOT: u16 = 0xFF90;
const EOC: u16 = 0xFFD9;

/// A tile, a precinct and a code-block cost a decoder some hundred bytes each, so a header can ask
/// for far more memory than its image needs. Images with this number of pixels or fewer per part,
/// on average, are refused unless there are few parts.
const MIN_PIXELS_A_PART: usize = 64;
const FEW_PARTS: usize = 1 << 16;

impl<'a> Codestream<'a> {
    /// Unwraps one frame of `length` bytes, of which `frame` holds at least the first, and reads
    /// its main header.
    ///
    /// # Errors
    /// [`CodestreamError`], also for several components and for an image with far too many parts.
    pub fn parse(frame: &'a [u8], length: usize) -> Result<Self, CodestreamError> {
        let bytes = unwrap(frame, length - frame.len())?;
        let mut reader = Reader { bytes, at: 2 };
        let (mut size, mut levels, mut of_component) = (None, None, None);
        loop {
            let marker = reader.word("the main header")?;
            if marker == SOT {
                reader.at -= 2;
                break;
            }
            let segment = reader.segment("the main header")?;
            match marker {
                SIZ => size = Some(Size::parse(segment)?),
                COD => levels = Some(segment),
                COC if segment.first() == Some(&0) => of_component = Some(segment),
                0xFF01..=0xFFFE => {}
                found => return Err(value("a marker", format!("{found:#06x}"), "0xff01 or more")),
            }
        }
        let size = size.ok_or(value("the main header", "without SIZ", "one"))?;
        let cod = levels.ok_or(value("the main header", "without COD", "one"))?;
        let of_all = size.levels(cod.first(), cod.get(5..).unwrap_or_default())?;
        // A component's own decomposition (A.6.2) goes before that of all.
        let levels = match of_component {
            Some(coc) => size.levels(coc.get(1), coc.get(2..).unwrap_or_default())?,
            None => of_all,
        };
        let Size { width, height, precision, signed, tiles, .. } = size;
        Ok(Self { bytes, width, height, precision, signed, levels, tiles, body: reader.at })
    }

    /// Checks tile-part after tile-part (A.4.2) up to the end marker. Without an end marker, every
    /// tile must have all tile-parts that it announced.
    ///
    /// # Errors
    /// [`CodestreamError::Truncated`] and [`CodestreamError::NoEnd`] if something is missing.
    pub fn check_whole(&self) -> Result<(), CodestreamError> {
        Reader { bytes: self.bytes, at: self.body }.tile_parts(self.tiles)
    }
}

/// The bare codestream inside JP2's boxes, or the frame itself; `missing` more bytes follow.
fn unwrap(frame: &[u8], missing: usize) -> Result<&[u8], CodestreamError> {
    if frame.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) {
        return Ok(frame);
    }
    if !frame.starts_with(SIGNATURE) {
        return Err(CodestreamError::NotJpeg2000 { length: frame.len() });
    }
    let mut rest = frame;
    while let Some((head, _)) = rest.split_first_chunk::<8>() {
        let [l0, l1, l2, l3, kind @ ..] = *head;
        let (header, length) = match u32::from_be_bytes([l0, l1, l2, l3]) {
            0 => (8, rest.len() + missing),
            1 => match rest[8..].first_chunk() {
                Some(long) => {
                    (16, usize::try_from(u64::from_be_bytes(*long)).unwrap_or(usize::MAX))
                }
                None => return Err(CodestreamError::NoCodestream),
            },
            length => (8, length as usize),
        };
        let (need, have) = (length, rest.len() + missing);
        if length < header {
            return Err(value(
                "a JP2 box",
                format!("{length} bytes long"),
                "its own header at least",
            ));
        }
        // The last box may say more than there is: the codestream tells itself whether it is whole.
        if length > have && &kind != b"jp2c" {
            let part = format!("JP2 box {}", kind.escape_ascii());
            return Err(CodestreamError::Truncated { part, need, have });
        }
        if &kind == b"jp2c" {
            let codestream = &rest[header..length.min(rest.len())];
            return match codestream.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) {
                true => Ok(codestream),
                false => Err(CodestreamError::NoCodestream),
            };
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Err(CodestreamError::NoCodestream)
}

/// The SIZ segment, A.5.1.
struct Size {
    width: usize,
    height: usize,
    precision: u8,
    signed: bool,
    tiles: usize,
    tile: (usize, usize),
    /// Levels after which the image's corner still lies on a sample.
    aligned_levels: u8,
}

impl Size {
    fn parse(segment: &[u8]) -> Result<Self, CodestreamError> {
        let Some(&[_, _, ref fields @ ..]) = segment.first_chunk::<39>() else {
            return Err(value("SIZ", format!("{} bytes long", segment.len()), "39 or more"));
        };
        let field = |i: usize| {
            let word = fields[4 * i..].first_chunk().expect("eight words of four bytes");
            u32::from_be_bytes(*word) as usize
        };
        let (right, bottom, left, top) = (field(0), field(1), field(2), field(3));
        let (tile_width, tile_height, tile_left, tile_top) =
            (field(4), field(5), field(6), field(7));
        let &[components_high, components_low, depth, dx, dy] = &fields[32..] else {
            unreachable!("39 bytes without the first two end with five")
        };
        let components = u16::from_be_bytes([components_high, components_low]);
        if components != 1 {
            return Err(value("the number of components", components.to_string(), "1"));
        }
        let (precision, signed) = ((depth & 0x7F) + 1, depth & 0x80 != 0);
        if precision > 16 || (dx, dy) != (1, 1) {
            let found = format!("{precision} bits, {dx} x {dy} pixels each");
            return Err(value("the component", found, "1 to 16 bits, 1 x 1 pixels each"));
        }
        let fits = left < right
            && top < bottom
            && tile_left <= left
            && tile_top <= top
            && tile_left + tile_width > left
            && tile_top + tile_height > top;
        let (width, height) = (right.saturating_sub(left), bottom.saturating_sub(top));
        if !fits || width > 0xFFFF || height > 0xFFFF {
            let found = format!("{width} x {height} in tiles of {tile_width} x {tile_height}");
            return Err(value("SIZ", found, "1 to 65535 columns and rows, tiles on them"));
        }
        let across = (right - tile_left).div_ceil(tile_width);
        let down = (bottom - tile_top).div_ceil(tile_height);
        let tile = (tile_width.min(right - tile_left), tile_height.min(bottom - tile_top));
        let tiles = across.saturating_mul(down);
        let aligned_levels = (left | top).trailing_zeros().min(32) as u8;
        let size = Self { width, height, precision, signed, tiles, tile, aligned_levels };
        size.bound(size.tiles)?;
        Ok(size)
    }

    /// The levels of a COD or COC segment (A.6.1): its style, and its parameters from the levels on.
    /// Checks the number of parts.
    fn levels(&self, style: Option<&u8>, parameters: &[u8]) -> Result<u8, CodestreamError> {
        let (Some(style), &[levels, block_width, block_height, _, _, ref precincts @ ..]) =
            (style, parameters)
        else {
            let found = format!("{} bytes of parameters long", parameters.len());
            return Err(value("COD", found, "5 or more"));
        };
        if levels > 32 {
            return Err(value("the number of wavelet levels", levels.to_string(), "0 to 32"));
        }
        let mut parts = 0usize;
        for resolution in 0..=usize::from(levels) {
            let reduce = usize::from(levels) - resolution;
            let length = |whole: usize| whole.checked_shr(reduce as u32).unwrap_or(0) + 1;
            let (width, height) = (length(self.tile.0), length(self.tile.1));
            let (px, py) = match (style & 1, precincts.get(resolution)) {
                (0, _) | (_, None) => (15, 15),
                (_, Some(exponents)) => (exponents & 15, exponents >> 4),
            };
            let (bx, by) = ((block_width & 15) + 2, (block_height & 15) + 2);
            let count = |bits_x: u8, bits_y: u8| {
                width.div_ceil(1 << bits_x).saturating_mul(height.div_ceil(1 << bits_y))
            };
            parts =
                parts.saturating_add(count(px, py)).saturating_add(count(px.min(bx), py.min(by)));
        }
        self.bound(parts.saturating_mul(self.tiles))?;
        Ok(levels.min(self.aligned_levels))
    }

    fn bound(&self, parts: usize) -> Result<(), CodestreamError> {
        if parts > FEW_PARTS && parts > self.width * self.height / MIN_PIXELS_A_PART {
            let found = format!("{parts} for {} x {} pixels", self.width, self.height);
            return Err(value(
                "the number of tiles and blocks",
                found,
                "one for 64 pixels at most",
            ));
        }
        Ok(())
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, need: usize, part: &str) -> Result<&'a [u8], CodestreamError> {
        let left = &self.bytes[self.at..];
        self.at += need.min(left.len());
        left.get(..need).ok_or_else(|| CodestreamError::Truncated {
            part: part.into(),
            need,
            have: left.len(),
        })
    }

    fn word(&mut self, part: &str) -> Result<u16, CodestreamError> {
        self.take(2, part).map(|word| u16::from_be_bytes([word[0], word[1]]))
    }

    /// The content of a marker's segment, after its length.
    fn segment(&mut self, part: &str) -> Result<&'a [u8], CodestreamError> {
        match self.word(part)? {
            length @ 2.. => self.take(usize::from(length) - 2, part),
            length => Err(value("the length of a marker segment", length.to_string(), "2 or more")),
        }
    }

    fn tile_parts(&mut self, tiles: usize) -> Result<(), CodestreamError> {
        let (mut begun, mut complete) = (0, 0);
        loop {
            let start = self.at;
            if start == self.bytes.len() && complete == tiles {
                return Ok(());
            }
            match self.word("the marker behind a tile-part") {
                Ok(EOC) if begun < tiles => {
                    return Err(CodestreamError::NoEnd { found: begun, tiles });
                }
                Ok(EOC) => return Ok(()),
                Ok(SOT) => {}
                Ok(found) if complete == tiles => {
                    let found = format!("{found:#06x}");
                    return Err(value("the marker behind the last tile-part", found, "0xffd9"));
                }
                Ok(found) => {
                    let found = format!("{found:#06x}");
                    return Err(value("the marker behind a tile-part", found, "0xff90 or 0xffd9"));
                }
                Err(_) => return Err(CodestreamError::NoEnd { found: complete, tiles }),
            }
            let header = self.segment("the head of a tile-part")?;
            let &[_, _, l0, l1, l2, l3, index, count] = header else {
                return Err(value("SOT", format!("{} bytes long", header.len() + 2), "10"));
            };
            let length = match u32::from_be_bytes([l0, l1, l2, l3]) as usize {
                // The last tile-part may leave it out and then goes up to the end marker.
                0 => return self.ends_with_marker(complete, tiles),
                length if length < self.at - start => {
                    return Err(value(
                        "the length of a tile-part",
                        length.to_string(),
                        "14 or more",
                    ));
                }
                length => length,
            };
            begun += usize::from(index == 0);
            self.at = start;
            self.take(length, &format!("tile-part {index}"))?;
            complete += usize::from(count != 0 && index == count - 1);
        }
    }

    fn ends_with_marker(&self, found: usize, tiles: usize) -> Result<(), CodestreamError> {
        let padding = self.bytes.iter().rev().take_while(|&&byte| byte == 0).count().min(1);
        match self.bytes[self.at..self.bytes.len() - padding].ends_with(&EOC.to_be_bytes()) {
            true => Ok(()),
            false => Err(CodestreamError::NoEnd { found, tiles }),
        }
    }
}

fn value(part: &'static str, found: impl Into<String>, needed: &'static str) -> CodestreamError {
    CodestreamError::Value { part, found: found.into(), needed }
}
