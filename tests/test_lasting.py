"""The collector is as it was before, whatever happens."""

from __future__ import annotations

import gc

import pytest

from rdflow.interpreter.lasting import lasting


def test_no_search_inside_and_as_before_outside() -> None:
    assert gc.isenabled()
    with lasting():
        assert not gc.isenabled()
        with lasting():
            pass
        assert not gc.isenabled(), "the outer one is not over"
    assert gc.isenabled()


def test_a_mistake_inside_does_not_end_collection() -> None:
    with pytest.raises(ValueError, match="inside"), lasting():
        raise ValueError("inside")
    assert gc.isenabled()
