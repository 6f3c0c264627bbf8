"""Fetches axe-core, the checker of accessibility, into a folder and prints the path of its script.

    python3 fetch_axe.py FOLDER

Its version and the hash of its package are fixed here. What is there already is not fetched again.
"""
import base64
import hashlib
import io
import pathlib
import sys
import tarfile
import urllib.request

VERSION = "4.14.1"
# The `integrity` of the registry.
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="

script = pathlib.Path(sys.argv[1]) / f"axe-{VERSION}.min.js"
if not script.exists():
    address = f"https://registry.npmjs.org/axe-core/-/axe-core-{VERSION}.tgz"
    with urllib.request.urlopen(address, timeout=60) as answer:
        package = answer.read(1 << 24)
    found = base64.b64encode(hashlib.sha512(package).digest()).decode()
    if found != SHA512:
        sys.exit(f"{address} has SHA-512 {found}, needs {SHA512}")
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        content = archive.extractfile("package/axe.min.js").read()
    script.parent.mkdir(parents=True, exist_ok=True)
    aside = script.with_suffix(".part")
    aside.write_bytes(content)
    aside.rename(script)
print(script)
