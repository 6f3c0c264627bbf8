//! Zip archives and pickles as `torch.save` writes them, and such as it never would.

use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// A member of an archive, and what the directory says of it if that is not the truth.
#[derive(Clone, Default)]
pub struct Member {
    pub name: Vec<u8>,
    pub content: Vec<u8>,
    pub deflated: bool,
    pub size: Option<u64>,
    pub packed: Option<u64>,
    pub crc: Option<u32>,
    pub header: Option<u64>,
    pub method: Option<u16>,
    pub flags: u16,
}

impl Member {
    pub fn new(name: &str, content: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), content: content.into(), ..Self::default() }
    }

    pub fn deflated(name: &str, content: impl Into<Vec<u8>>) -> Self {
        Self { deflated: true, ..Self::new(name, content) }
    }

    fn packed(&self) -> Vec<u8> {
        if !self.deflated {
            return self.content.clone();
        }
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&self.content).unwrap();
        encoder.finish().unwrap()
    }
}

/// The archive, with the directory's sizes in zip64's fields.
pub fn zip(members: &[Member]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for member in members {
        let packed = member.packed();
        let mut crc = Crc::new();
        crc.update(&member.content);
        let header = archive.len() as u64;
        let method = member.method.unwrap_or(if member.deflated { 8 } else { 0 });
        let name = u16::try_from(member.name.len()).unwrap();
        // As PyTorch: sizes and CRC stand in the directory alone.
        archive.extend(*b"PK\x03\x04\0\0\x08\x08");
        archive.extend(method.to_le_bytes());
        archive.extend([0; 16]);
        archive.extend(name.to_le_bytes());
        archive.extend([0; 2]);
        archive.extend(&member.name);
        archive.extend(&packed);
        directory.extend(*b"PK\x01\x02\0\0\0\0");
        directory.extend((member.flags | 0x808).to_le_bytes());
        directory.extend(method.to_le_bytes());
        directory.extend([0; 4]);
        directory.extend(member.crc.unwrap_or(crc.sum()).to_le_bytes());
        directory.extend([0xff; 8]);
        directory.extend(name.to_le_bytes());
        directory.extend(28_u16.to_le_bytes());
        directory.extend([0; 10]);
        directory.extend([0xff; 4]);
        directory.extend(&member.name);
        directory.extend([1, 0, 24, 0]);
        directory.extend(member.size.unwrap_or(member.content.len() as u64).to_le_bytes());
        directory.extend(member.packed.unwrap_or(packed.len() as u64).to_le_bytes());
        directory.extend(member.header.unwrap_or(header).to_le_bytes());
    }
    end(archive, &directory, members.len() as u64)
}

/// The archive behind its members: the directory, and both ends.
pub fn end(mut archive: Vec<u8>, directory: &[u8], entries: u64) -> Vec<u8> {
    let (from, size) = (archive.len() as u64, directory.len() as u64);
    archive.extend(directory);
    let record = archive.len() as u64;
    archive.extend(*b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x1e\x03\x2d\0\0\0\0\0\0\0\0\0");
    for number in [entries, entries, size, from] {
        archive.extend(number.to_le_bytes());
    }
    archive.extend(*b"PK\x06\x07\0\0\0\0");
    archive.extend(record.to_le_bytes());
    archive.extend([1, 0, 0, 0]);
    archive.extend(*b"PK\x05\x06\0\0\0\0");
    archive.extend([0xff; 12]);
    archive.extend([0; 2]);
    archive
}

/// What `torch.save` writes, with this pickle and these storages.
pub fn saved(pickle: &Pickle, storages: &[&[u8]]) -> Vec<Member> {
    let mut members = vec![
        Member::new("a/data.pkl", pickle.0.clone()),
        Member::new("a/.format_version", "1"),
        Member::new("a/byteorder", "little"),
    ];
    for (index, storage) in storages.iter().enumerate() {
        members.push(Member::new(&format!("a/data/{index}"), *storage));
    }
    members.push(Member::new("a/version", "3\n"));
    members
}

/// A pickle that is being written.
#[derive(Clone)]
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    pub fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn text(mut self, text: &str) -> Self {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.raw(text.as_bytes())
    }

    pub fn integer(mut self, number: i64) -> Self {
        self.0.extend([0x8a, 8]);
        self.raw(&number.to_le_bytes())
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    pub fn integers(self, numbers: &[i64]) -> Self {
        let all = numbers.iter().fold(self.raw(b"("), |pickle, number| pickle.integer(*number));
        all.raw(b"t")
    }

    /// A tensor of f32.
    pub fn tensor(self, key: &str, have: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Self {
        let id = |pickle: Self| {
            pickle.raw(b"(").text("storage").global("torch", "FloatStorage").text(key).text("cpu")
        };
        let call = self.global("torch._utils", "_rebuild_tensor_v2").raw(b"(");
        let storage = id(call).integer(have).raw(b"tQ");
        let sized = storage.integer(offset).integers(shape).integers(strides);
        sized.raw(b"\x89").global("collections", "OrderedDict").raw(b")RtR")
    }

    /// A dict of this one name and the value that is written next.
    pub fn dict_of(self, name: &str) -> Self {
        self.raw(b"}").text(name)
    }
}
