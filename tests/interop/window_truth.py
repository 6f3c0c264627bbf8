"""Holds windowed pixels to pydicom's apply_modality_lut + apply_voi_lut.

    python window_truth.py MAMMO_PIPE [FILE.dcm ...]

Writes files of every VOI function, sign, polarity and table with pydicom, adds the files
given, has `mammo-pipe render --steps` decode and window each with each of its windows, and
computes the same with pydicom from the decoded values. Needs pydicom 3, numpy and pillow.
Prints a line a file and exits with 1 if any pixel is off by more than 1/65535 of full range.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian


def generated(folder):
    """Every kind of display that PS3.3 C.11 knows, over all values that the bits can hold."""
    rng = np.random.default_rng(20)
    for signed in (0, 1):
        for bits in (8, 12, 16):
            for polarity in ("MONOCHROME1", "MONOCHROME2"):
                for kind in ("none", "LINEAR", "LINEAR_EXACT", "SIGMOID", "voi_lut", "modality_lut"):
                    for rescale in (None, ("2", "-1024"), ("-0.5", "3.25")):
                        if rescale and (kind == "modality_lut" or polarity == "MONOCHROME1"):
                            continue
                        ds = image(rng, bits, signed, polarity)
                        if rescale:
                            ds.RescaleSlope, ds.RescaleIntercept = rescale
                        display(ds, kind, bits, signed)
                        name = f"{polarity[-1]} {'signed' if signed else 'unsigned'} {bits} {kind} {rescale}"
                        path = folder / f"{name.replace(' ', '_')}.dcm"
                        ds.save_as(path, enforce_file_format=True)
                        yield path


def image(rng, bits, signed, polarity):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    values = rng.integers(low, high, size=(96, 128))
    every = np.arange(low, high)[: values.size // 2]
    values.flat[: every.size] = every
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if signed else ImplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.3.4"
    ds.Rows, ds.Columns = values.shape
    ds.BitsAllocated = 8 if bits == 8 else 16
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, signed
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, polarity
    dtype = f"<{'i' if signed else 'u'}{ds.BitsAllocated // 8}"
    ds.PixelData = values.astype(dtype).tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def display(ds, kind, bits, signed):
    middle = 0 if signed else 2 ** (bits - 1)
    if kind in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        ds.VOILUTFunction = kind
        ds.WindowCenter = [middle, middle + 3.5, middle - 20]
        ds.WindowWidth = [2 ** (bits - 1), 41.5, 1]
    elif kind == "voi_lut":
        ds.VOILUTSequence = Sequence([table(bits, signed, 16, 700), table(bits, signed, 8, 200)])
    elif kind == "modality_lut":
        ds.ModalityLUTSequence = Sequence([table(bits, signed, 16, 900)])
        ds.ModalityLUTSequence[0].ModalityLUTType = "US"
        ds.WindowCenter, ds.WindowWidth = [30000, 20000], [40000, 1001]


def table(bits, signed, depth, count):
    first = -100 if signed else 5
    item = Dataset()
    item.LUTDescriptor = [count, first, depth]
    item["LUTDescriptor"].VR = "SS" if signed else "US"
    data = (np.linspace(0, 1, count) ** 1.7 * (2**depth - 1)).astype("<u2")
    item.LUTData = data.tobytes() if depth == 16 else data.tolist()
    item["LUTData"].VR = "OW" if depth == 16 else "US"
    return item


def expected(ds, stored, index):
    """The grey levels, 0 to 65535, and where they are defined: not in padding."""
    low, high = 0, 2**ds.BitsStored - 1
    if ds.PixelRepresentation:
        low, high = -(2 ** (ds.BitsStored - 1)), 2 ** (ds.BitsStored - 1) - 1
    if "ModalityLUTSequence" in ds:
        low, high = 0, 2 ** ds.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    elif "RescaleSlope" in ds:
        low, high = (v * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for v in (low, high))
    # In 32 bits, because pydicom subtracts a table's first value in the type of its input.
    modality = apply_modality_lut(stored.astype("int32"), ds)
    if "VOILUTSequence" in ds:
        count, first, depth = ds.VOILUTSequence[index].LUTDescriptor
        low, high = 0, 2**depth - 1
        # pydicom 3.0 wants integers and holds them in the type of the table's entries, where
        # those beyond its end wrap around before they are clipped; so clip them here.
        modality = np.clip(np.floor(modality).astype("int32"), first, first + count - 1)
    elif "WindowCenter" not in ds:
        low, high = sorted((low, high))
    if ds.get("VOILUTFunction") == "":
        del ds.VOILUTFunction
    share = (apply_voi_lut(modality, ds, index).astype("float64") - low) / (high - low)
    if ds.PhotometricInterpretation == "MONOCHROME1":
        share = 1 - share
    levels = share * 65535
    padding = ds.get("PixelPaddingValue")
    return levels if padding is None else np.where(stored == padding, 0, levels)


def windows(ds):
    if "VOILUTSequence" in ds:
        return len(ds.VOILUTSequence)
    centers = ds.get("WindowCenter")
    return len(centers) if hasattr(centers, "__len__") else 1


def read_png(path):
    with Image.open(path) as image:
        return np.asarray(image).astype("uint16")


def main(binary, files):
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        made = list(generated(folder))
        for path in made + [Path(file) for file in files]:
            ds = dcmread(path, stop_before_pixels=True)
            off = 0.0
            for index in range(windows(ds)):
                command = [binary, "render", path, "--steps", folder, "--json"]
                command += ["--set", f"window.index={index}"]
                facts = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                stored = read_png(folder / "decoded.png")
                if facts["signed"]:
                    stored = stored.view("int16")
                found = read_png(folder / "windowed.png")
                off = max(off, float(np.abs(found - expected(ds, stored, index)).max()))
            print(f"{path.name}: {windows(ds)} windows, off by {off:.3f}/65535 at most")
            worst = max(worst, off)
    print(f"{len(made) + len(files)} files, off by {worst:.3f}/65535 at most")
    return 0 if worst <= 1 and made else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
