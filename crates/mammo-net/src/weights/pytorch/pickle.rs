//! Reads a pickle as PyTorch writes it, and runs nothing of it.
//!
//! In: the bytes of `data.pkl`. Out: a [`Pickle`], whose values are found from [`Pickle::top`] by
//! index. A pickle is a program for a machine with a stack: this machine knows the opcodes that
//! `torch.save` writes in protocols 2 to 5, and a dozen names of Python; every other name stands for
//! a [`Value::Opaque`].
//!
//! Values lie in one list and name each other by index. So nothing here recurses, however deep a
//! pickle nests, and a value that is used a thousand times is kept once. The parts of lists, and of
//! objects that are no part of weights, are not kept at all.
//!
//! The opcodes: Python's `Lib/pickletools.py`; the names: `torch/_utils.py`, `torch/serialization.py`.

mod globals;
mod machine;

pub use globals::Global;

/// The index of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At(u32);

const NOTHING: At = At(u32::MAX);
/// The one value of everything whose content is not needed.
const OPAQUE: At = At(0);

/// A value of a pickle. Ranges are `start, length`.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    /// Something that is no part of weights.
    Opaque,
    /// A whole number of at most 64 bits.
    Integer(i64),
    /// A text: a range of the pickle's bytes.
    Text(u32, u32),
    /// A tuple: a range of `Pickle::parts`.
    Tuple(u32, u32),
    /// A dict: its first and its last entry.
    Dict(At, At),
    /// A name of Python that is known.
    Global(Global),
    /// What a persistent id stands for; the id.
    Persistent(At),
    /// What a call of a name with a tuple of arguments gives.
    Call(Global, At),
}

/// An entry of a dict.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: At,
    value: At,
    next: At,
}

/// A pickle that was read.
#[derive(Debug)]
pub struct Pickle<'a> {
    bytes: &'a [u8],
    values: Vec<Value>,
    parts: Vec<At>,
    entries: Vec<Entry>,
    top: At,
}

impl<'a> Pickle<'a> {
    /// Reads a pickle up to its STOP.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let empty = Self {
            bytes,
            values: vec![Value::Opaque],
            parts: Vec::new(),
            entries: Vec::new(),
            top: OPAQUE,
        };
        machine::run(empty)
    }

    /// The value that was pickled.
    pub fn top(&self) -> Value {
        self.value(self.top)
    }

    /// The value at an index.
    pub fn value(&self, at: At) -> Value {
        self.values[at.0 as usize]
    }

    /// The text, if it is one in UTF-8.
    pub fn text(&self, at: At) -> Option<&'a str> {
        let Value::Text(start, length) = self.value(at) else { return None };
        std::str::from_utf8(&self.bytes[start as usize..][..length as usize]).ok()
    }

    /// The parts, if it is a tuple.
    pub fn tuple(&self, at: At) -> Option<&[At]> {
        let Value::Tuple(start, length) = self.value(at) else { return None };
        Some(&self.parts[start as usize..][..length as usize])
    }

    /// The whole number, if it is one.
    pub fn integer(&self, at: At) -> Option<i64> {
        if let Value::Integer(number) = self.value(at) { Some(number) } else { None }
    }

    /// Keys and values in the order in which they were set; none if it is no dict.
    pub fn dict(&self, value: Value) -> impl Iterator<Item = (At, At)> {
        let mut next = if let Value::Dict(first, _) = value { first } else { NOTHING };
        std::iter::from_fn(move || {
            let entry = self.entries.get(next.0 as usize)?;
            next = entry.next;
            Some((entry.key, entry.value))
        })
    }
}
