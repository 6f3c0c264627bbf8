//! Files that were made to do harm.

use std::fs;
use std::path::Path;

use mammo_net::weights::{Source, load_into};
use mammo_net::{Options, Variant, build};

use crate::archive::{Member, Pickle, end, saved, zip};
use crate::load;

const MEGABYTE: usize = 1 << 20;

/// A file, its ending, and a part of the message.
struct Case {
    name: &'static str,
    ending: &'static str,
    bytes: Vec<u8>,
    reason: &'static str,
}

fn header(json: &str, data: usize) -> Vec<u8> {
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn safetensors() -> Vec<Case> {
    let case = |name, bytes, reason| Case { name, ending: "safetensors", bytes, reason };
    let length = |length: u64| [&length.to_le_bytes()[..], b"{}"].concat();
    let tensor = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    let many: Vec<String> = (0..40_000)
        .map(|i| format!(r#""{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#))
        .collect();
    vec![
        case("nothing", vec![], "0 bytes are no safetensors file"),
        case("a header of 2^64 - 1 bytes", length(u64::MAX), "longer than the file"),
        case("a header of 2^63 bytes", length(1 << 63), "longer than the file"),
        case("a header of 100 MB", header(&" ".repeat(100 * MEGABYTE), 0), "at most"),
        case("a header of nests", header(&"[".repeat(4 * MEGABYTE), 0), "line 1, column"),
        case("a header of nested dicts", header(&r#"{"a":"#.repeat(MEGABYTE / 2), 0), "column"),
        case("a header of a text", header(r#"{"w":"Jane^Doe"}"#, 0), "line 1, column"),
        case(
            "a header that is no text",
            [&2_u64.to_le_bytes()[..], b"\xff\xfe"].concat(),
            "column",
        ),
        case(
            "2^64 values",
            header(&tensor("F32", "[4294967296,4294967296]", "[0,0]"), 0),
            "w lies",
        ),
        case("2^62 values", header(&tensor("F32", "[4611686018427387904]", "[0,0]"), 0), "w lies"),
        case(
            "a size of 2^64",
            header(&tensor("F32", "[18446744073709551616]", "[0,0]"), 0),
            "column",
        ),
        case("a negative size", header(&tensor("F32", "[-4]", "[0,16]"), 16), "column"),
        case("offsets backwards", header(&tensor("F32", "[4]", "[16,0]"), 16), "w lies"),
        case(
            "a far offset",
            header(&tensor("F32", "[4]", "[99999999984,100000000000]"), 16),
            "w lies",
        ),
        case("a hole", header(&tensor("F32", "[4]", "[16,32]"), 32), "w lies"),
        case("bytes behind", header(&tensor("F32", "[4]", "[0,16]"), 24), "the file has 24"),
        case(
            "overlapping tensors",
            header(
                r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}}"#,
                24,
            ),
            "b lies at bytes 8 to 24",
        ),
        case("another type", header(&tensor("U8", "[4]", "[0,4]"), 4), "w is of type U8"),
        case("an unknown type", header(&tensor("Jane^Doe", "[4]", "[0,4]"), 4), "column"),
        case("40,000 tensors", header(&format!("{{{}}}", many.join(",")), 0), ""),
    ]
}

fn archives() -> Vec<Case> {
    let case = |name, bytes, reason| Case { name, ending: "pth", bytes, reason };
    let good = Pickle::new().dict_of("w").tensor("0", 4, 0, &[4], &[1]).raw(b"s.");
    let storage: &[u8] = &[0; 16];
    let members = saved(&good, &[storage]);
    // The archive with another storage.
    let with = |change: &dyn Fn(&mut Member)| {
        let mut members = members.clone();
        change(members.iter_mut().find(|member| member.name == b"a/data/0").unwrap());
        zip(&members)
    };
    let and = |member: Member| zip(&[&members[..], &[member]].concat());
    let bomb = |name: &str| Member::deflated(name, vec![0; 300 * MEGABYTE]);
    let large = Pickle::new().dict_of("w");
    let large = large.tensor("0", 75 << 20, 0, &[75 << 20], &[1]).raw(b"s.");
    let mut big_endian = members.clone();
    big_endian[2] = Member::new("a/byteorder", "big");
    let mut bomb_of_a_pickle = members.clone();
    bomb_of_a_pickle[0] = bomb("a/data.pkl");
    let overlap: Vec<Member> = (0..200)
        .map(|i| Member { header: Some(0), ..Member::new(&format!("a/data/{i}"), vec![0; 9000]) })
        .collect();
    let mut overlapping = zip(&overlap);
    // All 200 members are the first one.
    let directory =
        overlapping.len() - 98 - overlap.iter().map(|m| 74 + m.name.len()).sum::<usize>();
    let kept = overlapping[..9030 + 8].to_vec();
    overlapping = end(kept, &overlapping[directory..overlapping.len() - 98], 200);
    vec![
        case("nothing", vec![], "not in the format of torch.save"),
        case("a text", b"Jane^Doe".to_vec(), "not in the format of torch.save"),
        case("PyTorch before 1.6", b"\x80\x02\x8a\x0a\x6c\xfc\x9c".to_vec(), "before 1.6"),
        case("only a start", b"PK\x03\x04".to_vec(), "cut off"),
        case("only an end", [b"PK\x05\x06".to_vec(), vec![0; 18]].concat(), "without data.pkl"),
        case("2^64 members", end(b"PK".to_vec(), &[], u64::MAX), "is not read"),
        case("a directory too short", end(b"PK".to_vec(), &[0; 40], 3), "damaged"),
        case(
            "a bomb as storage",
            {
                let mut members = saved(&large, &[]);
                members.push(bomb("a/data/0"));
                zip(&members)
            },
            "in an archive of",
        ),
        case("a bomb as pickle", zip(&bomb_of_a_pickle), "bytes: save the state dict alone"),
        case("a bomb beside", and(bomb("a/data/9")), ""),
        case("overlapping members", overlapping, "more bytes than the file"),
        case("a size of 2^64 - 1", with(&|m| m.size = Some(u64::MAX)), "two sizes"),
        case(
            "both sizes 2^64 - 1",
            with(&|m| (m.size, m.packed) = (Some(u64::MAX), Some(u64::MAX))),
            "more bytes than the file",
        ),
        case(
            "both sizes a gigabyte",
            with(&|m| (m.size, m.packed) = (Some(1 << 30), Some(1 << 30))),
            "more bytes than the file",
        ),
        case(
            "a deflated size of 2^64 - 1",
            with(&|m| (m.deflated, m.size) = (true, Some(u64::MAX))),
            "in an archive of",
        ),
        case(
            "a deflated size too small",
            with(&|m| (m.deflated, m.size) = (true, Some(8))),
            "8 bytes for 4 values",
        ),
        case(
            "a deflated size too large",
            with(&|m| (m.deflated, m.size) = (true, Some(17))),
            "another size",
        ),
        case(
            "a stored size too small",
            with(&|m| (m.size, m.packed) = (Some(15), Some(15))),
            "15 bytes for 4 values",
        ),
        case("content that is not deflated", with(&|m| m.method = Some(8)), "cannot be inflated"),
        case("another method", with(&|m| m.method = Some(12)), "method 12"),
        case("an encrypted member", with(&|m| m.flags = 1), "encrypted"),
        case("a header behind the file", with(&|m| m.header = Some(u64::MAX - 3)), "cut off"),
        case("a header within another", with(&|m| m.header = Some(5)), "no header"),
        case("a wrong checksum", with(&|m| m.crc = Some(7)), "does not fit"),
        case(
            "a storage elsewhere",
            with(&|m| m.name = b"a/data/../../0".to_vec()),
            "are not in the file",
        ),
        case("two members of a name", and(members[0].clone()), "the same name"),
        case("two pickles", and(Member::new("b/data.pkl", good.0.clone())), "twice"),
        case("paths out of the folder", and(Member::new("../../../tmp/evil", "evil")), ""),
        case("an absolute path", and(Member::new("/tmp/evil", "evil")), ""),
        case("no pickle", zip(&members[1..]), "without data.pkl"),
        case("a big-endian machine", zip(&big_endian), "big-endian"),
        case("TorchScript", and(Member::new("a/constants.pkl", good.0.clone())), "TorchScript"),
    ]
}

fn pickles() -> Vec<Case> {
    let storage: &[u8] = &[0; 16];
    let case = |name, pickle: Pickle, reason| Case {
        name,
        ending: "pth",
        bytes: zip(&saved(&pickle, &[storage])),
        reason,
    };
    let new = Pickle::new;
    let tensor = |have, offset, shape: &[i64], strides: &[i64]| {
        new().dict_of("w").tensor("0", have, offset, shape, strides).raw(b"s.")
    };
    let ten_million = |unit: &[u8]| new().raw(&unit.repeat(10_000_000 / unit.len()));
    let id = |id: &[u8]| {
        new()
            .dict_of("w")
            .global("torch._utils", "_rebuild_tensor_v2")
            .raw(b"(")
            .raw(id)
            .raw(b"Q")
            .integer(0)
            .integers(&[4])
            .integers(&[1])
            .raw(b"\x89NtRs.")
    };
    let bomb = (0..28).fold(new().raw(b")q\0"), |pickle, _| pickle.raw(b"0h\0h\0\x86q\0"));
    let mut entries = new().dict_of("w").raw(b"Nsq\0(").text("k").raw(b"q\x01");
    entries = entries.raw(b"N").raw(&b"h\x01N".repeat(1_000_000)).raw(b"u.");
    let expanded = tensor(4, 0, &[1 << 26], &[0]);
    vec![
        case("no pickle", Pickle(b"Jane^Doe".to_vec()), "no pickle of protocol 2 to 5"),
        case("protocol 0", Pickle(b"(lp0\n.".to_vec()), "no pickle of protocol 2 to 5"),
        case("protocol 9", Pickle(vec![0x80, 9, b'.']), "another protocol"),
        case("an empty stack", new().raw(b"."), "an empty stack"),
        case("no end", new().raw(b"}"), "byte 3: the pickle ends"),
        case(
            "os.system",
            new().global("os", "system").raw(b"(").text("touch /tmp/evil").raw(b"tR."),
            "holds no tensors",
        ),
        case(
            "os.system in a dict",
            new().dict_of("w").global("posix", "system").text("id").raw(b"\x85Rs."),
            "holds no tensors",
        ),
        case(
            "a module in protocol 4",
            new().text("os").text("system").raw(b"\x93)R."),
            "holds no tensors",
        ),
        case(
            "instances of protocol 0",
            new().raw(b"(ios\nsystem\n."),
            "an opcode that PyTorch does not write",
        ),
        case("a name without an end", new().raw(b"c").raw(&[b'a'; 5000]), "ends within a value"),
        case("ten million marks", ten_million(b"("), "more values"),
        case("ten million nested tuples", ten_million(b"\x85").raw(b"."), "empty stack"),
        case(
            "ten million nested tuples of a value",
            new().raw(b"N").raw(&vec![0x85; 10_000_000]),
            "more values",
        ),
        case(
            "ten million marks and tuples",
            new().raw(&b"(".repeat(900_000)).raw(&b"t".repeat(900_000)),
            "more values",
        ),
        case("ten million nested lists", ten_million(b"]"), "more values"),
        case("ten million dicts", ten_million(b"}"), "more values"),
        case("ten million steps", ten_million(b"N0"), "more than 4000000 steps"),
        case("a tuple of 2^28 parts", bomb.raw(b"."), "holds no tensors"),
        case(
            "tuples of two million parts",
            new().raw(b"Nq\0").raw(&[b"(", &b"h\0".repeat(900_000)[..], b"t"].concat().repeat(2)),
            "more values",
        ),
        case("a dict of a million entries", entries, "more values"),
        case(
            "a dict that holds itself",
            new().raw(b"}q\0").text("model").raw(b"h\0s."),
            "holds no tensors",
        ),
        case("a memo of 2^32", new().raw(b"Nr\xff\xff\xff\xff."), "more values"),
        case("a memo that is empty", new().raw(b"h\x07."), "not remembered"),
        case(
            "a text of 2^64 - 1",
            new().raw(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff"),
            "ends within a value",
        ),
        case("bytes of 2^63", new().raw(b"\x8e\0\0\0\0\0\0\0\x80"), "ends within a value"),
        case("a number of 2^32 bytes", new().raw(b"\x8b\xff\xff\xff\xff"), "ends within a value"),
        case("a tuple below a mark", new().raw(b"N(\x85."), "empty stack"),
        case("a mark that is not there", new().raw(b"t."), "a mark is taken"),
        case(
            "a key without a value",
            new().raw(b"}(").text("k").raw(b"u."),
            "a key without a value",
        ),
        case("items of a text", new().text("t").raw(b"NNs."), "another kind"),
        case("a call of a text", new().text("t").raw(b")R."), "another kind"),
        case(
            "a call with a text",
            new().global("torch", "Size").text("t").raw(b"R."),
            "another kind",
        ),
        case("an id that is a text", id(b"X\x01\0\0\0t"), "w: not a tensor"),
        case("an id that is a number", id(b"K\x01"), "w: not a tensor"),
        case("an id that is an empty tuple", id(b")"), "w: not a tensor"),
        case("an id of itself", id(b")Q"), "w: not a tensor"),
        case(
            "a tensor without arguments",
            new().dict_of("w").global("torch._utils", "_rebuild_tensor_v2").raw(b")Rs."),
            "w: not a tensor",
        ),
        case(
            "a parameter without arguments",
            new().dict_of("w").global("torch._utils", "_rebuild_parameter").raw(b")Rs."),
            "w: not a tensor",
        ),
        case(
            "parameters of parameters",
            {
                let nest = (0..9).fold(new().dict_of("w"), |p, _| {
                    p.global("torch._utils", "_rebuild_parameter")
                });
                (0..9).fold(nest.raw(b"N"), |p, _| p.raw(b"\x85R")).raw(b"s.")
            },
            "w: not a tensor",
        ),
        case(
            "strides that overflow",
            tensor(4, 0, &[3, 3], &[i64::MAX, i64::MAX]),
            "w: not a tensor",
        ),
        case("sizes that overflow", tensor(4, 0, &[1 << 40, 1 << 40], &[1, 1]), "w: not a tensor"),
        case(
            "sizes without values that overflow",
            tensor(4, 0, &[0, 1 << 40, 1 << 40], &[1, 1, 1]),
            "",
        ),
        case("a negative size", tensor(4, 0, &[-4], &[1]), "w: not a tensor"),
        case("a negative stride", tensor(4, 3, &[4], &[-1]), "w: not a tensor"),
        case("a negative offset", tensor(4, -1, &[4], &[1]), "w: not a tensor"),
        case("a negative storage", tensor(-4, 0, &[4], &[1]), "w: not a tensor"),
        case("an offset of 2^63 - 1", tensor(4, i64::MAX, &[4], &[1]), "w: not a tensor"),
        case("a size behind the storage", tensor(4, 1, &[4], &[1]), "w: not a tensor"),
        case("a stride behind the storage", tensor(4, 0, &[2], &[4]), "w: not a tensor"),
        case("fewer strides than sizes", tensor(4, 0, &[2, 2], &[1]), "w: not a tensor"),
        case("a thousand dimensions", tensor(4, 0, &[1; 1000], &[1; 1000]), "w: not a tensor"),
        case(
            "a storage larger than its member",
            tensor(5, 0, &[5], &[1]),
            "w: 16 bytes for 5 values",
        ),
        case("a storage of 2^62 values", tensor(1 << 62, 0, &[1 << 62], &[1]), "w: 16 bytes for"),
        case("one value 2^26 times", expanded, "in an archive of"),
        case("one value 2^40 times", tensor(4, 0, &[1 << 40], &[0]), "at most 268435456"),
        case(
            "a storage that is not there",
            new().dict_of("w").tensor("7", 4, 0, &[4], &[1]).raw(b"s."),
            "are not in the file",
        ),
        case(
            "a storage out of the folder",
            new().dict_of("w").tensor("../../../../etc/passwd", 4, 0, &[4], &[1]).raw(b"s."),
            "are not in the file",
        ),
        case(
            "a name that clears the screen",
            new().dict_of("\x1b[2J Jane^Doe").tensor("7", 4, 0, &[4], &[1]).raw(b"s."),
            "a name of 13 characters",
        ),
        case(
            "a long name",
            new().dict_of(&"a".repeat(100_000)).tensor("7", 4, 0, &[4], &[1]).raw(b"s."),
            "a name of 100000 characters",
        ),
    ]
}

/// The most memory since the last call, in bytes; what the process has now, where it cannot be reset.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    let _ = fs::write("/proc/self/clear_refs", "5");
    kilobytes.unwrap_or(0) << 10
}

fn below(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

#[test]
fn hostile_files_end_in_an_error_or_in_their_tensors_without_much_memory_or_a_trace() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b/c");
    fs::create_dir_all(&folder).unwrap();
    let (mut wrong, mut most) = (Vec::new(), 0);
    for cases in [safetensors as fn() -> _, archives, pickles] {
        for Case { name, ending, bytes, reason } in cases() {
            let file = format!("w.{ending}");
            fs::write(folder.join(&file), &bytes).unwrap();
            let length = bytes.len();
            drop(bytes);
            peak();
            let before = peak();
            let said = mammo_net::weights::read(&folder.join(&file)).map_err(|e| e.to_string());
            let taken = peak() - before;
            let right = match &said {
                Ok(tensors) => {
                    reason.is_empty() && tensors.values().all(|tensor| tensor.values.len() <= 4)
                }
                Err(said) => {
                    let plain = !said.chars().any(char::is_control) && !said.contains("Jane");
                    !reason.is_empty() && said.contains(reason) && said.len() < 400 && plain
                }
            };
            most = most.max(taken.saturating_sub(length));
            if !right || taken >= length + 64 * MEGABYTE {
                wrong.push(format!("{name}: {taken} bytes for a file of {length}, {said:?}"));
            }
            assert_eq!(below(&folder).join(" "), file, "{name}");
            fs::remove_file(folder.join(file)).unwrap();
        }
    }
    eprintln!("at most {} MB more than the file", most >> 20);
    assert_eq!(wrong, [] as [String; 0]);
    assert_eq!(below(parent.path()), ["a"]);
    assert!(!Path::new("/tmp/evil").exists());
}

/// A file whose stem has no channels, or pixels, once divided by zero.
#[test]
fn a_stem_without_values_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let mut network = build(Variant::B0, 1, &Options::default(), 1).unwrap();
    for shape in [[32, 0, 3, 3], [32, 3, 0, 3], [32, 3, 1 << 40, 0], [0, 0, 1 << 40, 1 << 40]] {
        let stem = Pickle::new().dict_of("conv_stem.weight");
        let pickle = stem.tensor("0", 4, 0, &shape, &[1; 4]).raw(b"s.");
        let path = folder.path().join("w.pth");
        fs::write(&path, zip(&saved(&pickle, &[&[0; 16]]))).unwrap();
        let said = load_into(&mut *network, &Source::File(path)).unwrap_err().to_string();
        assert!(said.contains("conv_stem.weight is [") && said.len() < 1000, "{said}");
    }
}

#[test]
fn a_name_that_is_no_name_is_described_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let mut network = build(Variant::B0, 1, &Options::default(), 1).unwrap();
    let pickle = Pickle::new().dict_of("blocks.\x1b[2J Jane^Doe");
    let pickle = pickle.tensor("0", 4, 0, &[4], &[1]).raw(b"s.");
    let path = folder.path().join("w.pth");
    fs::write(&path, zip(&saved(&pickle, &[&[0; 16]]))).unwrap();
    let said = load_into(&mut *network, &Source::File(path)).unwrap_err().to_string();
    assert!(said.contains("not the network's: a name of 20 characters"), "{said}");
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["safetensors", "pth"] {
        let path = folder.path().join(format!("w.{ending}"));
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let said = mammo_net::weights::read(&path).unwrap_err().to_string();
        assert!(said.ends_with("not a regular file"), "{said}");
    }
    assert!(load(folder.path(), "w.exe", b"").unwrap_err().contains("weights end in"));
}
