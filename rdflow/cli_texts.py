"""`rdflow fmt`, `rdflow explain` and `rdflow graph`: programs as texts and pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rdflow.arguments import Json, MachineName, MachineSet, ProgramName, Quiet, Set
from rdflow.console import WRONG, Told, colored, ending, print_json, print_rich, show_diagnostics, write_whole
from rdflow.dsl.diagnostics import CompileError, Severity
from rdflow.typed import Typed, load

app = typer.Typer()


@app.command(
    epilog="Examples: `rdflow fmt *.rdf`; `rdflow fmt --check programs/*.rdf` in CI; `rdflow fmt -` in an editor"
)
def fmt(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Program files; `-` is stdin, to stdout.")],
    check: Annotated[bool, typer.Option("--check", help="Change nothing; name the files that would change.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write programs in their canonical form, comments kept."""
    told = Told(as_json, quiet)
    with ending(told):
        changed, failed = [], False
        for file in files:
            try:
                if _formatted(file, check, told):
                    changed.append(file)
            except CompileError as error:
                failed = True
                show_diagnostics(error.diagnostics, error.source)
        if as_json:
            print_json({"changed": changed})
        if failed or (check and changed):
            raise typer.Exit(WRONG)


def _formatted(file: str, check: bool, told: Told) -> bool:
    """Format a file. Whether it was not in its canonical form."""
    from rdflow.api import read
    from rdflow.dsl.format import format_module
    from rdflow.dsl.parse import parse
    from rdflow.dsl.source import Source

    source = Source("<stdin>", sys.stdin.read()) if file == "-" else read(Path(file))
    module, found = parse(source)
    if any(d.severity is Severity.ERROR for d in found):
        raise CompileError(found, source)
    text = format_module(module)
    changed = text != source.text or (file != "-" and b"\r" in Path(file).read_bytes())
    if file == "-" and not (check or told.as_json):
        sys.stdout.write(text)
    elif changed:
        if not check:
            write_whole(Path(file), lambda path: path.write_text(text, encoding="utf-8", newline="\n"))
        if not (told.quiet or told.as_json):
            print(f"{'would change' if check else 'changed'} {source.name}")
    return changed


@app.command(epilog="Examples: `rdflow explain RDF021`; `rdflow explain` lists all codes")
def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="The code of a diagnostic, such as RDF021.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a diagnostic means and why, with a wrong and a right program."""
    told = Told(as_json)
    with ending(told):
        from dataclasses import asdict

        from rdflow.dsl.codes import CODES
        from rdflow.explanations import entry, text

        if code is None:
            if as_json:
                print_json([{"code": c.code, "title": c.title} for c in CODES.values()])
            else:
                from rdflow.show import listed

                print_rich(listed((c.code, c.title) for c in CODES.values()), wrap=True)
            return
        found = entry(code)
        if found is None:
            raise typer.BadParameter(f"there is no code `{code}`; `rdflow explain` lists them", param_hint="CODE")
        if as_json:
            print_json(asdict(found))
        else:
            print(text(found, colored(sys.stdout)))


@app.command(epilog="Example: `rdflow graph attention -o attention.svg`")
def graph(
    file: ProgramName,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.svg", help="Where to. Default: NAME.svg here; `-`: stdout."),
    ] = None,
    set_: Set = None,
    machine: MachineName = None,
    machine_set: MachineSet = None,
    quiet: Quiet = False,
) -> None:
    """Draw the pipeline and its floor plan as one SVG picture."""
    told = Told(quiet=quiet)
    with ending(told):
        from rdflow.graph import draw

        program = load(Typed(file, set_, machine, machine_set), told)
        target = output or Path(f"{program.name}.svg")
        picture = draw(program)
        if str(target) == "-":
            print(picture)
            return
        write_whole(target, lambda path: path.write_text(picture, encoding="utf-8"))
        if not quiet:
            print(target)
