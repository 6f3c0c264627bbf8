"""Reads a release with pyarrow, polars, DuckDB, pandas and PyTorch, none of which know of us.

    python read_release.py RELEASE EXPECTED_ROWS

Every engine must count the same rows and see the same pixels, and every row's pixels must match
their checksum. Prints one line an engine.
"""
import json
import pathlib
import sys

import duckdb
import numpy
import pandas
import polars
import pyarrow
import pyarrow.parquet
import xxhash

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples"))


def parquet(folder, files, expected):
    tables = [pyarrow.parquet.read_table(file) for file in files]
    table = pyarrow.concat_tables(tables)
    check("pyarrow", table.num_rows, expected)
    about = table.schema.field("image").metadata
    size = int(about[b"height"]) * int(about[b"width"]) * numpy.dtype(about[b"dtype"].decode()).itemsize
    pixels = [value.as_buffer() for value in table["image"]]
    assert {len(p) for p in pixels} == {size}, "every image has its full size"
    sums = table["checksum"].to_pylist()
    assert sums == [xxhash.xxh3_64_intdigest(p) for p in pixels], "checksums as pyarrow reads them"
    cancers = sum(bool(c) for c in table["cancer"].to_pylist())

    frame = polars.concat([polars.read_parquet(file) for file in files])
    check("polars", frame.height, expected)
    assert frame["checksum"].to_list() == [xxhash.xxh3_64_intdigest(p) for p in frame["image"]]
    assert frame["cancer"].sum() == cancers

    names = [str(file) for file in files]
    query = "select count(*), sum(octet_length(image)), count(*) filter (cancer) from read_parquet(?)"
    rows, size_of_all, positives = duckdb.execute(query, [names]).fetchone()
    check("duckdb", rows, expected)
    assert (size_of_all, positives) == (size * expected, cancers)

    data = pandas.concat([pandas.read_parquet(file) for file in files])
    check("pandas", len(data), expected)
    assert data["checksum"].tolist() == [xxhash.xxh3_64_intdigest(p) for p in data["image"]]

    import torch
    from torch_dataset import Release

    dataset = Release(folder)
    check("torch", len(dataset), expected)
    loader = torch.utils.data.DataLoader(dataset, batch_size=4, num_workers=0)
    seen = torch.cat([images for images, _ in loader])
    assert seen.shape == (expected, 1, int(about[b"height"]), int(about[b"width"])), seen.shape
    first = numpy.frombuffer(pixels[0], about[b"dtype"].decode())
    assert abs(seen[0].numpy().ravel() - first / numpy.iinfo(first.dtype).max).max() < 1e-6


def tensor(files, expected):
    rows = 0
    for file in files:
        with pyarrow.memory_map(str(file)) as mapped:
            reader = pyarrow.ipc.open_file(mapped)
            kind = reader.schema.field("image").type
            assert isinstance(kind, pyarrow.FixedShapeTensorType), kind
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index)
                images = batch.column("image").to_numpy_ndarray()
                assert images.shape[1:] == tuple(kind.shape), images.shape
                sums = [xxhash.xxh3_64_intdigest(image.tobytes()) for image in images]
                assert sums == batch.column("checksum").to_pylist()
                rows += len(images)
    check("pyarrow (tensor)", rows, expected)


def check(engine, rows, expected):
    assert rows == expected, f"{engine} reads {rows} rows, expected {expected}"
    print(f"{engine}: {rows} rows")


def main():
    folder, expected = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    shards = json.loads((folder / "manifest.json").read_text())["shards"]
    files = [folder / shard["file"] for shard in shards if shard["file"]]
    if files[0].suffix == ".parquet":
        parquet(folder, files, expected)
    else:
        tensor(files, expected)


if __name__ == "__main__":
    main()
