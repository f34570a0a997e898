"""Imports dotted paths and loads a distribution's scripts, one after the other.

Arguments: ANSWER NAME PATH...; the answer is a JSON document in a file: {"imports": [], "scripts": [],
"commands": [], "files": []}.
"""

import importlib
import importlib.metadata
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


def attempt(symbol, action):
    try:
        action()
        return {"symbol": symbol, "error": None}
    except BaseException as error:
        line = traceback.format_exception_only(type(error), error)[-1].strip()
        return {"symbol": symbol, "error": line}


def scripts(name):
    for entry in importlib.metadata.distribution(name).entry_points:
        # What only an extra brings may be missing without it.
        if entry.group in ("console_scripts", "gui_scripts") and not entry.extras:
            yield attempt(f"{entry.name} = {entry.value}", entry.load)


def main():
    file, name, *paths = sys.argv[1:]
    found = importlib.metadata.distribution(name)
    answer = {
        "imports": [attempt(path, lambda: resolve(path)) for path in paths],
        "scripts": list(scripts(name)),
        "commands": [
            entry.name for entry in found.entry_points if entry.group == "console_scripts"
        ],
        "files": [
            path.as_posix() for path in found.files or [] if path.locate().is_file()
        ],
    }
    with open(file, "w", encoding="utf-8") as file:
        json.dump(answer, file)


main()
