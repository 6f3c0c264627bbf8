//! The machine that runs a pickle's opcodes.
//!
//! In: a pickle of which nothing was read. Out: the same with its values, when STOP is reached. The
//! stack, the memo and everything kept are bounded, and no opcode calls anything.

use super::{At, Entry, Global, NOTHING, OPAQUE, Pickle, Value};

/// Values, and entries of dicts, at most; a checkpoint of EfficientNet-B7 with its optimizer and its
/// averages has about 100,000.
const VALUES: usize = 500_000;
/// Opcodes, at most.
const OPCODES: usize = 4_000_000;
/// Values on the stack, at most.
const STACK: usize = 1_000_000;

/// Runs the opcodes up to STOP.
pub fn run(pickle: Pickle<'_>) -> Result<Pickle<'_>, String> {
    if pickle.bytes.first() != Some(&0x80) {
        return Err("the list of tensors is no pickle of protocol 2 to 5".into());
    }
    let mut machine =
        Machine { pickle, place: 0, stack: Vec::new(), marks: Vec::new(), memo: Vec::new() };
    for _ in 0..OPCODES {
        let place = machine.place;
        match machine.step() {
            Ok(false) => {}
            Ok(true) => return Ok(machine.pickle),
            Err(reason) => return Err(format!("the list of tensors, byte {place}: {reason}")),
        }
    }
    Err(format!("the list of tensors has more than {OPCODES} steps"))
}

type Said<T = ()> = Result<T, &'static str>;

const ENDS: &str = "the pickle ends within a value";
const EMPTY: &str = "a value is taken from an empty stack";
const MANY: &str = "more values than a checkpoint has";
const KIND: &str = "a value of another kind is needed";

struct Machine<'a> {
    pickle: Pickle<'a>,
    place: usize,
    stack: Vec<At>,
    /// The heights of the stack at the marks.
    marks: Vec<u32>,
    memo: Vec<At>,
}

impl<'a> Machine<'a> {
    /// One opcode; whether it was STOP.
    fn step(&mut self) -> Said<bool> {
        match self.byte()? {
            // PROTO
            0x80 => match self.byte()? {
                2..=5 => {}
                _ => return Err("another protocol than 2 to 5"),
            },
            // FRAME
            0x95 => drop(self.take(8)?),
            b'.' => {
                self.pickle.top = self.pop()?;
                return Ok(true);
            }
            b'(' => {
                if self.marks.len() >= STACK {
                    return Err(MANY);
                }
                self.marks.push(self.stack.len() as u32);
            }
            b'0' => drop(self.pop()?),
            // POP_MARK
            b'1' => self.truncate_to_mark()?,
            // None, True, False, a float, an empty list, an empty set
            b'N' | 0x88 | 0x89 | b']' | 0x8f => self.push(OPAQUE)?,
            b'G' => self.skip(8)?,
            // bytes of three lengths, and a bytearray
            b'C' => self.skip_counted::<1>()?,
            b'B' => self.skip_counted::<4>()?,
            0x8e | 0x96 => self.skip_counted::<8>()?,
            b'K' => self.integer::<1>(|bytes| bytes[0].into())?,
            b'M' => self.integer(|bytes| u16::from_le_bytes(bytes).into())?,
            b'J' => self.integer(|bytes| i32::from_le_bytes(bytes).into())?,
            // LONG1, LONG4
            0x8a => self.long::<1>()?,
            0x8b => self.long::<4>()?,
            0x8c => self.text::<1>()?,
            b'X' => self.text::<4>()?,
            0x8d => self.text::<8>()?,
            b')' => self.tuple(self.stack.len())?,
            b't' => {
                let mark = self.mark()?;
                self.tuple(mark)?;
            }
            opcode @ 0x85..=0x87 => {
                let from = self.below(usize::from(opcode - 0x84))?;
                self.tuple(from)?;
            }
            b'}' => self.add(Value::Dict(NOTHING, NOTHING))?,
            // APPEND to a list, of which nothing is kept
            b'a' => drop(self.pop()?),
            // APPENDS, ADDITEMS
            b'e' | 0x90 => self.truncate_to_mark()?,
            // FROZENSET
            0x91 => {
                self.truncate_to_mark()?;
                self.push(OPAQUE)?;
            }
            b's' => {
                let from = self.below(2)?;
                self.set(from)?;
            }
            b'u' => {
                let mark = self.mark()?;
                self.set(mark)?;
            }
            // GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            // STACK_GLOBAL
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |at| self.pickle.text(at).ok_or(KIND);
                let (module, name) = (text(module)?, text(name)?);
                self.global(module.as_bytes(), name.as_bytes())?;
            }
            // REDUCE, NEWOBJ
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?;
            }
            // NEWOBJ_EX
            0x92 => {
                let from = self.below(3)?;
                self.stack.truncate(from);
                self.push(OPAQUE)?;
            }
            // BUILD sets attributes, of which none is a weight.
            b'b' => drop(self.pop()?),
            // BINPERSID
            b'Q' => {
                let id = self.pop()?;
                self.add(Value::Persistent(id))?;
            }
            b'q' => {
                let id = self.byte()?.into();
                self.remember(id)?;
            }
            b'r' => {
                let id = u32::from_le_bytes(self.array()?);
                self.remember(id as usize)?;
            }
            // MEMOIZE
            0x94 => self.remember(self.memo.len())?,
            b'h' => {
                let id = self.byte()?.into();
                self.recall(id)?;
            }
            b'j' => {
                let id = u32::from_le_bytes(self.array()?);
                self.recall(id as usize)?;
            }
            _ => return Err("an opcode that PyTorch does not write"),
        }
        Ok(false)
    }

    fn take(&mut self, count: usize) -> Said<&'a [u8]> {
        let rest = &self.pickle.bytes[self.place..];
        let taken = rest.get(..count).ok_or(ENDS)?;
        self.place += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Said<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were asked for"))
    }

    fn byte(&mut self) -> Said<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// A number of bytes, which itself has N bytes.
    fn count<const N: usize>(&mut self) -> Said<usize> {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(self.take(N)?);
        usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| ENDS)
    }

    /// A line without its end.
    fn line(&mut self) -> Said<&'a [u8]> {
        let rest = &self.pickle.bytes[self.place..];
        let length = rest.iter().take(1024).position(|byte| *byte == b'\n').ok_or(ENDS)?;
        self.place += length + 1;
        Ok(&rest[..length])
    }

    fn push(&mut self, at: At) -> Said {
        if self.stack.len() >= STACK {
            return Err(MANY);
        }
        self.stack.push(at);
        Ok(())
    }

    fn add(&mut self, value: Value) -> Said {
        if self.pickle.values.len() >= VALUES {
            return Err(MANY);
        }
        self.pickle.values.push(value);
        self.push(At(self.pickle.values.len() as u32 - 1))
    }

    /// The height below which nothing may be taken before the next mark is.
    fn floor(&self) -> usize {
        self.marks.last().map_or(0, |height| *height as usize)
    }

    /// The height of the stack without its last `count` values.
    fn below(&self, count: usize) -> Said<usize> {
        let height = self.stack.len().checked_sub(count).ok_or(EMPTY)?;
        if height < self.floor() { Err(EMPTY) } else { Ok(height) }
    }

    fn pop(&mut self) -> Said<At> {
        let from = self.below(1)?;
        let at = self.stack[from];
        self.stack.truncate(from);
        Ok(at)
    }

    fn last(&self) -> Said<At> {
        Ok(self.stack[self.below(1)?])
    }

    /// Takes the last mark; the height of the stack at it.
    fn mark(&mut self) -> Said<usize> {
        Ok(self.marks.pop().ok_or("a mark is taken that was not set")? as usize)
    }

    fn truncate_to_mark(&mut self) -> Said {
        let mark = self.mark()?;
        self.stack.truncate(mark);
        Ok(())
    }

    fn skip(&mut self, count: usize) -> Said {
        self.take(count)?;
        self.push(OPAQUE)
    }

    fn skip_counted<const N: usize>(&mut self) -> Said {
        let count = self.count::<N>()?;
        self.skip(count)
    }

    fn integer<const N: usize>(&mut self, number: impl Fn([u8; N]) -> i64) -> Said {
        let number = number(self.array()?);
        self.add(Value::Integer(number))
    }

    /// A whole number of any length, two's complement.
    fn long<const N: usize>(&mut self) -> Said {
        let count = self.count::<N>()?;
        let bytes = self.take(count)?;
        if count > 8 {
            return self.push(OPAQUE);
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut all = [if negative { 0xff } else { 0 }; 8];
        all[..count].copy_from_slice(bytes);
        self.add(Value::Integer(i64::from_le_bytes(all)))
    }

    fn text<const N: usize>(&mut self) -> Said {
        let count = self.count::<N>()?;
        let start = self.place;
        self.take(count)?;
        let small = |number| u32::try_from(number).map_err(|_| "a text of more than 4 GB");
        self.add(Value::Text(small(start)?, small(count)?))
    }

    /// A tuple of all values from a height on.
    fn tuple(&mut self, from: usize) -> Said {
        let (start, length) = (self.pickle.parts.len(), self.stack.len() - from);
        if start + length > STACK {
            return Err(MANY);
        }
        self.pickle.parts.extend(self.stack.drain(from..));
        self.add(Value::Tuple(start as u32, length as u32))
    }

    /// Sets keys to values, which lie by turns above the dict.
    fn set(&mut self, from: usize) -> Said {
        let pairs = self.stack.split_off(from);
        let dict = self.last()?;
        let Value::Dict(mut first, mut last) = self.pickle.value(dict) else {
            // An object that is no part of weights.
            return if dict == OPAQUE { Ok(()) } else { Err(KIND) };
        };
        if !pairs.len().is_multiple_of(2) {
            return Err("a key without a value");
        }
        for pair in pairs.chunks_exact(2) {
            if self.pickle.entries.len() >= VALUES {
                return Err(MANY);
            }
            let new = At(self.pickle.entries.len() as u32);
            self.pickle.entries.push(Entry { key: pair[0], value: pair[1], next: NOTHING });
            match self.pickle.entries.get_mut(last.0 as usize) {
                Some(entry) => entry.next = new,
                None => first = new,
            }
            last = new;
        }
        self.pickle.values[dict.0 as usize] = Value::Dict(first, last);
        Ok(())
    }

    fn global(&mut self, module: &[u8], name: &[u8]) -> Said {
        match Global::of(module, name) {
            Some(global) => self.add(Value::Global(global)),
            None => self.push(OPAQUE),
        }
    }

    fn call(&mut self, callable: At, arguments: At) -> Said {
        let parts = self.pickle.tuple(arguments).ok_or(KIND)?;
        match self.pickle.value(callable) {
            Value::Global(Global::Dict) => self.add(Value::Dict(NOTHING, NOTHING)),
            // torch.Size(parts) is the tuple.
            Value::Global(Global::Size) => match parts {
                [] => self.push(arguments),
                [parts] if self.pickle.tuple(*parts).is_some() => self.push(*parts),
                _ => self.push(OPAQUE),
            },
            Value::Global(global) => self.add(Value::Call(global, arguments)),
            Value::Opaque => self.push(OPAQUE),
            _ => Err(KIND),
        }
    }

    fn remember(&mut self, id: usize) -> Said {
        let at = self.last()?;
        if id >= STACK {
            return Err(MANY);
        }
        if id >= self.memo.len() {
            self.memo.resize(id + 1, NOTHING);
        }
        self.memo[id] = at;
        Ok(())
    }

    fn recall(&mut self, id: usize) -> Said {
        let at = self.memo.get(id).copied().filter(|at| *at != NOTHING);
        self.push(at.ok_or("a value is recalled that was not remembered")?)
    }
}
