"""When things of a schedule happen: exclusive resources, what waits for what, and what launches cost."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rdflow
from rdflow.interpreter.machine import Machine, load_machine
from rdflow.interpreter.timetable import Timetable, overlapping
from rdflow.interpreter.transfer import Transfers

ADD = """axis n = 4096
tensor X: f32[n] in hbm input
tensor A: f32[n] in hbm
tensor B: f32[n] in ddr
tensor C: f32[n] in hbm
tensor Y: f32[n] in hbm output

kernel add(x: f32[n], y: f32[n]) {{
    a = load x as [n/H | n%H]
    b = pcu a + 1
    store b -> y
}}

schedule {{
    {statements}
}}
"""


@pytest.fixture(scope="module")
def machine() -> Machine:
    return load_machine("sn40l")


def entries(statements: str) -> list[tuple[str, str, int, int]]:
    program = rdflow.loads(ADD.format(statements=statements), "add.rdf")
    execution = program.execution()
    execution.advance()
    table = execution.agenda().timetable
    assert not list(overlapping(table.entries))
    return [(e.what, e.part, e.start, e.end) for e in table.entries]


def parts(statements: str) -> list[str]:
    return [part for _, part, _, _ in entries(statements)]


def test_a_boundary_is_program_load_and_argument_load(machine: Machine) -> None:
    (load, arguments, execute) = entries("launch add(X, Y)")
    share = Fraction(1, 2080)
    assert load[1:] == ("program load", 0, machine.cycles(Fraction(8, 10**6) + share * Fraction(16, 10**6)))
    assert arguments[1:] == ("argument load", load[3], load[3] + machine.cycles(Fraction(2, 10**6)))
    assert execute[1] == "execute" and execute[2] == arguments[3]


def test_the_host_takes_a_step_once_and_queues_each_launch() -> None:
    launch = ["queue", "program load", "argument load", "execute"]
    assert parts("launch add(X, A) by software\n launch add(A, Y) by software") == ["host step", *launch, *launch]
    assert parts("launch add(X, A) by hardware\n launch add(A, Y)") == [*launch[1:], *launch[1:]]
    between = "launch add(X, A) by software\n launch add(A, C) by hardware\n launch add(C, Y) by software"
    assert parts(between).count("host step") == 2


def test_a_copy_takes_what_a_kernel_of_two_agcus_takes(machine: Machine) -> None:
    (copy,) = [e for e in entries("copy X -> B\n launch add(X, Y)") if e[1] == "copy"]
    assert copy[3] - copy[2] == Transfers(machine).of(4 * 4096, "hbm", "ddr").cycles


def test_async_copies_overlap_what_does_not_touch_their_data() -> None:
    found = entries("async copy X -> B\n launch add(X, A)\n launch add(A, Y)")
    (copy,) = [e for e in found if e[1] == "copy"]
    loads = [e for e in found if e[1] == "program load"]
    assert loads[0][2] == copy[3]  # it reads X, which the copy touches
    apart = entries("async copy X -> B\n launch add(C, A)\n launch add(A, Y)")
    assert next(e for e in apart if e[1] == "program load")[2] == 0


def test_a_kernel_that_reads_ddr_lets_nothing_be_copied_meanwhile() -> None:
    found = entries("async copy X -> C\n launch add(B, A)")
    (copy,) = [e for e in found if e[1] == "copy"]
    assert next(e for e in found if e[1] == "program load")[2] == copy[3]


def test_waiting_for_a_time() -> None:
    found = entries("wait 0.001\n launch add(X, Y)\n wait 0.0005")
    assert found[0] == ("wait 0.001 s", "wait", 0, 1_200_000) and found[1][2] == 1_200_000
    assert [e[1] for e in found].count("wait") == 1


def test_long_copies_run_at_the_rate_of_ddr(machine: Machine) -> None:
    found = Transfers(machine).of(2**28, "ddr", "hbm")
    assert found.read == found.written == 2**28
    assert found.written / found.cycles * machine.socket.clock == pytest.approx(125e9, rel=0.01)


@pytest.mark.parametrize("size", [1, 64, 65, 4096, 64 * 4 * 1009, 10**7])
def test_copies_read_what_they_write(machine: Machine, size: int) -> None:
    for ends in (("ddr", "hbm"), ("hbm", "ddr"), ("hbm", "hbm")):
        found = Transfers(machine).of(size, *ends)
        assert size <= found.read == found.written == -(-size // 1024) * 1024


statements = st.one_of(
    st.tuples(st.just("launch"), st.sampled_from(["software", "hardware", None]), st.sets(st.sampled_from("abcd")),
              st.integers(0, 2080), st.integers(1, 10**6), st.booleans(), st.booleans()),
    st.tuples(st.just("copy"), st.sets(st.sampled_from("abcd")), st.integers(0, 10**6), st.booleans()),
    st.tuples(st.just("read"), st.sets(st.sampled_from("abcd"), min_size=1)),
    st.tuples(st.just("wait"), st.integers(0, 10**7)),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(statements, max_size=30))
def test_resources_do_one_thing_at_a_time(drawn: list[tuple[object, ...]]) -> None:
    table = Timetable(load_machine("sn40l"))
    ends: dict[str, int] = {}
    for statement in drawn:
        match statement:
            case ("launch", by, data, units, cycles, overlaps, path):
                table.launch("l", by, data, units, cycles, lambda c=cycles: c * 2, overlaps, path)  # type: ignore
                done = table.entries[-1].end
                assert table.entries[-1].start >= max((ends.get(name, 0) for name in data), default=0)  # type: ignore
                ends.update(dict.fromkeys(data, done))  # type: ignore[call-overload]
            case ("copy", data, cycles, overlaps):
                table.copy("c", data, cycles, overlaps)  # type: ignore[arg-type]
                if cycles:
                    assert table.entries[-1].start >= max((ends.get(name, 0) for name in data), default=0)  # type: ignore
                    ends.update(dict.fromkeys(data, table.entries[-1].end))  # type: ignore[call-overload]
            case ("read", data):
                table.read("r", data)  # type: ignore[arg-type]
            case ("wait", until):
                table.wait("w", until)  # type: ignore[arg-type]
    assert not list(overlapping(table.entries))
    assert table.end >= max((e.end for e in table.entries), default=0)
