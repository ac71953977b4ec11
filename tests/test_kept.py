"""What is kept: the same with and without, legal or ignored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sketch import chains

from rdflow.interpreter import floorplan as plans
from rdflow.interpreter import kept
from rdflow.interpreter.floorplan import Floorplan, floorplan
from rdflow.interpreter.machine import load_machine

TOY = load_machine("toy")
NETLIST = chains(25, 3)  # 76 cells


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder; the compiled code stays where it is."""
    monkeypatch.setattr(kept, "folder", lambda: tmp_path / "floorplans")
    return tmp_path / "floorplans"


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def refuse(*_: object) -> None:
    raise AssertionError("worked out again")


def test_the_second_time_it_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = floorplan(NETLIST, TOY)
    assert only(folder).suffix == ".json"
    monkeypatch.setattr(plans, "place", refuse)
    assert floorplan(NETLIST, TOY) == first


def test_it_is_worked_out_anew_to_the_same(folder: Path) -> None:
    first = floorplan(NETLIST, TOY)
    only(folder).unlink()
    assert floorplan(NETLIST, TOY) == first


@pytest.mark.parametrize("damage", ["", "{}", '{"sites": [0], "routes": [], "rounds": 1}', "[1]", "null"])
def test_a_damaged_file_is_as_good_as_none(folder: Path, damage: str) -> None:
    first = floorplan(NETLIST, TOY)
    whole = only(folder).read_text()
    only(folder).write_text(damage)
    assert floorplan(NETLIST, TOY) == first
    assert only(folder).read_text() == whole


def test_an_illegal_mapping_is_not_taken(folder: Path) -> None:
    first = floorplan(NETLIST, TOY)
    data = json.loads(only(folder).read_text())
    for wrong in (
        data | {"sites": [data["sites"][0], *data["sites"][:-1]]},
        data | {"sites": [data["sites"][1], data["sites"][0], *data["sites"][2:]]},
        data | {"sites": [*data["sites"][:-1], 10**6]},
        data | {"routes": [way[:-1] for way in data["routes"]]},
        data | {"routes": [[], *data["routes"][2:]]},
    ):
        only(folder).write_text(json.dumps(wrong))
        assert floorplan(NETLIST, TOY) == first


def test_another_kernel_has_another_name(folder: Path) -> None:
    floorplan(NETLIST, TOY)
    floorplan(chains(24, 3), TOY)
    floorplan(NETLIST, TOY.replace(tile_columns=9))
    assert len(list(folder.iterdir())) == 3


def test_small_kernels_are_not_kept(folder: Path) -> None:
    floorplan(chains(4, 3), TOY)
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_does_no_harm(folder: Path) -> None:
    folder.parent.joinpath("floorplans").write_text("a file")
    found = floorplan(NETLIST, TOY)
    assert isinstance(found, Floorplan)
