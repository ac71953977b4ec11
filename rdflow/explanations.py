"""The codes of all diagnostics, as `rdflow explain` shows them."""

from __future__ import annotations

from rdflow.dsl.codes import CODES, Code


def entry(code: str) -> Code | None:
    """A code as it is typed: `RDF021`, `rdf21`, `21`."""
    number = code.strip().upper().removeprefix("RDF")
    return CODES.get(f"RDF{number:0>3}")


def text(code: Code, color: bool = False) -> str:
    """What a code means and why, the wrong program and the right one."""
    title = f"\033[1m{code.code}: {code.title}\033[0m" if color else f"{code.code}: {code.title}"
    parts = [title, code.why, "wrong:", _program(code.wrong, color), "right:", _program(code.right, color)]
    return "\n\n".join(parts)


def _program(program: str, color: bool) -> str:
    from textwrap import indent

    if color:
        from pygments import highlight
        from pygments.formatters import TerminalFormatter

        from rdflow.highlight import RdfLexer

        program = highlight(program, RdfLexer(), TerminalFormatter())
    return indent(program.rstrip("\n"), "    ")
