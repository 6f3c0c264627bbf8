"""Reads a secondary capture with pydicom, beside the source that it was made from.

    python secondary_capture.py SOURCE CAPTURE

It must refer to the source, lie in its study, say of the patient what the source says and no
more, and hold an RGB image of the source's size. Prints its SOP Instance UID.
"""
import sys

import pydicom
from pydicom.uid import SecondaryCaptureImageStorage

IDENTIFYING = {0x0010, 0x0012, 0x0038, 0x0040}


def main():
    source, capture = (pydicom.dcmread(path, force=True) for path in sys.argv[1:3])
    assert capture.SOPClassUID == SecondaryCaptureImageStorage == capture.file_meta.MediaStorageSOPClassUID
    assert capture.file_meta.MediaStorageSOPInstanceUID == capture.SOPInstanceUID
    (reference,) = capture.SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    expected = source.get("SOPClassUID") or source.file_meta.MediaStorageSOPClassUID
    assert reference.ReferencedSOPClassUID == expected
    assert capture.StudyInstanceUID == source.StudyInstanceUID
    assert capture.SeriesInstanceUID != source.get("SeriesInstanceUID")
    assert capture.SOPInstanceUID != source.SOPInstanceUID
    for uid in (capture.SeriesInstanceUID, capture.SOPInstanceUID):
        assert uid.is_valid, uid
    for element in capture.iterall():
        if element.tag.group in IDENTIFYING and element.keyword != "PurposeOfReferenceCodeSequence":
            assert not element.value or element.value == source[element.tag].value, element.keyword
    pixels = capture.pixel_array
    assert pixels.shape == (source.Rows, source.Columns, 3), pixels.shape
    grey = (pixels[..., 0] == pixels[..., 1]) & (pixels[..., 1] == pixels[..., 2])
    assert 0 < grey.mean() < 1, "a grey image with colour where there is heat"
    print(capture.SOPInstanceUID)


if __name__ == "__main__":
    main()
