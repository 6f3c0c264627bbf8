"""Writes crates/mammo-codecs/tests/it/jpeg2000/htj2k.json: small high-throughput streams by OpenJPH.

    pip install imagecodecs numpy
    python htj2k_streams.py > ../../crates/mammo-codecs/tests/it/jpeg2000/htj2k.json

OpenJPH writes clean-up passes alone. Any bits at all are sound in the two passes that may follow,
so some streams of one code-block get random ones behind their clean-up pass, and one bit-plane
more below it.
"""
import base64
import json
import random

import imagecodecs
import numpy


def texture(width, height, bits, signed, grain, noise):
    """Air on the left, a slope with noise on the right."""
    y, x = numpy.mgrid[:height, :width]
    top = (1 << bits) - 1
    values = (x * 3 + y * 2) * (1 + top // 512) + noise.integers(0, 1 + top // grain, x.shape)
    values[x < width // 4] = 0
    values = values % (top + 1)
    if signed:
        return (values - (top + 1) // 2).astype(numpy.int16)
    return values.astype(numpy.uint16 if bits > 8 else numpy.uint8)


class Header:
    """Bits of a packet header, a 0 stuffed in behind a byte of ones."""

    def __init__(self):
        self.bytes, self.filled, self.room = bytearray(), 0, 8

    def put(self, bits):
        for bit in bits:
            self.room -= 1
            self.filled |= int(bit) << self.room
            if self.room == 0:
                self.bytes.append(self.filled)
                self.room = 7 if self.filled == 0xFF else 8
                self.filled = 0

    def finish(self):
        if self.room < 8 or self.bytes[-1:] == b"\xff":
            self.bytes.append(self.filled)
        return bytes(self.bytes)


def header_bits(data):
    """Bits of the packet header that `data` begins with, each with the bytes read so far."""
    stuffed = False
    for number, byte in enumerate(data, 1):
        for n in range(6 if stuffed else 7, -1, -1):
            yield byte >> n & 1, number
        stuffed = byte == 0xFF


def refined(stream, passes, draw):
    """A stream whose first packet has one block: that a plane lower, with `passes` in all."""
    sot, sod = stream.index(b"\xff\x90\x00\x0a"), stream.index(b"\xff\x93") + 2
    end = sot + int.from_bytes(stream[sot + 6:sot + 10], "big")
    bits = header_bits(stream[sod:end])
    assert [next(bits)[0], next(bits)[0]] == [1, 1], "a packet with its block"
    zeros = 0
    while next(bits)[0] == 0:
        zeros += 1
    assert next(bits)[0] == 0, "one pass"
    length_bits = 3
    while next(bits)[0] == 1:
        length_bits += 1
    length = 0
    for _ in range(length_bits):
        bit, number = next(bits)
        length = length << 1 | bit
    body = sod + number + (stream[sod + number - 1] == 0xFF)
    clean_up, behind = stream[body:body + length], stream[body + length:end]
    extra = bytes(draw.randrange(256) for _ in range(draw.randrange(1, 200)))
    # The second segment's length has as many bits as the first's, and one more for two passes.
    width = max(length.bit_length(), len(extra).bit_length(), 3)
    header = Header()
    header.put("11" + "0" * (zeros - 1) + "1")
    header.put({2: "10", 3: "1100"}[passes])
    header.put("1" * (width - 3) + "0" + f"{length:0{width}b}")
    header.put(f"{len(extra):0{width + (passes == 3)}b}")
    packets = header.finish() + clean_up + extra + behind
    head = bytearray(stream[:sod])
    # Half of them without a look at the next stripe (vertically causal).
    head[stream.index(b"\xff\x52") + 12] |= 8 * draw.randrange(2)
    head[sot + 6:sot + 10] = (sod - sot + len(packets)).to_bytes(4, "big")
    return bytes(head) + packets + b"\xff\xd9"


def without_lengths(stream):
    """Less the marker segment that lists tile-parts (TLM), which would contradict the rest."""
    at = stream.find(b"\xff\x55")
    if at < 0:
        return stream
    return stream[:at] + stream[at + 2 + int.from_bytes(stream[at + 2:at + 4], "big"):]


def main():
    noise, draw = numpy.random.default_rng(1), random.Random(1)
    streams = []

    def add(stream):
        streams.append(base64.b64encode(stream).decode())

    for width, height in [(1, 1), (3, 2), (2, 7), (5, 5), (17, 9), (40, 33), (64, 64), (70, 66)]:
        for bits, signed in [(8, False), (16, False), (12, True)]:
            image = texture(width, height, bits, signed, draw.choice([1, 8, 64]), noise)
            options = {"resolutions": draw.randrange(1, 5)}
            if width > 60 and draw.randrange(3) == 0:
                options["tile"] = (40, 32)
            if draw.randrange(3) == 0:
                options |= {"reversible": False, "level": draw.choice([0.5, 0.01, 0.001])}
            add(imagecodecs.htj2k_encode(image, **options))
    for round_ in range(40):
        width, height = draw.randrange(2, 41), draw.randrange(2, 41)
        image = texture(width, height, draw.choice([8, 12]), False, draw.choice([1, 8, 64]), noise)
        stream = imagecodecs.htj2k_encode(image, resolutions=1)
        add(refined(without_lengths(stream), 2 + round_ % 2, draw))
    print("[\n" + ",\n".join(map(json.dumps, streams)) + "\n]")


if __name__ == "__main__":
    main()
