"""The command line. Each command loads what it needs when it runs, so that `rdflow check` is quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdflow.checking import Outcome, outcome, tell
from rdflow.console import (
    INTERRUPTED,
    WRONG,
    Meter,
    Told,
    colored,
    ending,
    hush,
    note,
    plain_streams,
    print_json,
    print_rich,
    show_diagnostics,
    write_whole,
)
from rdflow.dsl.diagnostics import CompileError, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rdflow.api import Program

app = typer.Typer(
    name="rdflow",
    help="Write, run and profile streaming-dataflow programs on a modelled accelerator.",
    epilog="Example: `rdflow run hello --verify`. Programs that ship are given by name (`rdflow programs` lists them).",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ProgramName = Annotated[
    str, typer.Argument(metavar="FILE", help="A program file, or the name of a program that ships.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Set a param: a number or a dtype. Repeatable.")
]
MachineName = Annotated[
    str | None, typer.Option("--machine", metavar="NAME|FILE", help="A machine that ships, or a TOML file.")
]
MachineSet = Annotated[
    list[str] | None,
    typer.Option("--machine-set", metavar="KEY=VALUE", help="Change the machine: hbm.bandwidth=3.6TB/s. Repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def main() -> None:
    """The entry point: the commands, and a quiet end where the reader of a pipe has gone."""
    plain_streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        sys.exit(hush())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _version(wanted: bool) -> None:
    if wanted:
        from rdflow import __version__

        print(f"rdflow {__version__}")
        raise typer.Exit


@app.callback()
def rdflow(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


# -- check -------------------------------------------------------------------------------------------------------------


@app.command(epilog="Example: `rdflow check attention --units`. See `rdflow explain CODE` for what a diagnostic means.")
def check(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Program files, or names of programs that ship.")
    ],
    set_: Set = None,
    units: Annotated[
        bool, typer.Option("--units", help="Print what each unit takes, and the cycles it needs.")
    ] = False,
    machine: MachineName = None,
    machine_set: MachineSet = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check programs without running them: every mistake of every file."""
    told = Told(as_json, quiet)
    with ending(told):
        from rdflow.options import settings

        values = settings(set_)
        results = [outcome(file, values) for file in files]
        if units or machine or machine_set:
            kernels = _unit_tables(results, machine, machine_set, told, units)
        if as_json and units:
            print_json({"diagnostics": [d for r in results for d in r.json()], "kernels": kernels})
            tell(results, told, shown=False)
        else:
            tell(results, told)


def _unit_tables(
    results: list[Outcome], machine: str | None, changes: list[str] | None, told: Told, shown: bool
) -> list[dict[str, Any]]:
    """Print the units of every program without mistakes; add to its diagnostics what does not fit the machine."""
    from rdflow.options import machine as chosen
    from rdflow.units import costs_json, kernel_costs, too_large

    target = chosen(machine, changes)
    documents = []
    for result in results:
        if result.checked is None or not result.passed:
            continue
        try:
            kernels = list(kernel_costs(result.checked, target))
            result.diagnostics += too_large(result.checked, target)
        except CompileError as error:
            result.diagnostics += error.diagnostics
            continue
        documents += [{"file": result.file} | costs_json(kernel) for kernel in kernels]
        if shown and not told.as_json:
            from rdflow.show import costs

            print_rich(*(part for kernel in kernels for part in costs(kernel, target.name)))
    return documents


# -- run and profile ---------------------------------------------------------------------------------------------------


def _load(file: str, set_: list[str] | None, machine: str | None, changes: list[str] | None, told: Told) -> Program:
    """The program on its machine, its warnings told. Raises CompileError."""
    from rdflow.api import Program, find, library
    from rdflow.dsl.check import checked
    from rdflow.options import machine as chosen
    from rdflow.options import settings

    values = settings(set_)
    source = find(file)
    program = Program(checked(source, values, library), chosen(machine, changes), values)
    if not (told.quiet or told.as_json):
        show_diagnostics(program.warnings, source)
    return program


def _fits(program: Program) -> None:
    """Refuse tensors that no memory tier holds before values are made for them. Raises CompileError."""
    from math import prod

    sizes = (prod(tensor.shape) for tensor in program.checked.program.tensors.values())
    if sum(sizes) > sum(tier.capacity for tier in program.machine.tiers.values()):
        from rdflow.units import too_large

        raise CompileError(too_large(program.checked, program.machine), program.checked.program.source)


def _announce_compilation(with_values: bool, told: Told) -> None:
    from rdflow.interpreter.image import compile_needed

    if compile_needed(with_values):
        note("compiling the engine, which happens once and takes some 20 s ...", told)


@app.command(
    epilog="Examples: `rdflow run attention --set S=256 --verify`; "
    "`rdflow run my.rdf --input X=x.npy --input W=random:7 --output results`"
)
def run(
    file: ProgramName,
    set_: Set = None,
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="NAME=FILE.npy|random[:SEED]", help="Values of a tensor. Default: random."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="Write each output as NAME.npy, bf16 as float32.")
    ] = None,
    machine: MachineName = None,
    machine_set: MachineSet = None,
    verify: Annotated[bool, typer.Option("--verify", help="Compare the outputs with the NumPy evaluator.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of inputs that are random.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Execute a program with values, cycle by cycle, and print outputs, cycles and what limited them."""
    told = Told(as_json, quiet)
    with ending(told):
        from rdflow import options

        program = _load(file, set_, machine, machine_set, told)
        _fits(program)
        given = options.inputs(input_, program.checked.program, seed)
        values = program.inputs(given, seed)
        folder = options.folder(output) if output else None
        _announce_compilation(True, told)
        with Meter(told) as meter:
            result = program.run_on(values, verify, meter)
        files = _write(program, result.outputs, folder) if folder else {}
        if as_json:
            from rdflow.document import document

            print_json(document(program, result.profile, result.outputs, files, result.verification))
        elif not quiet:
            from rdflow import show

            random = options.random_inputs(program.checked.program, given, seed)
            print_rich(*([show.seeds(random)] if random else []), show.outputs(program, result.outputs, files))
            print_rich(*show.summary(program, result.profile))
            if result.verification is not None and result.verification.passed:
                print(show.verified(result.verification))
        if result.verification is not None and not result.verification.passed:
            from rdflow.show import verified

            raise AssertionError(verified(result.verification))


def _write(program: Program, outputs: Mapping[str, NDArray[Any]], folder: Path) -> dict[str, Path]:
    """A file for each output, written whole."""
    import numpy as np

    types = {"int8": np.int8, "bool": np.bool_}
    found = {}
    for name, array in outputs.items():
        typed = array.astype(types.get(program.checked.program.tensors[name].dtype, array.dtype))
        found[name] = folder / f"{name}.npy"

        def save(path: Path, typed: NDArray[Any] = typed) -> None:
            with path.open("wb") as stream:
                np.save(stream, typed)

        write_whole(found[name], save)
    return found


@app.command(epilog="Example: `rdflow profile attention --set S=4096 --machine-set hbm.bandwidth=900GB/s`")
def profile(
    file: ProgramName,
    set_: Set = None,
    machine: MachineName = None,
    machine_set: MachineSet = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Execute without values, and say where the cycles went: kernels, memory tiers, units, what limited each."""
    told = Told(as_json, quiet)
    with ending(told):
        program = _load(file, set_, machine, machine_set, told)
        _announce_compilation(False, told)
        with Meter(told) as meter:
            found = program.profile(meter)
        if as_json:
            from rdflow.document import document

            print_json(document(program, found))
        elif not quiet:
            from rdflow.show import profiled, summary

            print_rich(*summary(program, found)[:1], *profiled(program, found))


# -- texts -------------------------------------------------------------------------------------------------------------


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

        program = _load(file, set_, machine, machine_set, told)
        target = output or Path(f"{program.name}.svg")
        picture = draw(program)
        if str(target) == "-":
            print(picture)
            return
        write_whole(target, lambda path: path.write_text(picture, encoding="utf-8"))
        if not quiet:
            print(target)


# -- what ships --------------------------------------------------------------------------------------------------------


@app.command(epilog="Examples: `rdflow programs`; `rdflow programs hello > mine.rdf`")
def programs(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Print the text of this one.")] = None,
    as_json: Json = False,
) -> None:
    """List the programs that ship, or print one."""
    told = Told(as_json)
    with ending(told):
        from rdflow import api

        if name is not None:
            text = api.find(name).text
            print_json({"name": name, "text": text}) if as_json else print(text, end="")
        elif as_json:
            print_json([{"name": n, "about": about} for n, about in api.programs().items()])
        else:
            from rdflow.show import listed

            print_rich(listed(api.programs().items(), "program", "about"), wrap=True)


@app.command(epilog="Examples: `rdflow machines`; `rdflow machines sn40l > mine.toml`")
def machines(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Print the file of this one, with its sources.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the machines that ship, or print the file of one: every number and where it comes from."""
    told = Told(as_json)
    with ending(told):
        from rdflow.interpreter import machine

        if name is not None:
            loaded = machine.load_machine(name)
            if as_json:
                print_json(_numbers(loaded))
            else:
                path = machine.SHIPPED / f"{name}.toml"
                print((path if path.is_file() else Path(name)).read_text(encoding="utf-8"), end="")
        elif as_json:
            print_json([{"name": n, "about": about} for n, about in machine.machines()])
        else:
            from rdflow.show import listed

            print_rich(listed(machine.machines(), "machine", "about"), wrap=True)


def _numbers(value: Any) -> Any:
    """A part of a machine for JSON. Seconds are kept as fractions; here they are numbers."""
    from fractions import Fraction

    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return {key: _numbers(part) for key, part in value}
    return float(value) if isinstance(value, Fraction) else value


@app.command(epilog="Example: `rdflow repl attention --set S=256`")
def repl(
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="A program to begin with.")] = None,
    set_: Set = None,
    machine: MachineName = None,
    machine_set: MachineSet = None,
) -> None:
    """Experiment: type declarations and units, run them step by step, look into queues."""
    told = Told()
    with ending(told):
        from rdflow.options import machine as chosen
        from rdflow.options import settings
        from rdflow.repl import main as start

        code = start(file, settings=settings(set_), machine=chosen(machine, machine_set))
        raise typer.Exit(code or 0)


if __name__ == "__main__":
    main()
