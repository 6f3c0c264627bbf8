//! A code-block as both kinds of block decoders need it: its shape and its codeword segments.

use super::coding::Style;
use super::geometry::Orientation;
use super::packet::Piece;

/// The shape of a code-block.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub width: usize,
    pub height: usize,
    pub orientation: Orientation,
    pub style: Style,
    /// The number of coded magnitude bit-planes, at most [`MAX_PLANES`].
    pub planes: u8,
    /// The number of low bit-planes to leave out.
    pub skip: u8,
}

/// More bit-planes than this do not fit a coefficient.
pub const MAX_PLANES: u8 = 30;

/// Where the bytes of a tile's code-blocks are.
#[derive(Clone, Copy)]
pub struct Segments<'a> {
    pub bytes: &'a [u8],
    pub pieces: &'a [Piece],
}

impl<'a> Segments<'a> {
    /// The codeword segment that starts at piece `next`, and its number of passes. Sets `next` to
    /// the piece after it. The segment is copied to `joined` if it has several pieces.
    pub fn next<'j>(&self, next: &mut u32, joined: &'j mut Vec<u8>) -> (usize, &'j [u8])
    where
        'a: 'j,
    {
        let bytes = |piece: &Piece| &self.bytes[piece.start as usize..][..piece.length as usize];
        let first = &self.pieces[*next as usize];
        let mut passes = usize::from(first.passes);
        *next = first.next;
        let goes_on = |next: u32| next != 0 && self.pieces[next as usize].continues;
        if !goes_on(*next) {
            return (passes, bytes(first));
        }
        joined.clear();
        joined.extend_from_slice(bytes(first));
        while goes_on(*next) {
            let piece = &self.pieces[*next as usize];
            joined.extend_from_slice(bytes(piece));
            passes += usize::from(piece.passes);
            *next = piece.next;
        }
        (passes, joined)
    }
}
