"""A PyTorch Dataset over a release of mammo-pipe, without mammo-pipe.

    loader = torch.utils.data.DataLoader(Release("release", lambda row: row["fold"] != 0), 8, shuffle=True)
"""
import json
import pathlib

import numpy
import pyarrow.parquet as parquet
import torch


class Release(torch.utils.data.Dataset):
    def __init__(self, folder, keep=lambda row: True):
        self.folder, self.rows = pathlib.Path(folder), []
        shards = json.loads((self.folder / "manifest.json").read_text())["shards"]
        for name in (shard["file"] for shard in shards if shard["file"]):
            file = parquet.ParquetFile(self.folder / name)
            columns = [column for column in file.schema_arrow.names if column != "image"]
            about = file.schema_arrow.field("image").metadata
            self.shape, self.dtype = (int(about[b"height"]), int(about[b"width"])), about[b"dtype"].decode()
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns=columns).to_pylist()
                self.rows += [(name, group, place, row) for place, row in enumerate(rows) if keep(row)]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        name, group, place, row = self.rows[index]
        pixels = parquet.ParquetFile(self.folder / name).read_row_group(group, columns=["image"])["image"][place]
        image = numpy.frombuffer(pixels.as_buffer(), self.dtype).reshape(1, *self.shape)
        return torch.from_numpy(image.astype("float32") / numpy.iinfo(self.dtype).max), float(row["cancer"] or 0)
