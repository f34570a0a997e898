"""Says what the command line of an installed console script really is, as JSON.

Run inside the environment in which the project is installed: `commands.py SCRIPT`.
"""

import argparse
import importlib
import importlib.metadata
import json
import sys


class Found(BaseException):
    """Carries the parser or command that reads the command line."""

    def __init__(self, what):
        self.what = what


def constant(value):
    if value is None or value is False:
        return "off"
    plain = (bool, int, float, str)
    if isinstance(value, plain) and type(value) in plain:
        return repr(value)
    if isinstance(value, (list, tuple)) and all(type(one) in plain for one in value):
        return repr(list(value))
    return "?"


def of_argparse(parser, path):
    options, positionals, commands, needs = [], [], [], False
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            needs = bool(action.required)
            seen = {}
            for name, inner in action.choices.items():
                if id(inner) in seen:
                    seen[id(inner)]["aliases"].append(name)
                else:
                    seen[id(inner)] = of_argparse(inner, f"{path} {name}")
            commands = list(seen.values())
            continue
        choices = [str(one) for one in action.choices] if action.choices is not None else []
        one = {
            "choices": choices,
            "required": bool(action.required) and (bool(action.option_strings) or action.nargs not in ("*", "?", "...")),
            "default": constant(parser._defaults.get(action.dest, action.default))
            if action.default is not argparse.SUPPRESS or action.dest in parser._defaults
            else "off",
            "flag": action.nargs == 0,
            "hidden": action.help is argparse.SUPPRESS,
        }
        if action.option_strings:
            options.append(one | {"spellings": sorted(action.option_strings)})
        else:
            positionals.append(one | {"name": action.dest if action.metavar is None or True else action.metavar})
    return {
        "path": path,
        "aliases": [],
        "options": options,
        "positionals": positionals,
        "needs": needs,
        "commands": commands,
    }


def of_click(click, command, path, parent):
    context = click.Context(command, info_name=path.split()[-1], parent=parent)
    for key, value in command.context_settings.items():
        if key == "help_option_names":
            context.help_option_names = value
    options, positionals = [], []
    for one in command.get_params(context):
        choices = [getattr(c, "value", c) for c in getattr(one.type, "choices", [])]
        default = one.default
        if callable(default) or type(default).__name__ == "Sentinel":
            default = None if type(default).__name__ == "Sentinel" else object()
        shown = {
            "choices": [str(choice) for choice in choices],
            "required": bool(one.required),
            "default": constant(getattr(default, "value", default) if choices else default),
        }
        if one.param_type_name == "option":
            flag = bool(one.is_flag or one.count)
            hidden = bool(getattr(one, "hidden", False))
            spellings = sorted(one.opts + one.secondary_opts)
            options.append(shown | {"spellings": spellings, "flag": flag, "hidden": hidden})
        else:
            positionals.append(shown | {"name": one.name, "flag": False, "hidden": False})
    commands = []
    if hasattr(command, "list_commands"):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                commands.append(of_click(click, inner, f"{path} {name}", context))
    return {"path": path, "aliases": [], "options": options, "positionals": positionals, "commands": commands}


def main():
    script = sys.argv[1]
    entries = importlib.metadata.entry_points().select(group="console_scripts", name=script)
    entry = list(entries)[0]
    click = None
    try:
        click = importlib.import_module("click")
    except ImportError:
        pass

    def found(self, *args, **kwargs):
        raise Found(self)

    argparse.ArgumentParser.parse_args = found
    known = argparse.ArgumentParser.parse_known_args
    if "--known" in sys.argv:
        argparse.ArgumentParser.parse_known_args = found
    del known
    kinds = []
    if click:
        kinds.append(getattr(click, "BaseCommand", click.Command))
        click.Command.main = found
        kinds.append(click.Command)
    try:
        kinds.append(importlib.import_module("typer").Typer)
        kinds[-1].__call__ = found
    except ImportError:
        pass
    try:
        kinds.append(importlib.import_module("typer._click").Command)
        kinds[-1].main = found
    except ImportError:
        pass
    module = importlib.import_module(entry.module)
    what = module
    for part in entry.attr.split("."):
        what = getattr(what, part)
    if not isinstance(what, tuple(kinds)):
        sys.argv = [script]
        try:
            what()
        except Found as one:
            what = one.what
    if type(what).__name__ == "Typer":
        typer = importlib.import_module("typer")
        what = typer.main.get_command(what)
        if not isinstance(what, kinds[0]):
            click = importlib.import_module(type(what).__mro__[-3].__module__.rpartition(".")[0])
    tree = of_argparse(what, script) if isinstance(what, argparse.ArgumentParser) else of_click(click, what, script, None)
    print(json.dumps(tree))


if __name__ == "__main__":
    main()
