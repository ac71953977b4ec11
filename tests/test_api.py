"""The Python face: what users hand over as values and params, and names that stay what they are."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

import rdflow


def test_the_list_of_programs_stays_a_function() -> None:
    """The package of their texts has the same name, and is imported when one of them is read."""
    assert rdflow.load("hello").name == "hello"
    assert rdflow.programs()["hello"] == rdflow.api.programs()["hello"]


@pytest.mark.parametrize("number", [np.int64(96), np.int32(96), np.array(96)])
def test_params_are_numbers_of_numpy_too(number: object) -> None:
    program = rdflow.load("hello", N=number)
    assert program.settings == {"N": 96} and type(program.settings["N"]) is int
    assert program.run(verify=True).outputs["Y"].shape == (96,)


def test_what_is_no_number_is_a_mistake() -> None:
    with pytest.raises(rdflow.CompileError, match="RDF013"):
        rdflow.load("hello", N=np.zeros(3))


def test_a_text_where_a_name_is_expected_is_told() -> None:
    with pytest.raises(rdflow.CompileError, match="RDF304: this is the text of a program"):
        rdflow.load("axis n = 64\n" * 100)


def test_rows_of_different_lengths_are_told() -> None:
    with pytest.raises(rdflow.CompileError, match="RDF302: the values for `X` are lists of different lengths"):
        rdflow.load("hello", N=4).run(X=[[1, 2], [3]])
    assert rdflow.load("hello", N=4).run(X=[1, 2, 3, 4]).outputs["Y"].size == 4


def test_two_lengths_to_extrapolate_from() -> None:
    with pytest.raises(ValueError, match="two lengths"):
        rdflow.load("llama_decode").estimated(NL=(2,))  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_program_is_read_from_a_pipe(tmp_path: Path) -> None:
    pipe, text = tmp_path / "pipe", rdflow.find("hello").text
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    assert rdflow.find(pipe).text == text
    writer.join()
