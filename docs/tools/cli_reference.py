"""The page of all commands, from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from sdfa.cli.base import app


def commands(group: Any = None, path: tuple[str, ...] = ("pytools",)) -> Iterator[tuple[str, Any]]:
    """(its words, the command) of every command, those of groups behind the others."""
    parts = getattr(group or typer.main.get_command(app), "commands", {})
    for name, part in sorted(parts.items(), key=lambda item: (hasattr(item[1], "commands"), item[0])):
        here = (*path, name)
        yield from commands(part, here) if hasattr(part, "commands") else [(" ".join(here), part)]


def page() -> str:
    """Markdown."""
    head = "# Commands\n\nMade from the commands themselves; `pytools COMMAND --help` says the same.\n\n"
    return head + "\n".join(section(name, command) for name, command in commands())


def section(name: str, command: Any) -> str:
    """Markdown of one command."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join([name, *map(_metavar, arguments), "[OPTIONS]"])
    rows = "".join(_row(p) for p in [*arguments, *options])
    return f"## {name}\n\n{_text(command)}\n\n`{usage}`\n\n| | | |\n|---|---|---|\n{rows}"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _text(command: Any) -> str:
    """Its help; examples become code."""
    said = re.sub(r"^ +", "", (command.callback.__doc__ or "").strip(), flags=re.MULTILINE)
    return re.sub(r"\[cyan\](.*?)\[/cyan\]", lambda m: f"`{' '.join(m[1].split())}`", said, flags=re.DOTALL)


def _row(p: Any) -> str:
    if p.param_type_name == "argument":
        name = f"`{_metavar(p)}`"
    else:
        value = "" if p.is_flag else f" {_metavar(p)}"
        name = ", ".join(f"`{o}{value}`" for o in [*p.opts, *p.secondary_opts])
    shown = p.required or p.default is None or callable(p.default) or p.is_flag or p.default == ""
    default = "required" if p.required else ("" if shown else f"default {p.default}")
    return f"| {name} | {_cell(p.help or '')} | {default} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
