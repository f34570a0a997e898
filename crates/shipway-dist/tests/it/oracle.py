"""Reads distribution files with Python's own libraries, `packaging` and unzip or tar, and prints what they see.

The mode is the argument. Each line on stdin is JSON, a text or, for `files`, a path and a filename; each
line printed is the answer to one of them. One process answers for thousands of files.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile


def digest(data):
    return hashlib.sha256(data).hexdigest()


def read_zip(path):
    """The members in the order of the central directory, and METADATA."""
    metadata = None
    members = []
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            # Reading to the end compares the CRC.
            content = archive.read(info)
            members.append([info.filename, info.file_size, digest(content)])
            directory, _, name = info.filename.partition("/")
            if directory.endswith(".dist-info") and name == "METADATA":
                metadata = content
    return members, metadata


def read_tar(path):
    """The files in the order they stand there, and PKG-INFO."""
    metadata = None
    members = []
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if member.isreg():
                content = archive.extractfile(member).read()
                members.append([member.name, member.size, digest(content)])
                if member.name.partition("/")[2] == "PKG-INFO":
                    metadata = content
    return members, metadata


def unzipped(path):
    """Whether unzip finds no error, and the digest of all that it inflates."""
    environment = {"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
    # It asks questions; nobody answers.
    nobody = subprocess.DEVNULL
    tested = subprocess.run(["unzip", "-tqq", path], env=environment, stdin=nobody, capture_output=True)
    if tested.returncode != 0:
        raise ValueError(f"unzip -t: {tested.returncode} {tested.stdout[:300]}")
    process = subprocess.Popen(["unzip", "-p", path], env=environment, stdin=nobody, stdout=subprocess.PIPE)
    found = hashlib.file_digest(process.stdout, "sha256").hexdigest()
    process.wait()
    return found


def untarred(path):
    """The digest of all files that tar reads."""
    environment = {"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        ["tar", "-xzOf", path], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    found = hashlib.file_digest(process.stdout, "sha256").hexdigest()
    complaint = process.stderr.read(300)
    if process.wait() != 0:
        raise ValueError(f"tar: {complaint}")
    return found


def attempt(function, *arguments):
    try:
        return {"ok": True, "value": function(*arguments)}
    except Exception as error:
        return {"ok": False, "value": f"{type(error).__name__}: {error}"}


def raw(content):
    """The fields that are compared, as `packaging` reads them without judging."""
    from packaging.metadata import parse_email

    found, unparsed = parse_email(content)
    return {
        "name": found.get("name"),
        "version": found.get("version"),
        "summary": found.get("summary"),
        "requires_python": found.get("requires_python"),
        "requires_dist": found.get("requires_dist", []),
        "classifiers": found.get("classifiers", []),
    }


def files(line):
    path, name = line
    wheel = name.endswith(".whl")
    archive = attempt(read_zip if wheel else read_tar, path)
    answer = {"archive": archive, "filename": attempt(filename, name)}
    if archive["ok"]:
        archive["value"], content = archive["value"]
        answer["metadata"] = attempt(raw, content)
        answer["valid"] = attempt(valid, content)
    # A machine may lack these; the line on stderr says so.
    if shutil.which("unzip" if wheel else "tar"):
        answer["unpacked"] = attempt(unzipped if wheel else untarred, path)
    return answer


def valid(content):
    from packaging.metadata import Metadata

    Metadata.from_email(content, validate=True)


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


def metadata(text):
    from packaging.metadata import Metadata

    found = Metadata.from_email(text.encode("utf-8", "surrogateescape"), validate=True)
    return [found.name, str(found.version), found.summary]


def license(text):
    from packaging.licenses import canonicalize_license_expression

    return canonicalize_license_expression(text)


def main():
    import packaging

    print(f"packaging {packaging.__version__}, Python {sys.version.split()[0]}", file=sys.stderr)
    for tool in ["unzip", "tar"]:
        if not shutil.which(tool):
            print(f"skipped: there is no {tool} to compare with", file=sys.stderr)
    function = globals()[sys.argv[1]]
    for line in sys.stdin:
        argument = json.loads(line)
        print(json.dumps(function(argument) if function is files else attempt(function, argument)), flush=True)


main()
