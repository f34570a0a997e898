"""Judges the OpenAPI document, and answers of the index by it.

Usage: openapi.py DOCUMENT ANSWERS; the answers are a list of {method, path, status, body}.
"""

import json
import re
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

METHODS = {"get", "post", "put", "delete", "patch"}


def main(document_path, answers_path):
    document = json.load(open(document_path))
    answers = json.load(open(answers_path))
    validate(document)
    registry = Registry().with_resource(
        "urn:document", Resource(contents=document, specification=DRAFT202012)
    )
    templates = {
        re.compile("^" + re.sub(r"\\{[a-z]+\\}", "[^/]+", re.escape(path)) + "$"): path
        for path in document["paths"]
    }
    wrong, succeeded = [], set()
    for answer in answers:
        what = f"{answer['method']} {answer['path']} {answer['status']}"
        path = next((path for known, path in templates.items() if known.match(answer["path"])), None)
        if path is None:
            wrong.append(f"{what}: the path is not described")
            continue
        method = answer["method"].lower()
        responses = document["paths"][path][method]["responses"]
        if str(answer["status"]) not in responses:
            wrong.append(f"{what}: the status is not described, {answer['body']}")
            continue
        if answer["status"] < 300:
            succeeded.add((method, path))
        parts = ["paths", path, method, "responses", str(answer["status"]), "content", "application/json", "schema"]
        pointer = "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)
        validator = Draft202012Validator({"$ref": f"urn:document#/{pointer}"}, registry=registry)
        for error in validator.iter_errors(answer["body"]):
            wrong.append(f"{what}: {error.json_path}: {error.message}")
    described = {
        (method, path) for path, item in document["paths"].items() for method in item if method in METHODS
    }
    for method, path in sorted(described - succeeded):
        wrong.append(f"{method} {path}: never answered with success")
    print(f"{len(answers)} answers of {len(described)} operations")
    if wrong:
        sys.exit("\n".join(wrong))


main(*sys.argv[1:])
