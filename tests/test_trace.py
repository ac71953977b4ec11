"""Traces: read back with Perfetto's own messages."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from estimated_program import ended, estimated
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as proto
from typer.testing import CliRunner

import rdflow
from rdflow.cli import app
from rdflow.interpreter.figures import Profile
from rdflow.interpreter.profile import profile
from rdflow.interpreter.states import STATES
from rdflow.interpreter.timeline import timeline
from rdflow.perfetto import Trace, message, varint
from rdflow.trace import trace


def decoded(content: bytes) -> Any:
    found = proto.Trace()
    found.ParseFromString(content)
    return found


class Read:
    """A trace as a viewer sees it: tracks by path, slices and counters by track."""

    def __init__(self, content: bytes):
        self.names: dict[int, str] = {}
        self.slices: dict[str, list[tuple[int, int, str]]] = {}
        self.counters: dict[str, list[tuple[int, float]]] = {}
        begun: dict[str, tuple[int, str]] = {}
        for packet in decoded(content).packet:
            assert packet.trusted_packet_sequence_id == 1
            if packet.HasField("track_descriptor"):
                self.track(packet.track_descriptor)
                continue
            event, at = packet.track_event, packet.timestamp
            name = self.names[event.track_uuid]
            if event.type == proto.TrackEvent.TYPE_SLICE_BEGIN:
                assert name not in begun
                begun[name] = (at, event.name)
            elif event.type == proto.TrackEvent.TYPE_SLICE_END:
                start, state = begun.pop(name)
                self.slices.setdefault(name, []).append((start, at, state))
            else:
                assert event.type == proto.TrackEvent.TYPE_COUNTER
                self.counters.setdefault(name, []).append((at, event.double_counter_value))
        assert not begun

    def track(self, descriptor: Any) -> None:
        own = descriptor.name or descriptor.process.process_name
        above = self.names.get(descriptor.parent_uuid)
        self.names[descriptor.uuid] = own if above is None else f"{above}/{own}"


def written(name: str, slices: int, **params: int) -> tuple[Profile, Read]:
    program = rdflow.load(name, **params)
    execution = program.execution()
    execution.advance()
    return profile(execution), Read(trace(timeline(execution, slices), program.name, program.machine.name))


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**32, 2**63 - 1])
def test_varints_are_read_back(number: int) -> None:
    content = message([(8, number)])
    assert content == b"\x40" + varint(number)
    packet = proto.TracePacket()
    packet.ParseFromString(content)
    assert packet.timestamp == number


def test_slices_with_notes_and_counters_are_read_back() -> None:
    made = Trace()
    root = made.process("process")
    made.slice(made.track("unit", root), 5, 9, "busy", {"share": 0.5, "why": "so"})
    made.counter(made.track("queue", root, "tokens"), 7, 2.5)
    packets = decoded(made.bytes()).packet
    begin = packets[2].track_event
    assert [(n.name, n.double_value, n.string_value) for n in begin.debug_annotations] == [
        ("share", 0.5, ""), ("why", 0.0, "so"),
    ]  # fmt: skip
    assert packets[4].track_descriptor.counter.unit_name == "tokens"
    read = Read(made.bytes())
    assert read.slices == {"process/unit": [(5, 9, "busy")]} and read.counters == {"process/queue": [(7, 2.5)]}


def test_parts_of_a_unit_last_as_long_as_the_profile_says() -> None:
    whole, read = written("attention", 60, S=256)
    (kernel,) = whole.kernels
    for unit in kernel.units:
        (track,) = [n for n in read.slices if n.endswith(f"/attention/{unit.name} ({unit.kind})")]
        lasted: Counter[str] = Counter()
        for start, end, state in read.slices[track]:
            assert start < end
            lasted[state] += end - start
        assert lasted == {state: getattr(unit, state) for state in STATES if getattr(unit, state)}


def test_parts_of_a_track_leave_no_gap_and_do_not_overlap() -> None:
    whole, read = written("monarch_fft_unfused", 100)
    for name, slices in read.slices.items():
        if not name.endswith("/launches"):
            assert all(a[1] == b[0] for a, b in pairwise(slices)), name
    (launches,) = [s for n, s in read.slices.items() if n.endswith("/launches")]
    assert [name for _, _, name in launches] == ["gemm0", "mul", "transpose", "gemm1"]
    assert launches[-1][1] == whole.cycles


def test_bandwidths_add_up_to_the_bytes() -> None:
    whole, read = written("hello", 25, N=65536)
    clock = float(rdflow.load("hello").machine.socket.clock)
    for way, size in (("read", whole.tiers["hbm"].read), ("written", whole.tiers["hbm"].written)):
        (points,) = [p for n, p in read.counters.items() if n.endswith(f"/memory/hbm {way}")]
        moved = sum(rate * 1e9 * (b - a) / clock for (a, rate), (b, _) in pairwise(points))
        assert moved == pytest.approx(size)


def test_queues_have_counters() -> None:
    _, read = written("attention", 20, S=128)
    found = [n for n in read.counters if "/queues/s to sb (room " in n]
    assert len(found) == 1 and len(read.counters[found[0]]) >= 20


def test_the_command_writes_a_trace_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "hello.pftrace"
    arguments = ["profile", "hello", "--set", "N=4096", "--quiet", "--trace-slices", "10", "--trace"]
    result = CliRunner().invoke(app, [*arguments, str(target)])
    assert (result.exit_code, result.output) == (0, "")
    assert any(n.startswith("hello on sn40l (1 ns is 1 cycle at 1.2 GHz)") for n in Read(target.read_bytes()).slices)
    assert [p.name for p in tmp_path.iterdir()] == ["hello.pftrace"]
    refused = CliRunner().invoke(app, [*arguments, str(tmp_path / "no" / "folder.pftrace")])
    assert refused.exit_code == 1 and "RDF306" in refused.output


def test_estimated_launches_say_so_and_have_no_units() -> None:
    execution = ended(estimated())
    found = profile(execution)
    read = Read(trace(timeline(execution, 40), "between", "sn40l", found.agenda.timetable.entries))
    launches = next(slices for name, slices in read.slices.items() if name.endswith("/launches"))
    assert [name for *_, name in launches] == [
        f"{l.call.spec.kernel}{', estimated' * l.modelled}" for l in execution.launched
    ]
    assert {name.split("/")[1] for name in read.names.values() if "(pcu" in name} == {"total"}
    executed = [
        name for _, _, name in next(s for n, s in read.slices.items() if n.endswith("/chip")) if "execute" in name
    ]
    assert [name.endswith("execute, estimated") for name in executed] == [l.modelled for l in execution.launched]
