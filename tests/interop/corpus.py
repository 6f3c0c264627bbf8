"""Compares with pydicom what mammo-pipe made of every DICOM file of a corpus.

    python corpus.py --folder            prints the folder of pydicom's own test files
    python corpus.py FOLDER              compares

FOLDER/outcomes.tsv has a line a file: number, path, and `decoded` or the reason of the refusal.
NUMBER.raw is the stored values as little-endian words. Prints the counts of files that are exact,
refused rightly (pydicom gives no pixels either, or they are not one grey frame of 2 to 16 bits),
refused wrongly, and wrong; each of the last two with its name. Ends with 1 if a value is wrong.
"""
import collections
import os
import pathlib
import sys

import numpy
import pydicom
import pydicom.pixels

# The rounding of a lossy transform is the decoder's own.
LOSSY = {"1.2.840.10008.1.2.4.50": 1, "1.2.840.10008.1.2.4.51": 3, "1.2.840.10008.1.2.4.91": 1}


def theirs(path):
    """Stored values, or why there are none that we would read."""
    try:
        dataset = pydicom.dcmread(path, force=True)
        if "PixelData" not in dataset:
            return None, "no pixel data"
        if "TransferSyntaxUID" not in dataset.file_meta:
            return None, "no transfer syntax"
        if int(dataset.get("NumberOfFrames") or 1) != 1:
            return None, "several frames"
        if dataset.SamplesPerPixel != 1 or dataset.PhotometricInterpretation == "PALETTE COLOR":
            return None, "colour"
        if not 8 <= dataset.BitsAllocated <= 16:
            return None, f"{dataset.BitsAllocated} bits"
        pixels = pydicom.pixels.pixel_array(dataset, raw=True)
        return pixels, dataset.file_meta.TransferSyntaxUID
    except Exception as error:  # whatever a decoder of theirs raises
        return None, f"pydicom: {type(error).__name__}"


def main(folder):
    folder = pathlib.Path(folder)
    counts, named = collections.Counter(), []
    for line in (folder / "outcomes.tsv").read_text().splitlines():
        number, path, ours = line.split("\t")
        pixels, syntax = theirs(path)
        if ours == "decoded" and pixels is None:
            outcome = f"read by us alone ({syntax})"
        elif ours == "decoded":
            words = numpy.fromfile(folder / f"{number}.raw", "<u2")
            stored = pixels.astype(numpy.int64).reshape(-1) & 0xFFFF
            off = numpy.abs(words.astype(numpy.int64) - stored).max() if len(words) == len(stored) else 1 << 16
            outcome = "exact" if off == 0 else "within rounding" if off <= LOSSY.get(syntax, 0) else "wrong"
            if outcome == "wrong":
                named.append(f"wrong: {path}: off by up to {off}")
        elif pixels is None:
            outcome = f"refused rightly ({syntax})"
        else:
            outcome = "refused wrongly"
            named.append(f"refused wrongly: {path}: {ours}")
        counts[outcome] += 1
    for outcome, count in sorted(counts.items()):
        print(f"{count:6d} {outcome}")
    print("\n".join(named))
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    if sys.argv[1] == "--folder":
        print(os.path.join(os.path.dirname(pydicom.__file__), "data"))
    else:
        sys.exit(main(sys.argv[1]))
