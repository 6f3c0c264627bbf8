"""Decodes generated files with pydicom and compares with what mammo-pipe made of them.

    python decode_phantoms.py FOLDER EXPECTED_FILES

Beside each NAME.dcm stands NAME.raw, the stored values as little-endian words. Lossless files
must agree in every value. The two lossy JPEG processes leave the rounding of their transform to
the decoder, and pylibjpeg's is not libjpeg's, which ours follows: a value may be off by 1 of 8
bits, by 3 of 12. Prints one line a file.
"""
import pathlib
import sys

import numpy
import pydicom

ALLOWED = {"1.2.840.10008.1.2.4.50": 1, "1.2.840.10008.1.2.4.51": 3, "1.2.840.10008.1.2.4.91": 1}


def main(folder, expected):
    files = sorted(pathlib.Path(folder).glob("*.dcm"))
    assert len(files) == expected, f"{len(files)} files, {expected} are expected"
    for file in files:
        dataset = pydicom.dcmread(file)
        theirs = dataset.pixel_array.astype(int)
        ours = numpy.fromfile(file.with_suffix(".raw"), "<u2").reshape(theirs.shape).astype(int)
        off = numpy.abs(theirs - ours).max()
        allowed = ALLOWED.get(dataset.file_meta.TransferSyntaxUID, 0)
        assert off <= allowed, f"{file.name}: off by up to {off}, {allowed} is allowed"
        print(file.name, theirs.shape, f"off by {off}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
