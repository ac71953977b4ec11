"""`rdflow paper`: what is published of the SN40L beside what this model gives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rdflow.arguments import Json, Quiet
from rdflow.console import Told, ending, print_json, print_rich, write_whole
from rdflow.meter import Meter

app = typer.Typer()


@app.command(
    epilog="Examples: `rdflow paper`; `rdflow paper --only figure13 --report paper.html`; `rdflow paper --full`"
)
def paper(
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="NAME", help="A row (figure13.ratio), or the rows of a section (figure13)."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Also simulate what takes minutes. What was simulated once is kept.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="Write one page with the figures drawn.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare with what is published: tables and figures of the paper, ours beside theirs, and how each came about.

    Our numbers are simulated, counted, modelled or fitted, and marked so; what cannot be reproduced is printed with its
    reason. Only the published column is typed in (with its sources, in rdflow/paper/published.toml).
    """
    told = Told(as_json, quiet)
    with ending(told):
        from rdflow.options import target
        from rdflow.paper import rows
        from rdflow.paper.measures import Lab
        from rdflow.running import announce_compilation

        path = None if report is None else target(report)
        announce_compilation(False, told)
        with Meter(told) as meter:
            lab = Lab(full, meter)
            found = list(rows(lab, only))
        if path is not None:
            from rdflow.report_paper import page_of

            text = page_of(found, lab)
            write_whole(path, lambda file: file.write_text(text, encoding="utf-8"))
        if as_json:
            from rdflow import __version__

            print_json({"rdflow": __version__, "machine": lab.machine.name, "rows": [row.document() for row in found]})
        elif not quiet:
            from rdflow.show_paper import shown

            print_rich(*shown(found))
