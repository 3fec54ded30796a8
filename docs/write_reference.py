"""Generates docs/reference/settings.md and docs/reference/commands.md: `python docs/write_reference.py`.

A setting's text is the `#:` comment above the line that reads it; a command's is its `help` and that of its options.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
APPS = ("stylestudio", "styles", "generation", "training")
SETTINGS, COMMANDS = ROOT / "docs/reference/settings.md", ROOT / "docs/reference/commands.md"
LOOK_UPS = {"get", "setdefault", "pop"}  # of os.environ
GROUPS = (
    "Engines",
    "Training and captions",
    "The studio",
    "Address and proxies",
    "Workers and turns",
    "Several machines",
    "Set by `studio`",
    "Read, but not ours",
)
ABOUT = {
    "Several machines": "Each of these can also be used alone on one machine. See "
    "[On more than one machine](../operators/machines.md).",
    "Set by `studio`": "For the processes that it starts. Leave them alone.",
}
NOTE = "<!-- Written by docs/write_reference.py from the code. Change the text there. -->"


@dataclass(frozen=True)
class Variable:
    """An environment variable as the reference describes it; several with one meaning share a text."""

    names: tuple[str, ...]
    group: str
    meaning: str
    default: str


def modules() -> Iterator[Path]:
    """Every module of the program, without migrations and empty packages."""
    yield from (ROOT / "run.py", ROOT / "manage.py")
    for app in APPS:
        for file in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in file.parts and file.name != "__init__.py":
                yield file


def literals(node: ast.AST) -> list[str]:
    """All strings in an expression."""
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def variables_read(source: str) -> list[str]:
    """The environment variables that a module reads by name, without duplicates."""
    # Every way to read one contains these letters, so most modules need no parsing.
    return _read(ast.parse(source)) if "env" in source else []


def _read(tree: ast.AST) -> list[str]:
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="env")), args=[name, *_]):
                found += literals(name)
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(value=ast.Name(id="os"), attr="environ"), attr=attr),
                args=[name, *_],
            ) if attr in LOOK_UPS:
                found += literals(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="getenv"), args=[name, *_]):
                found += literals(name)
            case ast.Call(func=ast.Attribute(attr="from_environment"), args=[name, *_]):
                found += literals(name)
            case ast.Subscript(value=ast.Attribute(value=ast.Name(id="os"), attr="environ"), slice=name):
                found += literals(name)
            case ast.Compare(
                left=name, ops=[ast.In()], comparators=[ast.Attribute(value=ast.Name(id="os"), attr="environ")]
            ):
                found += literals(name)
            # os.environ.get(name) for name in ("A", "B")
            case ast.GeneratorExp(elt=elt, generators=[ast.comprehension(iter=names)]) if "os.environ" in ast.unparse(
                elt
            ):
                found += literals(names)
    return list(dict.fromkeys(found))


def described(source: str) -> Iterator[Variable]:
    """The variables of a module that have a `#:` comment above the statement that reads them."""
    if "#: [" not in source:
        return
    tree = ast.parse(source)
    statements = {node.lineno: node for node in reversed(list(ast.walk(tree))) if isinstance(node, ast.stmt)}
    lines = source.splitlines()
    comment: list[str] = []
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("#:"):
            comment.append(line.lstrip().removeprefix("#:").strip())
        elif comment:
            yield _variable(statements[number], comment)
            comment = []


def _variable(statement: ast.stmt, comment: list[str]) -> Variable:
    told = next((line.removeprefix("Default: ") for line in comment if line.startswith("Default: ")), "")
    text = " ".join(line for line in comment if not line.startswith("Default: "))
    match = re.fullmatch(r"\[([^\]]+)\] (.+)", text)
    if match is None or match[1] not in GROUPS:
        raise SystemExit(f"“{text}” begins with none of the groups {GROUPS}.")
    default, limits = _default(statement)
    return Variable(tuple(_read(statement)), match[1], f"{match[2]}{limits}", told or default)


def _default(statement: ast.stmt) -> tuple[str, str]:
    """The default and the range that the statement passes to `env`."""
    for node in ast.walk(statement):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) == "env"
        ):
            kind, rest = node.func.attr, node.args[1:]
            if kind == "boolean":
                return "`0`", ""
            value = ast.unparse(rest[0]).strip("'") if rest and isinstance(rest[0], ast.Constant) else ""
            bounds = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
            limits = f" A whole number from {bounds.get('least', 0)} to {bounds['most']}." if "most" in bounds else ""
            return (f"`{value}`" if value else "none"), limits
    return "none", ""


def variables() -> list[Variable]:
    """All described variables, in code order. It is an error if one that is read has no text, or two."""
    found: list[Variable] = []
    read: set[str] = set()
    for file in modules():
        source = file.read_text(encoding="utf-8")
        read.update(variables_read(source))
        found += described(source)
    names = [name for variable in found for name in variable.names]
    if missing := read - set(names):
        raise SystemExit(f"No `#:` comment stands where these are read: {', '.join(sorted(missing))}.")
    if twice := {name for name in names if names.count(name) > 1}:
        raise SystemExit(f"More than one `#:` comment stands where these are read: {', '.join(sorted(twice))}.")
    return found


def settings_page() -> str:
    """docs/reference/settings.md."""
    lines = [
        "# Settings",
        "",
        NOTE,
        "",
        "All settings are environment variables, and all are optional. A value that makes no sense stops the start and "
        "says why. Which ones matter for a machine of your size is in "
        "[Settings by machine size](../operators/sizes.md).",
    ]
    known = variables()
    for group in GROUPS:
        lines += ["", f"## {group}"]
        if about := ABOUT.get(group):
            lines += ["", about]
        for one in (variable for variable in known if variable.group == group):
            heading = ", ".join(f"`{name}`" for name in one.names)
            lines += ["", f"### {heading}", "", f"{one.meaning}"]
            if group in GROUPS[:-2]:
                lines += ["", f"Default: {one.default}."]
    return "\n".join(lines) + "\n"


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parsers of our management commands, by name. Requires Django to be set up."""
    from django.core import management  # Django reads the settings when it is imported

    files = [file for app in APPS for file in (ROOT / app).glob("**/management/commands/*.py")]
    apps = {file.stem: ".".join(file.relative_to(ROOT).parts[:-3]) for file in files if not file.stem.startswith("_")}
    # A Django command that we extend is left out: it is described in Django's own documents.
    ours = sorted(apps.keys() - set(management.find_commands(management.__path__[0])))
    return {name: management.load_command_class(apps[name], name).create_parser("manage.py", name) for name in ours}


def own_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments that the command adds to Django's."""
    from django.core.management.base import BaseCommand  # see `commands`

    theirs = {option for action in BaseCommand().create_parser("", "")._actions for option in action.option_strings}
    return [action for action in parser._actions if not theirs.intersection(action.option_strings)]


def commands_page() -> str:
    """docs/reference/commands.md."""
    lines = [
        "# Commands",
        "",
        NOTE,
        "",
        r"Run them in the clone with `.venv/bin/python` (on Windows `.venv\Scripts\python`), and with the same "
        "environment variables as the studio. `--help` lists all options, those of Django too. Examples are in "
        "[Working from a terminal](../operators/terminal.md).",
    ]
    for name, parser in commands().items():
        actions = own_actions(parser)
        lines += [
            "",
            f"## manage.py {name}",
            "",
            "```",
            _usage(name, actions),
            "```",
            "",
            _marked(parser.description or ""),
        ]
        if actions:
            lines += ["", "| argument | meaning |", "| --- | --- |"]
            lines += [f"| `{_spelled(action)}` | {_meaning(action)} |" for action in actions]
    return "\n".join(lines) + "\n"


def _usage(name: str, actions: list[argparse.Action]) -> str:
    needed = [_spelled(action) for action in actions if action.required]
    options = ["[options]"] if any(not action.required for action in actions) else []
    return " ".join([f".venv/bin/python manage.py {name}", *options, *needed])


def _spelled(action: argparse.Action) -> str:
    """An argument as people type it: --size WIDTHxHEIGHT."""
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    if action.choices:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    if not action.option_strings:
        return f"{value}..." if action.nargs in ("+", "*") else value
    return f"{action.option_strings[0]} {value}".strip()


def _meaning(action: argparse.Action) -> str:
    if not action.help:
        raise SystemExit(f"{_spelled(action)} has no help.")
    text = (action.help % {"default": action.default}).replace("|", r"\|").replace("*", r"\*")
    return _marked(f"{text[0].upper()}{text[1:]}.")


def _marked(text: str) -> str:
    """Format options and variable names in a sentence as code."""
    return re.sub(r"(?<![\w`-])(--[a-z][a-z-]*|[A-Z]+(?:_[A-Z]+)+)\b(?!`)", r"`\1`", text)


def main() -> None:
    """Write both pages."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudio.settings")
    sys.path.insert(0, str(ROOT))
    import django  # after the settings are named

    django.setup()
    for file, page in ((SETTINGS, settings_page()), (COMMANDS, commands_page())):
        file.parent.mkdir(exist_ok=True)
        file.write_text(page, encoding="utf-8")
        print(f"{file.relative_to(ROOT)} is written.")


if __name__ == "__main__":
    main()
