"""Compares with pydicom what mammo-pipe made of every DICOM file of a corpus, and with OpenCV what it
made of every PNG, PGM and TIFF, and with libjpeg what it made of every JPEG and JPEG-LS file.

    python corpus.py --folder            prints the folder of pydicom's own test files
    python corpus.py FOLDER              compares

FOLDER/outcomes.tsv has a line a file: number, path, and `decoded` or the reason of the refusal.
NUMBER.raw is the stored values as little-endian words. Prints the counts of files that are exact,
refused rightly (the peer gives no pixels either, or they are not one grey frame of 8 to 16 bits),
refused wrongly, and wrong; each of the last two with its name. Ends with 1 if a value is wrong.
"""
import collections
import os
import pathlib
import sys

import cv2
import libjpeg
import numpy
import PIL.Image
import pydicom
import pydicom.pixels

# The rounding of a lossy transform is the decoder's own.
LOSSY = {
    "1.2.840.10008.1.2.4.50": 1,
    "1.2.840.10008.1.2.4.51": 3,
    "1.2.840.10008.1.2.4.91": 1,
    "libjpeg": 1,
}


def picture(path):
    """The grey values of an image file without a header, or why there are none."""
    values = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if values is None:
        return None, "OpenCV: no image"
    try:
        with PIL.Image.open(path) as image:
            depth = image.tag_v2.get(258, (1,))[0] if image.format == "TIFF" else None
            colours = len(image.getbands())
    except PIL.UnidentifiedImageError:
        return None, "Pillow: no image"
    if image.format == "PNG":
        with open(path, "rb") as file:
            depth = file.read(25)[24]
    if depth not in (None, 8, 16):
        return None, "another depth than 8 or 16 bits"
    return (values, "picture") if values.ndim == 2 and colours == 1 else (None, "colour")


def stream(path):
    """The samples of a JPEG or JPEG-LS file without a DICOM header, or why there are none."""
    try:
        samples = libjpeg.decode(pathlib.Path(path).read_bytes())
    except Exception as error:  # whatever it raises
        return None, f"libjpeg: {type(error).__name__}"
    return (samples, "libjpeg") if samples.ndim == 2 else (None, "colour")


def theirs(path):
    """Stored values, or why there are none that we would read."""
    with open(path, "rb") as file:
        begins = file.read(132)
    if not begins.endswith(b"DICM") and begins.startswith(b"\xff\xd8\xff"):
        return stream(path)
    if not begins.endswith(b"DICM") and begins.startswith((b"\x89PNG", b"P5", b"II*\0", b"MM\0*")):
        return picture(path)
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
            named.append(f"read by us alone: {path}")
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
