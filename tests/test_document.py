"""The JSON of runs and profiles: its keys are promised, and its figures add up."""

from __future__ import annotations

import json
from typing import Any

import pytest

import rdflow
from rdflow.api import Program
from rdflow.document import document
from rdflow.verification import Verification

PIPELINE = """\
param N = 1024
axis t = 4, n = N
tensor X: bf16[t, n] in hbm input
tensor Y: f32[t] in hbm output
tensor Z: bf16[t, n] in ddr output
kernel total {
    x = load X as [t, n/L | n%L]
    s = pcu sum(n) x as f32 [t]
    store s -> Y
}
kernel twice {
    x = load X as [t @2, n/L | n%L]
    y = pcu 2 * x as bf16 [t @2, n/L | n%L]
    store y -> Z
}
"""
PROFILE = {
    "rdflow": "str", "program": "str", "machine": "str", "params": {"N": "int"}, "cycles": "int", "cycles_depend_on": [], "seconds": "float",
    "kernels": [{
        "name": "str", "launches": "int", "cycles": "int", "flops": "int",
        "bytes": {"hbm": {"read": "int", "written": "int"}, "ddr": {"read": "int", "written": "int"}, "sram": "int", "links": "int"},
        "intensity": "float", "bound": "str", "limiter": "str", "why": "str",
        "waits": [{"unit": "str", "state": "str", "share": "float", "on": "str"}], "resources": {"pcu": "int", "pmu": "int", "agcu": "int"},
        "units": [{
            "name": "str", "kind": "str", "copies": "int", "firings": "int", "busy": "int", "starved": "int",
            "blocked": "int", "memory": "int", "link": "int", "idle": "int",
        }],
        "carriers": [{
            "kind": "str", "name": "str", "bytes": "int", "achieved": "float", "peak": "float", "utilization": "float",
        }],
        "traffic": [{
            "unit": "str", "tensor": "str", "text": "str", "again": {"axes": "str", "times": "int"}, "formula": "int",
            "measured": "int", "causes": [{"cause": "str", "amount": "int"}],
        }],
        "work": [{"unit": "str", "text": "str", "formula": "int", "measured": "int", "causes": []}],
    }],
    "intensity": "float",
    "compared": "NoneType",
    "tiers": {
        "hbm": {"peak": "float", "achieved": "float", "utilization": "float"},
        "ddr": {"peak": "float", "achieved": "float", "utilization": "float"},
    },
    "schedule": [{"what": "str", "start": "int", "end": "int", "boundary_cycles_fitted": "int", "modelled": "bool"}],
    "timeline": {
        "cycles": "int", "seconds": "float", "parts": {"program load": "int", "argument load": "int", "execute": "int"},
        "statements": [{"what": "str", "times": "int", "cycles": "int"}],
        "entries": [{"what": "str", "part": "str", "resource": "str", "start": "int", "end": "int", "slowed": "int", "modelled": "bool"}],
    },
    "switches": [],
    "memory": {
        "placed": [{
            "tensor": "str", "tier": "str", "address": "int", "bytes": "int", "from_step": "int", "to_step": "int",
            "moved": "int", "why": "str",
        }],
        "experts": {}, "caches": [],
    },
    "outputs": {}, "verify": "NoneType",
    "simulation": {
        "firings": "int", "firings_simulated": "int", "host_seconds": "float", "fast_forwarded_cycles": "int", "sockets_alike": "int",
        "launches_repeated": "int", "launches_modelled": "int", "modelled": [], "cached": "NoneType",
    },
    "what_if": "NoneType",
}  # fmt: skip
"""the keys in order, and the type of every value; of a list, its first entry"""


def shape(value: Any) -> Any:
    """Keys and types of a document; all entries of a list have one shape, but for lists in them that are empty."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    if isinstance(value, list):
        shapes = [shape(part) for part in value]
        fullest = max(shapes, key=lambda s: len(json.dumps(s)), default=None)
        assert all(alike(other, fullest) for other in shapes)
        return [fullest] if shapes else []
    return type(value).__name__


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return not one or not other or alike(one[0], other[0])
    return bool(one == other)


@pytest.fixture(scope="module")
def program() -> Program:
    return rdflow.loads(PIPELINE, "pipeline.rdf")


@pytest.fixture(scope="module")
def profiled(program: Program) -> dict[str, Any]:
    return document(program, program.profile())


def test_keys_of_a_profile(profiled: dict[str, Any]) -> None:
    assert json.dumps(shape(profiled)) == json.dumps(PROFILE)


def test_keys_of_a_run(program: Program) -> None:
    result = program.run(verify=True)
    found = document(program, result.profile, result.outputs, {}, result.verification)
    assert found["outputs"] == {
        "Y": {"shape": [4], "dtype": "f32", "file": None},
        "Z": {"shape": [4, 1024], "dtype": "bf16", "file": None},
    }
    assert found["verify"] == {"passed": True, "max_abs_error": 0.0, "tolerance": 0.0}
    rest = {key: value for key, value in PROFILE.items() if key not in ("outputs", "verify")}
    assert shape({key: found[key] for key in rest}) == rest


def test_a_document_is_json_even_of_infinite_errors(program: Program, profiled: dict[str, Any]) -> None:
    found = document(program, program.profile(), {}, {}, Verification(False, float("inf"), 0.0, "Y"))
    assert json.loads(json.dumps(found, allow_nan=False))["verify"]["max_abs_error"] is None


@pytest.mark.parametrize("name", [None, "hello", "transpose", "softmax", "monarch_fft_unfused"])
def test_cycles_of_every_unit_add_up(name: str | None, program: Program) -> None:
    subject = program if name is None else rdflow.load(name)
    for kernel in document(subject, subject.profile())["kernels"]:
        for unit in kernel["units"]:
            states = [unit[s] for s in ("busy", "starved", "blocked", "memory", "link", "idle")]
            assert min(states) >= 0 and sum(states) == kernel["cycles"] * unit["copies"], unit


def test_bytes_and_schedule(profiled: dict[str, Any]) -> None:
    total, twice = profiled["kernels"]
    assert total["bytes"]["hbm"]["read"] == twice["bytes"]["hbm"]["read"] == 4 * 1024 * 2
    assert twice["bytes"]["ddr"] == {"read": 0, "written": 4 * 1024 * 2}
    assert [entry["what"] for entry in profiled["schedule"]] == ["launch total", "launch twice"]
    assert profiled["schedule"][1]["start"] == profiled["schedule"][0]["end"] == total["cycles"]
    assert profiled["cycles"] == total["cycles"] + twice["cycles"]
