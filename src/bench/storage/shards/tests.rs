use super::super::measurement::Effort;
use super::super::options::Options;
use super::super::system::system;
use super::*;

#[test]
fn shards_are_written_read_in_every_pattern_and_fit_into_their_room() {
    let folder = tempfile::tempdir().unwrap();
    let system = system(folder.path()).unwrap();
    let options =
        Options { effort: Effort::Quick, threads: Some(vec![1, 3]), ..Options::default() };
    let mut budget = options.budget(1 << 30).unwrap();
    budget.shards.bytes = 100_000_000;
    budget.parts.seconds = 0.05;
    let stop = Stop::default();
    let mut shards = Shards::new(folder.path(), &system, &budget, 1, &stop);
    let written = shards.write().unwrap();
    assert_eq!(written.points.iter().map(|p| p.threads).collect::<Vec<_>>(), [1, 3]);
    let bytes: u64 = written.points.iter().map(|point| point.bytes).sum();
    assert!(bytes > 0 && bytes <= room(&budget), "{bytes}");
    let found = fs::read_dir(folder.path()).unwrap().count() as u64;
    assert_eq!(found * shards.shard_bytes, bytes, "no temporary file stays");
    for pattern in patterns() {
        let found = shards.read(pattern, Cache::Cold).unwrap();
        assert_eq!(found.points.len(), 2, "{pattern}: {}", found.note);
        assert!(found.points.iter().all(|point| point.bytes > 0), "{found:?}");
    }
}

#[test]
fn the_room_is_counted_for_every_effort() {
    for effort in [Effort::Quick, Effort::Default, Effort::Full] {
        let budget = Options { effort, ..Options::default() }.budget(1 << 34).unwrap();
        let room = room(&budget);
        assert!(room >= budget.shards.bytes / 4 * 3 && room < budget.shards.bytes * 2);
    }
}
