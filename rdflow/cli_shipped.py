"""`rdflow programs`, `rdflow layers`, `rdflow machines` and `rdflow repl`: what ships, and where to try it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdflow.arguments import Json, MachineName, MachineSet, Set
from rdflow.console import Told, ending, print_json, print_rich

if TYPE_CHECKING:
    from rdflow.layers import LibraryKernel, LibraryLayer

app = typer.Typer()


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


@app.command(epilog="Examples: `rdflow layers`; `rdflow layers rmsnorm`")
def layers(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="What this one does, takes and costs.")] = None,
    as_json: Json = False,
) -> None:
    """List the layers and kernels of the standard library, or tell all of one: `use std.norm` brings those of a file."""
    told = Told(as_json)
    with ending(told):
        from rdflow import layers as library

        if name is not None and name in library.kernels():
            _kernel(library.kernels()[name], as_json)
        elif name is not None:
            _layer(library.find(name), as_json)
        elif as_json:
            found = [*library.layers().values(), *library.kernels().values()]
            print_json([{"name": each.name, "library": each.library, "about": each.about} for each in found])
        else:
            from rdflow.show import sections

            all_of = [*library.layers().values(), *library.kernels().values()]
            by_file = {path: [each for each in all_of if each.library == path] for path in library.libraries()}
            heads = {path: library.first_sentence(about) for path, about in library.libraries().items()}
            print_rich(
                *sections({f"{p}: {heads[p]}": [(la.name, la.about) for la in by_file[p]] for p in heads}), wrap=True
            )


def _layer(layer: LibraryLayer, as_json: bool) -> None:
    """Signature, doc, example and the units of the example's call."""
    from rdflow.api import MACHINE
    from rdflow.interpreter.machine import load_machine
    from rdflow.layers import cost
    from rdflow.show import costs
    from rdflow.units import costs_json

    found = cost(layer, load_machine(MACHINE))
    if as_json:
        print_json(asdict(layer) | {"about": layer.about, "costs": costs_json(found)})
        return
    print(f"{layer.signature}\n\n{layer.doc}\n\n{layer.example}")
    print_rich(*costs(found, MACHINE, "the call of"))


def _kernel(kernel: LibraryKernel, as_json: bool) -> None:
    """Signature and doc: what it costs depends on the program that launches it."""
    if as_json:
        print_json(asdict(kernel) | {"about": kernel.about})
        return
    print(f"{kernel.signature}\n\n{kernel.doc}")


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
        from rdflow.interpreter.machine import load_machine
        from rdflow.interpreter.machine import machines as shipped
        from rdflow.interpreter.machine_files import SHIPPED
        from rdflow.interpreter.rival import load_rival

        if name is not None:
            loaded = load_rival(name) or load_machine(name)
            if as_json:
                print_json(_numbers(loaded))
            else:
                path = SHIPPED / f"{name}.toml"
                print((path if path.is_file() else Path(name)).read_text(encoding="utf-8"), end="")
        elif as_json:
            print_json([{"name": n, "about": about} for n, about in shipped()])
        else:
            from rdflow.show import listed

            print_rich(listed(shipped(), "machine", "about"), wrap=True)


def _numbers(value: Any) -> Any:
    """A part of a machine for JSON. Seconds are kept as fractions; here they are numbers."""
    from dataclasses import is_dataclass
    from fractions import Fraction

    from rdflow.interpreter.machine_sections import keys

    if is_dataclass(value):
        return {key: _numbers(getattr(value, key)) for key in keys(type(value))}
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
