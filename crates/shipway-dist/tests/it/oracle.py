"""Reads distribution files with Python's own libraries and prints what they see, one JSON line each.

Arguments: the mode, then files (`archives`) or lines on stdin (all others).
"""

import hashlib
import json
import sys
import tarfile
import zipfile


def digest(data):
    return hashlib.sha256(data).hexdigest()


def read_zip(path):
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise ValueError("damaged member")
        return [
            [info.filename, info.file_size, digest(archive.read(info))]
            for info in archive.infolist()
            if not info.is_dir()
        ]


def read_tar(path):
    with tarfile.open(path, "r:gz") as archive:
        return [
            [member.name, member.size, digest(archive.extractfile(member).read())]
            for member in archive.getmembers()
            if member.isreg()
        ]


def attempt(function, *arguments):
    try:
        return {"ok": True, "value": function(*arguments)}
    except Exception as error:
        return {"ok": False, "value": f"{type(error).__name__}: {error}"}


def filename(text):
    from packaging import utils

    if text.endswith(".whl"):
        name, version, build, tags = utils.parse_wheel_filename(text)
        return [name, str(version), sorted(str(tag) for tag in tags)]
    name, version = utils.parse_sdist_filename(text)
    return [name, str(version), []]


def requirement(text):
    from packaging.requirements import Requirement

    found = Requirement(text)
    return [found.name, found.url is not None]


def version(text):
    from packaging.version import Version

    return str(Version(text))


def specifiers(text):
    from packaging.specifiers import SpecifierSet

    SpecifierSet(text)


def metadata(text):
    from packaging.metadata import Metadata

    found = Metadata.from_email(text.encode("utf-8", "surrogateescape"), validate=True)
    return [found.name, str(found.version), found.summary]


def license(text):
    from packaging.licenses import canonicalize_license_expression

    return canonicalize_license_expression(text)


def main():
    mode = sys.argv[1]
    if mode == "archives":
        for path in sys.argv[2:]:
            reader = read_zip if path.endswith(".whl") else read_tar
            print(json.dumps(attempt(reader, path)))
        return
    function = globals()[mode]
    for line in sys.stdin:
        print(json.dumps(attempt(function, json.loads(line))))


main()
