"""The session behind the REPL: entries, what is answered, what is refused, execution step by step, causes of waits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rdflow.api import find, loads
from rdflow.dsl.render import render
from rdflow.interpreter.waiting import waiting
from rdflow.interpreter.why import main_actors, why
from rdflow.session import Reply, Session
from rdflow.session_state import statements

HEAD = """\
param S = 64, D = 32
axis q = S, k = S, d = D
tensor Q: bf16[q, d], K: bf16[k, d], V: bf16[k, d] in hbm input
tensor O: bf16[q, d] in hbm output
qt = pmu load Q as [q/L; k/ST, d | q%L]
kt = pmu load K as [; q/L, k/ST, d | k%ST]
vt = pmu load V as [; q/L, d/ST, k | d%ST]
s = pcu sum(d) qt * kt / sqrt(D) as f32
m = pcu max(k) s"""
TAIL = """\
sb = pmu s as [q/L; k | q%L]
p = pcu exp(sb - m) as bf16
l = pcu sum(k) p as f32
pb = pmu p as [q/L; d/ST, k | q%L]
o = pcu sum(k) pb * vt as f32
y = pcu o / l as bf16
yt = pmu y as [q/L; q%L, d/L | d%L]
store yt -> O"""
ATTENTION = f"{HEAD}\n{TAIL}"


def told(reply: Reply) -> str:
    """What a reply says, all of it as text."""
    drawn = [render(d, reply.source) for d in reply.diagnostics if reply.source is not None]
    return "\n".join([reply.text, *drawn, reply.mistake or ""])


def typed(text: str, session: Session | None = None) -> Session:
    """A session into which a text was typed, without a mistake."""
    session = session or Session()
    for entry in statements(text):
        reply = session.enter(entry)
        assert not reply.failed, told(reply)
    return session


# -- entries -----------------------------------------------------------------------------------------------------------


def test_a_unit_answers_with_its_order_its_cost_and_its_rate() -> None:
    session = typed(HEAD)
    answer = "sb: f32 [q/L; k | q%L]   depth 2   1 PMU, 16 KiB; 128 firings, one a cycle"
    assert session.enter("sb = pmu s as [q/L; k | q%L]").text == answer
    answer = "p: bf16 [q/L, k | q%L]   1 PCU; 128 firings, one in 2 cycles"
    assert session.enter("p = pcu exp(sb - m) as bf16").text == answer


@pytest.mark.parametrize(
    ("entry", "answer"),
    [
        ("param S = 256", "param S = 256"),
        ("axis q = 1024", "axis q = 1,024"),
        ("axis a = 4, b = 8", "axis a = 4\naxis b = 8"),
        ("layer twice(x: [n/L | n%L]) {\n  y = pcu x * 2\n  return y\n}", "layer twice(x)"),
        ("# a comment", ""),
        ("", ""),
    ],
)
def test_declarations_answer_briefly(entry: str, answer: str) -> None:
    reply = Session().enter(entry)
    assert not reply.failed, told(reply)
    assert reply.text.startswith(answer)


def test_systolic_units_and_copies_are_told() -> None:
    lines = HEAD.split("\n")
    assert "1 PCU, systolic; " in typed("\n".join(lines[:-2])).enter(lines[-2]).text
    session = typed("axis n = 1024\ntensor X: bf16[n] in hbm input\nx = load X @4 as [n/L @4 | n%L]")
    assert "4 x 1 PCU" in session.enter("y = pcu x * 2").text


def test_the_session_is_a_program_as_from_a_file() -> None:
    session = typed(ATTENTION)
    assert not loads(session.text).checked.errors
    assert session.text == typed(session.text, Session()).text


def test_a_mistake_leaves_the_session_as_it_was() -> None:
    session = typed(HEAD)
    before = session.state
    reply = session.enter("p = pcu exp(s - mm) as bf16")
    assert reply.failed
    assert session.state is before
    assert not session.enter("sb = pmu s as [q/L; k | q%L]").failed


def test_a_mistake_is_shown_in_the_line_that_was_typed_and_at_its_other_end() -> None:
    reply = typed(HEAD.replace("s = pcu sum(d) qt * kt / sqrt(D) as f32\nm = pcu max(k) s", "")).enter(
        "s = pcu sum(d) qt * kt as f32 [k, q/L | q%L]"
    )
    drawn = told(reply)
    assert "s = pcu sum(d) qt * kt as f32 [k, q/L | q%L]" in drawn
    assert "qt = pmu load Q as [q/L; k/ST, d | q%L]" in drawn
    assert "write `as [q/L, k | q%L]`" in drawn


def test_a_line_without_a_verb_is_cured_as_in_a_kernel() -> None:
    reply = typed("axis n = 64\ntensor X: f32[n] in hbm input\nx = load X").enter("y = x * 2")
    assert "write `y = pcu x * 2`" in told(reply)
    label = reply.diagnostics[0].labels[0]
    assert reply.source is not None
    assert reply.source.text[label.span.start : label.span.end] == "x * 2"


def test_a_deadlock_is_refused_and_its_cure_holds() -> None:
    session = typed(HEAD)
    reply = session.enter("p = pcu exp(s - m) as bf16")
    assert [d.code for d in reply.diagnostics] == ["RDF050"]
    assert reply.diagnostics[0].help is not None
    cure = reply.diagnostics[0].help.split("`")[1]
    assert not session.enter(cure).failed
    assert not session.enter("p = pcu exp(sb - m) as bf16").failed


def test_nothing_is_said_of_streams_that_nobody_reads_yet() -> None:
    session = typed(ATTENTION)
    assert not any("nothing reads" in d.message for d in session.examined.checked.diagnostics)


def test_a_carry_waits_for_its_feedback() -> None:
    session = typed("axis t = 8, n = 32\ntensor X: f32[t, n] in hbm input\nx = load X as [t, n/H | n%H]")
    reply = session.enter("a = carry b from 0 over t as f32 [t, n/H | n%H]")
    assert not reply.failed, told(reply)
    assert "waits for its feedback `b`" in reply.text
    assert "define it first" in told(session.enter(":run"))
    assert not session.enter("b = pcu a + x").failed
    assert session.examined.pending == ()


def test_a_line_that_begins_with_as_adds_to_the_last() -> None:
    session = typed("axis n = 64\ntensor X: f32[n] in hbm input\nx = load X")
    assert "[n/L | n%L]" in session.enter("as [n/L | n%L]").text
    assert len(session.state.entries) == 3


def test_units_go_to_the_last_kernel() -> None:
    session = typed("axis n = 64\ntensor X: f32[n] in hbm input\nkernel one {\n  x = load X as [n/H | n%H]\n}")
    assert not session.enter("y = pcu x * 2").failed
    assert session.text.count("kernel") == 1
    assert "y = pcu x * 2" in session.text


def test_undo_goes_back_one_by_one() -> None:
    session = typed("axis n = 64\ntensor X: f32[n] in hbm input")
    texts = [session.text]
    for entry in ("x = load X as [n/H | n%H]", "y = pcu x * 2"):
        typed(entry, session)
        texts.append(session.text)
    for text in reversed(texts[:-1]):
        assert session.enter(":undo").text.startswith("undone: ")
        assert session.text == text


def test_replace_defines_anew_in_place() -> None:
    session = typed(
        "axis n = 64\ntensor X: f32[n] in hbm input\nx = load X as [n/H | n%H]\ny = pcu x * 2\nz = pcu y + 1"
    )
    again = session.enter("y = pcu x * 3")
    assert ":replace y = pcu x * 3" in told(again)
    assert not session.enter(":replace y = pcu x * 3").failed
    assert "y = pcu x * 3" in session.text
    assert "y = pcu x * 2" not in session.text


# -- commands ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (":frobnicate", "`:help` lists them"),
        (":pekk s", "did you mean `:peek`?"),
        (":run fast", "`:run verify`"),
        (":set T=4", "there is no param `T`"),
        (":set S", ":set NAME=VALUE"),
        (":set S=bf16", "give a number"),
        (":values P", "there is no tensor `P`"),
        (":load nowhere", "there is no program `nowhere`"),
        (":machine sn40", "sn40"),
        (":machine hbm.bandwith=1TB/s", "bandwidth"),
        (":save", "where to?"),
        (":save /nowhere/at/all.rdf", "cannot write"),
        (":step many", "is not a number of cycles"),
        (":step 0", "is not a number of cycles"),
        (":back 3", "nothing has run yet"),
        (":help frob", "there is no command"),
        (":replace nobody = pcu s", "of which the program has one"),
        (":undo now", "takes nothing behind it"),
    ],
)
def test_a_command_that_cannot_be_done_says_how_it_can(line: str, says: str) -> None:
    session = typed(HEAD)
    before = session.state
    reply = session.enter(line)
    assert reply.failed
    assert says in told(reply)
    assert session.state.entries == before.entries
    assert session.state.settings == before.settings


def test_commands_that_need_something_to_run_say_so() -> None:
    for line in (":run", ":profile", ":step 10", ":units", ":peek s", ":why s"):
        assert "nothing to run" in told(Session().enter(line)), line


def test_every_command_has_help() -> None:
    session = Session()
    listed = session.enter(":help").text
    from rdflow.commands import COMMANDS

    for name in COMMANDS:
        assert f":{name}" in listed
        assert session.enter(f":help {name}").text.startswith(f":{name}")


def test_set_and_machine_change_the_program_and_can_be_undone() -> None:
    session = typed(HEAD)
    assert session.enter(":set S=128").text == "S = 128"
    assert session.examined.checked.program.axes["q"].length == 128
    assert "900 GB/s" in session.enter(":machine hbm.bandwidth=900GB/s").text
    session.enter(":undo")
    session.enter(":undo")
    assert session.examined.checked.program.axes["q"].length == 64
    assert "900 GB/s" not in session.enter(":machine").text


def test_a_setting_waits_for_its_param() -> None:
    session = Session({"S": 128})
    assert session.enter("param S = 64").text == "param S = 128 (as set)"


def test_save_and_load(tmp_path: Path) -> None:
    path = tmp_path / "saved.rdf"
    session = typed(ATTENTION)
    assert not session.enter(f":save {path}").failed
    assert path.read_text() == session.text
    other = Session()
    assert "kernel main" in other.enter(f":load {path}").text
    assert other.text == session.text


def test_load_of_a_wrong_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "wrong.rdf"
    path.write_text("axis n = 64\nkernel k {\n    x = load X\n}\n")
    session = typed("axis n = 32")
    reply = session.enter(f":load {path}")
    assert reply.failed
    assert f"{path}:3:" in told(reply)
    assert session.text == "axis n = 32\n"


def test_completion_knows_commands_names_and_words() -> None:
    from rdflow.completion import candidates

    session = typed(HEAD)
    assert [w for w, _, _ in candidates(session, ":pe")] == ["peek"]
    assert "kt" in [w for w, _, _ in candidates(session, ":peek k")]
    assert "softmax" in [w for w, _, _ in candidates(session, ":load so")]
    assert ("pcu", "unit", -2) in list(candidates(session, "x = pc"))
    assert "qt" in [w for w, _, _ in candidates(session, "x = pcu q")]


# -- execution ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attention() -> str:
    return ATTENTION


def test_steps_come_to_the_same_as_a_run(attention: str) -> None:
    session = typed(attention)
    while session.execution is None or not session.execution.finished:
        assert not session.enter(":step 700").failed
    stepped = session.execution
    assert stepped.values is not None
    reply = session.enter(":run verify")
    assert "verified" in reply.text
    assert session.execution is not None and session.execution.values is not None
    assert session.execution.time == stepped.time
    assert np.array_equal(session.execution.values["O"], stepped.values["O"])
    assert "has ended" in told(session.enter(":step"))


def test_a_partial_kernel_runs() -> None:
    session = typed(HEAD)
    assert "nothing is stored" in session.enter(":run").text


def test_back_comes_to_where_it_was(attention: str) -> None:
    session = typed(attention)
    session.enter(":until 900")
    before = session.enter(":peek s").text
    session.enter(":step 123")
    assert session.enter(":back 123").text.startswith("cycle 900")
    assert session.enter(":peek s").text == before


def test_until_finds_the_first_cycle(attention: str) -> None:
    session = typed(attention)
    session.enter(":until m fires 20")
    assert session.execution is not None
    found = session.execution.time
    from rdflow.looking import fired, unit_number

    def count() -> int:
        assert session.execution is not None and session.execution.current is not None
        number = unit_number(session.execution.current, "m")
        assert number is not None
        return fired(session.execution.current, number)

    assert count() == 20
    session.enter(":back 1")
    assert session.execution.time == found - 1
    assert count() == 19


def test_until_a_queue_is_full(attention: str) -> None:
    session = typed(attention)
    session.enter(":until qt full")
    assert "full" in session.enter(":peek qt").text
    session.enter(":back 1")
    assert ", full)" not in session.enter(":peek qt").text.split("scratchpad")[1]


def test_until_says_when_it_ends_before(attention: str) -> None:
    assert "it ended before `m` fired 100000 times" in typed(attention).enter(":until m fires 100000").text


def test_a_watched_stream_is_shown_after_every_step(attention: str) -> None:
    session = typed(attention)
    session.enter(":watch m")
    assert "`m` to `p`" in session.enter(":step 10").text
    session.enter(":watch m")
    assert "`m` to `p`" not in session.enter(":step 10").text


def test_values_show_what_is_stored_so_far(attention: str) -> None:
    session = typed(attention)
    session.enter(":until store.yt finishes")
    shown = session.enter(":values O").text
    session.enter(":until end")
    assert session.enter(":values O").text == shown


def test_a_stop_leaves_a_definite_cycle(attention: str) -> None:
    session = typed(attention)
    session.enter(":step 100")
    session.stopping = lambda: True
    assert session.enter(":step 100").text.startswith("interrupted at cycle 100")
    session.stopping = lambda: False
    assert session.enter(":step 100").text.startswith("cycle 200")


def test_causes_are_those_of_the_image(attention: str) -> None:
    """Every step of every answer is what the image says its actor waits for, and the last one ends the chain."""
    session = typed(attention)
    for cycle in (0, 300, 700, 1000, 1500, 2500):
        if cycle:
            session.enter(f":until {cycle}")
        session.started()
        assert session.execution is not None and session.execution.current is not None
        image = session.execution.current.image
        for unit in range(len(image.mapped.netlist.units)):
            found = why(image, unit)
            actor = found.steps[0].actor if found.steps else found.actor
            assert actor in main_actors(image, unit)
            for step in found.steps:
                side, queue, _ = waiting(image, step.actor)
                assert (step.side, step.queue) == (side, queue)
                assert step.actor == actor
                actor = step.other
            last = waiting(
                image, found.actor if found.cause in ("fires", "busy", "finished") else found.steps[-1].actor
            )
            match found.cause:
                case "finished":
                    assert last[0] == "done"
                case "fires":
                    assert last[2] is not None and last[2] <= image.time
                case "busy":
                    assert last[0] == "interval" and last[2] == found.until
                case "memory":
                    assert last[1] is not None and image.mapped.netlist.queues[last[1]].server == "memory"
                case "link":
                    assert last[2] == found.until
                case "loop":
                    raise AssertionError("nothing here waits in a loop")


def test_the_answer_names_whom_a_unit_waits_for(attention: str) -> None:
    session = typed(attention)
    session.enter(":until m fires 30")
    said = session.enter(":why p").text
    assert said.startswith("`p` waits for `m`, which gives a token after 64 firings and has made ")
    assert "is the cause" in said


def test_shipped_programs_load_and_step() -> None:
    for name in ("hello", "softmax"):
        session = Session()
        assert not session.load(find(name)).failed
        assert not session.enter(":step 50").failed
        assert not session.enter(":units").failed


# -- routes ------------------------------------------------------------------------------------------------------------

ROUTED = """\
axis t = 64, e = 4, c = 64
axis n = 64 ragged
tensor X: bf16[t, c] in hbm input
tensor I: int32[t] in hbm input
tensor Y: bf16[t, c] in hbm output
x = load X as [t, c/L | c%L]
i = load I as [t]
s, m = split x by i as [; e, n, c/L | c%L]
h = pcu 2 * s
y = merge h by i as [; t, c/L | c%L]
store y -> Y"""


def test_a_split_and_a_merge_say_whom_they_wait_for() -> None:
    session = typed(ROUTED)
    session.enter(":step 50")
    assert "how many tokens the next expert of `s` has is not known yet" in session.enter(":why s").text
    said = session.enter(":why y").text
    assert "what `y` gives back next is not written yet" in said and "`y` waits for `m` from `s`" in said
    assert "the selectors of what `s` takes in have not come" in said and "`i` waits for HBM" in said
    assert "0 of 26 tokens" in session.enter(":peek m").text
    assert session.enter(":run").text.count("cycles")
