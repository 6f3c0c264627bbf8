//! Reads the members of a zip archive as PyTorch writes it.
//!
//! In: a file and its length. Out: an [`Archive`], which gives the bytes of a member, stored or
//! deflated, checked against its CRC-32. Names are only compared; no path is made of them.
//!
//! What the archive says of itself is held against what it is: members lie within the file, and
//! together they have no more bytes than it. So a bomb of overlapping members is refused.
//!
//! The format: PKWARE's APPNOTE, 4.3 and 4.5.3 (zip64, which PyTorch always writes).

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::read::DeflateDecoder;

/// The bytes of the directory, at most: 100,000 members and more.
const DIRECTORY: u64 = 8 << 20;
/// The bytes that are read at once.
const PIECE: usize = 1 << 17;
/// The members, at most.
const MEMBERS: usize = 100_000;

/// A member of an archive.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// The bytes in the archive.
    pub packed: u64,
    /// The bytes of the content, as the archive says.
    pub size: u64,
    /// Whether `packed` bytes are the content itself.
    pub stored: bool,
    crc: u32,
    /// The place of the header before the content.
    header: u64,
}

/// A zip archive.
#[derive(Debug)]
pub struct Archive<'a> {
    file: &'a File,
    length: u64,
    members: HashMap<String, Member>,
    /// Without them, after `torch.serialization.set_crc32_options(False)`, every CRC is 0.
    has_checksums: bool,
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    pub fn open(file: &'a File, length: u64) -> Result<Self, String> {
        let mut archive = Self { file, length, members: HashMap::new(), has_checksums: false };
        let (directory, entries) = archive.directory()?;
        archive.list(&directory, entries)?;
        let packed = archive.members.values().try_fold(0_u64, |sum, m| sum.checked_add(m.packed));
        if packed.is_none_or(|packed| packed > length) {
            return Err("the archive's members have more bytes than the file".into());
        }
        archive.has_checksums = archive.members.values().any(|member| member.crc != 0);
        Ok(archive)
    }

    /// The names of all members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// The member of a name.
    pub fn member(&self, name: &str) -> Option<Member> {
        self.members.get(name).copied()
    }

    /// The bytes of all members in the archive, those of deflated ones twice: as much content as an
    /// archive of weights can have. Floating-point weights do not shrink to less than a half.
    pub fn plausible(&self) -> u64 {
        let bytes = |member: &Member| if member.stored { member.packed } else { member.packed * 2 };
        self.members.values().map(bytes).sum()
    }

    /// The whole content of a small member. The caller has looked at its size.
    pub fn bytes(&self, member: Member) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; member.size as usize];
        let mut content = self.content(member)?;
        content.read_exact(&mut bytes).map_err(broken)?;
        drop(content);
        self.check(member)?;
        Ok(bytes)
    }

    /// Reads a member once, against its size and its CRC-32.
    pub fn check(&self, member: Member) -> Result<(), String> {
        let mut content = self.content(member)?.take(member.size.saturating_add(1));
        let mut piece = vec![0; member.size.clamp(1, PIECE as u64) as usize];
        let mut crc = Crc::new();
        let mut size = 0;
        loop {
            let count = content.read(&mut piece).map_err(broken)?;
            if count == 0 {
                break;
            }
            size += count as u64;
            crc.update(&piece[..count]);
        }
        if size != member.size {
            return Err("a member of the archive has another size than the archive says".into());
        }
        if self.has_checksums && crc.sum() != member.crc {
            return Err("a checksum of the archive does not fit: the file is damaged".into());
        }
        Ok(())
    }

    /// The content of a member from `skip` on.
    pub fn content_from(&self, member: Member, skip: u64) -> Result<Box<dyn Read + 'a>, String> {
        let start = self.start(member)?;
        let mut file = self.file;
        let from = if member.stored { start + skip.min(member.packed) } else { start };
        file.seek(SeekFrom::Start(from)).map_err(broken)?;
        let packed = BufReader::with_capacity(member.packed.clamp(1, PIECE as u64) as usize, file)
            .take(start + member.packed - from);
        if member.stored {
            return Ok(Box::new(packed));
        }
        let mut content = DeflateDecoder::new(packed);
        io::copy(&mut (&mut content).take(skip), &mut io::sink()).map_err(broken)?;
        Ok(Box::new(content))
    }

    fn content(&self, member: Member) -> Result<Box<dyn Read + 'a>, String> {
        self.content_from(member, 0)
    }

    /// Where the content begins: behind the header, whose name and extra field have any length.
    fn start(&self, member: Member) -> Result<u64, String> {
        let header = self.read(member.header, 30)?;
        if header[..4] != *b"PK\x03\x04" {
            return Err("a member of the archive has no header".into());
        }
        let start = member.header + 30 + number::<2>(&header[26..]) + number::<2>(&header[28..]);
        if start.checked_add(member.packed).is_none_or(|end| end > self.length) {
            return Err("a member of the archive ends behind the file".into());
        }
        Ok(start)
    }

    fn read(&self, from: u64, count: u64) -> Result<Vec<u8>, String> {
        if from.checked_add(count).is_none_or(|end| end > self.length) {
            return Err("the archive is cut off, or damaged".into());
        }
        let mut bytes = vec![0; count as usize];
        let mut file = self.file;
        file.seek(SeekFrom::Start(from)).map_err(broken)?;
        file.read_exact(&mut bytes).map_err(broken)?;
        Ok(bytes)
    }

    /// The bytes of the directory, and the number of its entries.
    fn directory(&self) -> Result<(Vec<u8>, u64), String> {
        let tail_from = self.length.saturating_sub(22 + 0xffff);
        let tail = self.read(tail_from, self.length - tail_from)?;
        let ends = (0..tail.len().saturating_sub(21)).rev();
        let end = ends.into_iter().find(|&at| {
            let comment = || number::<2>(&tail[at + 20..]) as usize;
            tail[at..].starts_with(b"PK\x05\x06") && at + 22 + comment() == tail.len()
        });
        let end = end.ok_or("a zip archive without its end: cut off, or no file of torch.save")?;
        let record = &tail[end..];
        let (mut entries, mut size, mut from) =
            (number::<2>(&record[10..]), number::<4>(&record[12..]), number::<4>(&record[16..]));
        let end = tail_from + end as u64;
        if let Some(at) = end.checked_sub(20) {
            let locator = self.read(at, 20)?;
            if locator.starts_with(b"PK\x06\x07") {
                let record = self.read(number::<8>(&locator[8..]), 56)?;
                if !record.starts_with(b"PK\x06\x06") {
                    return Err("the archive's directory is not where it says".into());
                }
                entries = number::<8>(&record[32..]);
                size = number::<8>(&record[40..]);
                from = number::<8>(&record[48..]);
            }
        }
        if size > DIRECTORY || entries > MEMBERS as u64 {
            return Err(format!("a directory of {entries} members in {size} bytes is not read"));
        }
        Ok((self.read(from, size)?, entries))
    }

    fn list(&mut self, mut rest: &[u8], entries: u64) -> Result<(), String> {
        let wrong = || String::from("the archive's directory is damaged");
        for _ in 0..entries {
            let head = rest.get(..46).filter(|head| head.starts_with(b"PK\x01\x02"));
            let head = head.ok_or_else(wrong)?;
            let [name, extra, comment] = [28, 30, 32].map(|at| number::<2>(&head[at..]) as usize);
            let end = 46 + name + extra + comment;
            let body = rest.get(46..end).ok_or_else(wrong)?;
            rest = &rest[end..];
            let stored = match number::<2>(&head[10..]) {
                0 => true,
                8 => false,
                other => return Err(format!("method {other} of compression is not read")),
            };
            if number::<2>(&head[8..]) & 1 != 0 {
                return Err("the archive is encrypted".into());
            }
            let mut sizes = [24, 20, 42].map(|at| number::<4>(&head[at..]));
            widen(&mut sizes, &body[name..name + extra]).ok_or_else(wrong)?;
            let [size, packed, header] = sizes;
            let crc = number::<4>(&head[16..]) as u32;
            let member = Member { packed, size, stored, crc, header };
            if stored && packed != size {
                return Err("a stored member of the archive has two sizes".into());
            }
            // A name that is no text is never asked for.
            let name = String::from_utf8_lossy(&body[..name]).into_owned();
            if self.members.insert(name, member).is_some() {
                return Err("two members of the archive have the same name".into());
            }
        }
        if rest.is_empty() { Ok(()) } else { Err(wrong()) }
    }
}

/// Takes from zip64's extra field (kind 1) the numbers that have no room in the entry. `None` if one
/// is missing.
fn widen(sizes: &mut [u64; 3], mut extra: &[u8]) -> Option<()> {
    if sizes.iter().all(|size| *size != 0xffff_ffff) {
        return Some(());
    }
    loop {
        let (kind, length) = (number::<2>(extra.get(..2)?), number::<2>(extra.get(2..4)?));
        let mut field = extra.get(4..4 + length as usize)?;
        extra = &extra[4 + length as usize..];
        if kind == 1 {
            for size in sizes.iter_mut().filter(|size| **size == 0xffff_ffff) {
                *size = number::<8>(field.get(..8)?);
                field = &field[8..];
            }
            return Some(());
        }
    }
}

/// The number in the first N bytes.
fn number<const N: usize>(bytes: &[u8]) -> u64 {
    let mut all = [0; 8];
    all[..N].copy_from_slice(&bytes[..N]);
    u64::from_le_bytes(all)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "a member of the archive is shorter than it says".into(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            "a member of the archive cannot be inflated".into()
        }
        _ => error.to_string(),
    }
}
