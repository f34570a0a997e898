"""Imports dotted paths, one after the other; the answer is a JSON list in the file named first."""

import importlib
import json
import sys
import traceback


def resolve(path):
    parts = path.split(".")
    module, rest = None, parts
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        try:
            module, rest = importlib.import_module(name), parts[count:]
        except ModuleNotFoundError as error:
            if error.name == name and count > 1:
                break
            raise
    for part in rest:
        module = getattr(module, part)


def main():
    answer = []
    for path in sys.argv[2:]:
        try:
            resolve(path)
            answer.append({"symbol": path, "error": None})
        except BaseException as error:
            line = traceback.format_exception_only(type(error), error)[-1].strip()
            answer.append({"symbol": path, "error": line})
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(answer, file)


main()
