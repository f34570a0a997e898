"""Renders reStructuredText as a public index does; exits with 42 where docutils is not installed.

Arguments: TEXTS ANSWER: a JSON list of texts in, a JSON list of null or {"line", "message"} out.
"""

import json
import sys

try:
    from docutils.core import publish_doctree
    from docutils.utils import SystemMessage
except ImportError:
    sys.exit(42)

# Warnings count: the renderer of the public index halts at level 2. Nothing of the machine is read.
SETTINGS = {
    "halt_level": 2,
    "report_level": 5,
    "raw_enabled": False,
    "file_insertion_enabled": False,
    "syntax_highlight": "none",
    "_disable_config": True,
    "warning_stream": None,
}


def render(text):
    try:
        publish_doctree(text, settings_overrides=SETTINGS)
    except SystemMessage as error:
        line = str(error).split(":", 2)[1] if str(error).count(":") >= 2 else ""
        message = str(error).split(") ", 1)[-1]
        return {"line": int(line) if line.isdigit() else None, "message": message.splitlines()[0]}
    except Exception as error:  # docutils itself fails on some texts
        return {"line": None, "message": f"{type(error).__name__}: {error}"}
    return None


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        texts = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump([render(text) for text in texts], file)


main()
