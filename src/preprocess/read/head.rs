//! Reads the head of a data element: tag, value representation and length (DICOM PS3.5 7.1), also
//! where it is not written as the transfer syntax says.
//!
//! In: the bytes of a data set and a position. Out: [`Head`]. Files in archives hold elements in
//! implicit encoding among explicit ones and the reverse, and value representations such as `??`,
//! `--`, blanks or zeros. A head that is as declared is taken. Otherwise each of the other forms is
//! tried, and the first one holds after whose value another element, a delimiter or the end
//! follows. Nothing is guessed: if no form leads to that, the head is an error.

use std::ops::Range;

use dicom_dictionary_std::tags;

use super::elements::{Element, Encoding, Tag};
use crate::dicom::has_short_length;

/// An element's head.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// What it says.
    pub element: Element,
    /// The number of its bytes.
    pub size: usize,
    /// Whether it is as the encoding says.
    pub usual: Usual,
}

/// Whether a head is as the encoding of the data set says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usual {
    /// It is.
    Yes,
    /// Its value representation does not exist.
    NoVr,
    /// It is implicit among explicit ones, or the reverse.
    OtherEncoding,
}

/// The ways in which a head can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A length of 32 bits and no value representation.
    Implicit,
    /// A value representation and a length of 16 bits.
    Short,
    /// A value representation, two bytes that are not used, and a length of 32 bits.
    Long,
}

/// The value representations of PS3.5 table 6.2-1 whose length has 32 bits.
const LONG: [&[u8; 2]; 13] =
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];

/// The most heads that are followed to judge one.
const MOST_STEPS: u32 = 200;

/// The bytes in which a head lies.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a> {
    /// All bytes of the data set.
    pub all: &'a [u8],
    /// Where the elements around it end, as far as that is known.
    pub end: usize,
    /// The encoding that is declared here.
    pub encoding: Encoding,
}

impl Bytes<'_> {
    /// The head at `at`, where eight bytes are. `None` if the bytes there are none in any form.
    pub fn head(&self, at: usize) -> Option<Head> {
        let bytes = &self.all[at..at + 8];
        let tag = self.tag(at);
        let vr = [bytes[4], bytes[5]];
        let is_implicit = self.encoding == Encoding::ImplicitLittle;
        // Items and delimiters (PS3.5 7.5) have no value representation in any encoding.
        if tag.group() == 0xFFFE {
            return self.read(at, tag, Form::Implicit, Usual::Yes);
        }
        match (is_implicit, form_of(vr)) {
            (true, None) => self.read(at, tag, Form::Implicit, Usual::Yes),
            (false, Some(form)) => self.read(at, tag, form, Usual::Yes),
            // Two letters in the length of an implicit element: either is possible.
            (true, Some(form)) => self
                .likely(at, tag, Form::Implicit, Usual::Yes)
                .or_else(|| self.likely(at, tag, form, Usual::OtherEncoding))
                .or_else(|| self.read(at, tag, Form::Implicit, Usual::Yes)),
            (false, None) => self.without_vr(at, tag, vr),
        }
    }

    /// A head in explicit encoding whose value representation does not exist.
    fn without_vr(&self, at: usize, tag: Tag, vr: [u8; 2]) -> Option<Head> {
        // Two letters may be a value representation of the future, whose length has 32 bits
        // (PS3.5 7.1.2). DCMTK reads all others with a length of 16 bits.
        let letters = vr.iter().all(u8::is_ascii_uppercase);
        let forms = match letters {
            true => [Form::Long, Form::Short, Form::Implicit],
            false => [Form::Short, Form::Implicit, Form::Long],
        };
        let usual = |form| match form {
            Form::Implicit => Usual::OtherEncoding,
            Form::Long if letters => Usual::Yes,
            _ => Usual::NoVr,
        };
        let is_possible =
            |form: &Form| *form != Form::Implicit || self.encoding != Encoding::ExplicitBig;
        let mut forms = forms.into_iter().filter(is_possible);
        forms.find_map(|form| self.likely(at, tag, form, usual(form)))
    }

    /// The head read as `form`, if that leads to where an element may end.
    fn likely(&self, at: usize, tag: Tag, form: Form, usual: Usual) -> Option<Head> {
        let head = self.read(at, tag, form, usual)?;
        let value = at + head.size;
        let is_likely = match head.element.length {
            Some(length) => {
                let mut steps = MOST_STEPS;
                value.checked_add(length).is_some_and(|end| self.may_end(end, tag, &mut steps))
            }
            None => self.is_item(value),
        };
        is_likely.then_some(head)
    }

    fn read(&self, at: usize, tag: Tag, form: Form, usual: Usual) -> Option<Head> {
        let bytes = &self.all[at..];
        let encoding = self.encoding;
        let (vr, size, length) = match form {
            Form::Implicit => (None, 8, encoding.u32(bytes.get(4..8)?)),
            Form::Short => (vr(bytes), 8, u32::from(encoding.u16(bytes.get(6..8)?))),
            Form::Long => (vr(bytes), 12, encoding.u32(bytes.get(8..12)?)),
        };
        // What is no value representation says nothing.
        let vr = vr.filter(|vr| usual == Usual::Yes || form_of(*vr).is_some());
        let length = (form == Form::Short || length != u32::MAX).then_some(length as usize);
        Some(Head { element: Element { tag, vr, length }, size, usual })
    }

    /// Whether the value of `tag` may end at `at`: at the end of the elements around it, or before a
    /// later element, an item or a delimiter. Elements whose value representation does not exist are
    /// followed up to one that has one, by at most `steps` heads.
    fn may_end(&self, at: usize, tag: Tag, steps: &mut u32) -> bool {
        if at == self.end {
            return true;
        }
        if at > self.end || self.all.len() - at < 8 || *steps == 0 {
            return false;
        }
        *steps -= 1;
        let next = self.tag(at);
        if next.group() == 0xFFFE {
            return matches!(next.element(), 0xE000 | 0xE00D | 0xE0DD);
        }
        if next <= tag || (next > tags::PIXEL_DATA && next.group() != 0xFFFC) {
            return false;
        }
        let vr = [self.all[at + 4], self.all[at + 5]];
        let length = self.encoding.u32(&self.all[at + 4..]);
        let fits = length as usize <= self.end.saturating_sub(at + 8) || length == u32::MAX;
        if form_of(vr).is_some() || fits {
            return true;
        }
        let mut ends = [Form::Short, Form::Long].into_iter().filter_map(|form| {
            let Head { element, size, .. } = self.read(at, next, form, Usual::NoVr)?;
            (at + size).checked_add(element.length?)
        });
        ends.any(|end| self.may_end(end, next, steps))
    }

    fn is_item(&self, at: usize) -> bool {
        let is_there = self.all.len().checked_sub(at).is_some_and(|left| left >= 8);
        is_there && matches!(self.tag(at), Tag(0xFFFE, 0xE000 | 0xE0DD))
    }

    fn tag(&self, at: usize) -> Tag {
        let bytes = &self.all[at..];
        Tag(self.encoding.u16(bytes), self.encoding.u16(&bytes[2..]))
    }
}

/// The encoding of the data set that lies at `range` of `bytes`, by its first element: `declared`,
/// or the one that it has. `None` if no element is there.
pub fn encoding_at(bytes: &[u8], range: Range<usize>, declared: Encoding) -> Option<Encoding> {
    use Encoding::*;
    let start = range.start;
    bytes.get(start..start + 8)?;
    let of = |encoding| Bytes { all: bytes, end: range.end, encoding };
    let first = |encoding: Encoding| {
        let bytes = of(encoding);
        let tag = bytes.tag(start);
        let is_first = matches!(tag.group(), 0x0002..=0x00FF);
        let vr = [bytes.all[start + 4], bytes.all[start + 5]];
        let forms: &[Form] = match (encoding, form_of(vr)) {
            (ImplicitLittle, _) => &[Form::Implicit],
            (_, Some(Form::Short)) => &[Form::Short],
            (_, Some(_)) => &[Form::Long],
            (_, None) => &[],
        };
        is_first && forms.iter().any(|form| bytes.likely(start, tag, *form, Usual::Yes).is_some())
    };
    [declared, ExplicitLittle, ImplicitLittle, ExplicitBig].into_iter().find(|e| first(*e))
}

fn vr(bytes: &[u8]) -> Option<[u8; 2]> {
    bytes.get(4..6)?.try_into().ok()
}

/// How a head with this value representation is written; `None` if there is no such one.
fn form_of(vr: [u8; 2]) -> Option<Form> {
    match vr {
        vr if has_short_length(vr) => Some(Form::Short),
        vr if LONG.contains(&&vr) => Some(Form::Long),
        _ => None,
    }
}
