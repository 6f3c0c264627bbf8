"""Reads predictions and writes them again as pandas does, once for each compression."""
import sys

import pandas

table = pandas.read_parquet(sys.argv[1])
for codec in ("snappy", "gzip", "zstd", "lz4", None, "brotli"):
    table.to_parquet(f"{sys.argv[2]}/{codec}.parquet", compression=codec, index=False)
