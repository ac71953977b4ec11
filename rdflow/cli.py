"""The command line. Each command loads what it needs when it runs, so that `rdflow check` is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from rdflow import cli_check, cli_paper, cli_profile, cli_run, cli_serve, cli_shipped, cli_texts
from rdflow.console import ending_quietly

app = typer.Typer(
    name="rdflow",
    help="Write, run and profile streaming-dataflow programs on a modelled accelerator.",
    epilog="Example: `rdflow run hello --verify`. Programs that ship are given by name (`rdflow programs` lists them).",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for each in (cli_check, cli_run, cli_profile, cli_serve, cli_paper, cli_texts, cli_shipped):
    app.add_typer(each.app)


def main() -> None:
    """The entry point: the commands, and a quiet end where the reader of a pipe has gone."""
    ending_quietly(app)


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


if __name__ == "__main__":
    main()
