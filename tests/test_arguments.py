"""Arguments of launches are numbers in registers: a launch is, to the cycle and the bit, the kernel with them written in."""

from dataclasses import fields, replace

import numpy as np
import pytest

import rdflow
from rdflow.dsl.arguments import Argument, Needed, combined, linear_parts, parameter
from rdflow.dsl.coalesce import coalesce
from rdflow.dsl.evaluate import evaluate
from rdflow.dsl.launched import launched_netlist
from rdflow.dsl.launches import calls
from rdflow.dsl.report import Reporter
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.image import advance, build, counters, memory_words
from rdflow.interpreter.launched import Counted

STEP = """
param POS = 0, SCALE = 0.5
axis u = 256, d = 64, v = 256
tensor X: bf16[v, d] in hbm input
tensor C: bf16[u, d] in hbm
tensor Y: f32[d], Z: f32[d], S: bf16[v, d] in hbm output
kernel step(pos: int32, scale: f32) {
    x  = load X(v = pos)  as [d/L | d%L]
    store x -> C(u = pos)
    cn = pmu load C       as [; u/8 < pos + 1, u%8, d/L | d%L]
    y  = pcu sum(u) where(u <= pos, cn * scale, 0) / (scale + 1) as f32 [d/L | d%L]
    store y -> Y
    ct = pmu load C       as [; d, u/L @2 < 256 - pos | u%L]
    z  = pcu sum(u) ct * (pos - 7) as f32 [d]
    zb = pmu z            as [; d/L | d%L]
    store zb -> Z
    xs = pmu load X       as [; v, d/L | d%L]
    xt = pmu xs(v = v - pos) as [; v, d/L | d%L]
    a  = carry b from scale over v as f32 [v, d/L | d%L]
    b  = pcu a * 0.5 + xt as f32 [v, d/L | d%L]
    s  = pcu b as bf16
    store s -> S
}
schedule { launch step(POS, SCALE) }
"""
WRITTEN = (
    STEP.replace("step(pos: int32, scale: f32)", "step")
    .replace("pos", "POS")
    .replace("scale", "SCALE")
    .replace("step(POS, SCALE)", "step")
)
LATEST = """
param E = 64
axis n = 2, g = 2, r = 2, e = E, u = 256
tensor Q: bf16[n, g, r, e] in hbm input
tensor KC: bf16[n, g, u, e], VC: bf16[n, g, u, e] in hbm input
tensor Y: bf16[n, g, r, e] in hbm output
use std.cache
kernel attend(pos: int32) {
    q = load Q as [n, g, r, e/L | e%L]
    y = cached_attention(q, KC, VC, pos, P = 2)
    store y -> Y
}
param POS = 3
schedule { launch attend(POS) }
"""
ATTEND = LATEST.replace("attend(pos: int32)", "attend").replace("pos", "POS").replace("attend(POS)", "attend")


def compiled(text, **params):
    program = rdflow.loads(text, "test.rdf", **params)
    execution = Execution(program.checked, program.machine, None)
    (call,) = calls(program.checked.program, Reporter())
    return program, execution.compile(call.spec), call


def random(program):
    """Values for all tensors, those that a launch starts from too."""
    rng = np.random.default_rng(7)
    tensors = program.checked.program.tensors
    return {n: rng.integers(-8, 8, t.shape).astype(np.float32) / 8 for n, t in tensors.items()}


def counted(image):
    found = counters(image)
    return {f.name: getattr(found, f.name).tolist() for f in fields(found)} | {"cycles": image.cycles}


def ports(actor):
    """Its ports; a mask that a number makes superfluous takes temporaries, so these are numbered otherwise."""
    return [replace(port, source=min(port.source, 0)) for port in actor.inputs + actor.outputs]


@pytest.mark.parametrize("pos", [0, 1, 15, 31, 40, 255])
@pytest.mark.parametrize("text, written", [(STEP, WRITTEN), (LATEST, ATTEND)])
def test_a_launch_is_the_kernel_with_its_numbers_written_in(text, written, pos):
    program, registers, call = compiled(text, POS=pos)
    _, constant, _ = compiled(written, POS=pos)
    assert call.spec.constants == () and call.numbers["pos"] == pos
    same = replace(registers.mapped, netlist=constant.netlist)  # places are those of the full lengths
    arrays = {i: random(program)[use.name].astype(np.float32) for i, use in enumerate(registers.netlist.tensors)}
    for values in (None, arrays):
        images = build(registers.mapped, values, scalars=call.numbers), build(same, values)
        for image in images:
            advance(image)
        assert counted(images[0]) == counted(images[1])
        if values is not None:
            for memory in range(len(constant.netlist.memories)):
                assert np.array_equal(*(memory_words(image, memory).view(np.int32) for image in images))
    plain = build(registers.mapped, scalars=call.numbers)
    advance(plain, forward=False)
    assert counted(plain) == counted(images[0])
    if pos == 0:
        return  # a shift by 0 is no shift where it is written: loops that it keeps apart are one there
    netlist = coalesce(launched_netlist(registers.netlist, registers.kernel, call.numbers))
    assert [a.loops for a in netlist.actors] == [a.loops for a in constant.netlist.actors]
    assert list(map(ports, netlist.actors)) == list(map(ports, constant.netlist.actors))
    assert [u.flops for u in netlist.units] == [u.flops for u in constant.netlist.units]


def test_all_launches_share_a_mapping_and_give_what_the_evaluator_does():
    text = STEP.replace("launch step(POS, SCALE)", "for i in 0..6 { launch step(50 * i, SCALE * i) }")
    program = rdflow.loads(text, "test.rdf")
    given = random(program)
    execution = program.execution(given)
    execution.advance()
    assert len(execution.launched) == 6 and len(execution.compiled) == 1
    wanted = evaluate(program.checked, given)
    for name in ("C", "Y", "Z", "S"):
        assert np.array_equal(execution.values[name], wanted[name]), name
    assert wanted["Y"].any() and wanted["Z"].any() and wanted["S"].any()


def test_profiles_count_each_launch_with_its_own_numbers():
    text = STEP.replace("launch step(POS, SCALE)", "launch step(3, 1.0) launch step(200, 1.0) launch step(3, 1.0)")
    (kernel,) = rdflow.loads(text, "test.rdf").profile().kernels
    alone = [rdflow.loads(STEP, "test.rdf", POS=pos).profile() for pos in (3, 200)]
    assert kernel.launches == 3
    assert kernel.cycles == 2 * alone[0].cycles + alone[1].cycles
    assert kernel.flops == 2 * alone[0].flops + alone[1].flops
    for line, short, long in zip(kernel.compared, *(p.kernels[0].compared for p in alone), strict=True):
        assert line.measured == 2 * short.measured + long.measured
        assert line.formula + sum(n for _, n in line.causes) == line.measured


BUILT = """
axis n = 64, d = 32
tensor X: bf16[n, d] in hbm input
tensor Y: bf16[n, d] in hbm output
kernel deal(copies: int32, times: int32) {
    x = load X @copies as [n @copies | d]
    y = pcu x * times
    store y @copies -> Y
}
schedule { launch deal(2, 3) launch deal(4, 5) launch deal(2, 7) }
"""


def test_a_number_that_decides_how_a_kernel_is_built_makes_a_kernel_of_its_own():
    program = rdflow.loads(BUILT, "test.rdf")
    assert [spec.constants for spec in program.checked.launches] == [(("copies", 2),), (("copies", 4),)]
    assert all(kernel.scalars == ("times",) for kernel in program.checked.kernels.values())
    assert [k.launches for k in program.profile().kernels] == [2, 1]
    x = np.arange(64 * 32, dtype=np.float32).reshape(64, 32) % 16
    assert np.array_equal(program.run(verify=True, X=x).outputs["Y"], x * 7)


def test_a_bound_beyond_its_axis_is_a_mistake_of_the_launch():
    text = STEP.replace("launch step(POS, SCALE)", "launch step(3, 1.0) launch step(300, 1.0)")
    with pytest.raises(rdflow.CompileError) as error:
        rdflow.loads(text, "test.rdf")
    (found,) = error.value.diagnostics
    assert found.code == "RDF024" and "301" in found.message
    assert text[found.labels[-1].span.start :].startswith("launch step(300")


def test_right_numbers_of_a_launch_build_no_kernel():
    """An answer of a thousand tokens is a thousand launches: a check looks at their numbers alone."""
    numbers = " ".join(f"launch step({position}, 1.0)" for position in range(60))
    checked = rdflow.loads(STEP.replace("launch step(POS, SCALE)", numbers), "test.rdf").checked
    (kernel,) = checked.kernels.values()
    assert len(list(checked.calls(checked.steps.steps))) == 60
    assert kernel.scalars and not kernel.launched


def test_an_expression_without_a_value_is_a_mistake_of_the_launch():
    text = STEP.replace("launch step(POS, SCALE)", "launch step(3, 1.0) launch step(4, 0.0)")
    with pytest.raises(rdflow.CompileError) as error:
        rdflow.loads(text.replace("(scale + 1)", "(1 / scale)"), "test.rdf")
    (found,) = error.value.diagnostics
    assert found.code == "RDF013" and "scale = 0.0" in found.labels[0].text


def test_expressions_over_arguments():
    pos, rate = parameter("pos", "int32"), parameter("rate", "f32")
    numbers = {"pos": 5, "rate": 2}
    shifted = combined("*", (3, combined("-", (combined("+", (pos, 4)), combined("neg", (pos,))))))
    assert isinstance(shifted, Argument) and shifted.kind == "i"
    assert shifted.number(numbers) == 3 * (5 + 4 + 5)
    assert sorted((a.text if a else "", c) for a, c in linear_parts(shifted)) == [("", 12), ("pos", 3), ("pos", 3)]
    half = combined("/", (rate, 4))
    assert isinstance(half, Argument) and half.kind == "f" and half.number(numbers) == 0.5
    assert combined("/", (rate, 4)) == half and half.names == {"rate"}
    assert isinstance(below := combined("<", (pos, rate)), Argument) and below.number(numbers) is False
    for op, operands in (("/", (pos, 2)), ("%", (pos, pos)), ("max", (pos, rate)), ("+", (pos, True))):
        with pytest.raises(Needed) as needed:
            combined(op, operands)
        assert "pos" in needed.value.names


SHARDED = """
axis s = 2, v = 64, d = 32
tensor X: bf16[s @socket, v, d], W: bf16[d] in hbm input
tensor A: f32[v, d] in hbm
tensor Y: f32[d] in hbm output
kernel part(pos: int32, scale: f32) {
    x = load X                 as [s @socket, v < pos + 1 | d]
    p = pcu sum(v) x * scale   as f32 [s @socket | d]
    w = load W                 as [| d]
    y = pcu sum(s) p           as f32 [| d]
    z = pcu y + w
    store z -> Y
    store z -> A(v = pos)
}
schedule { launch part(40, 2.0) launch part(3, 0.5) launch part(63, 1.0) launch part(40, 2.0) }
"""


@pytest.mark.parametrize(
    "text", [SHARDED, STEP.replace("{ launch step(POS, SCALE) }", "{ for i in 0..4 { launch step(70 * i, 1.0) } }")]
)
@pytest.mark.parametrize("threads", [1, 2])
def test_launches_in_the_same_tables_are_what_they_are_in_tables_of_their_own(text, threads):
    program = rdflow.loads(text, "test.rdf")
    given = random(program)
    before = {name: array.copy() for name, array in given.items()}
    execution = program.execution(given)
    execution.threads = threads
    execution.advance()
    wanted = evaluate(program.checked, given)
    for name, array in given.items():
        assert np.array_equal(array, before[name])
        assert np.array_equal(execution.values[name], wanted[name]), name
    assert [name for name in given if execution.values[name] is given[name]] == [n for n in given if n in "XW"]
    for launched in execution.launched:
        numbers = launched.call.numbers
        alone = build(launched.compiled.mapped, tensors(launched), threads, numbers)
        advance(alone)
        found = Counted.of(alone)
        assert launched.counted.cycles == found.cycles
        assert np.array_equal(launched.counted.states, found.states)
        for field in fields(found.counters):
            same = getattr(launched.counted.counters, field.name), getattr(found.counters, field.name)
            assert np.array_equal(*same), field.name


def tensors(launched):
    return {i: np.zeros(use.shape, np.float32) for i, use in enumerate(launched.compiled.netlist.tensors)}


def test_a_launch_whose_tables_another_one_has_can_still_be_looked_at():
    text = STEP.replace("launch step(POS, SCALE)", "launch step(3, 1.0) launch step(200, 1.0) launch step(3, 1.0)")
    execution = rdflow.loads(text, "test.rdf").execution()
    execution.advance()
    first, second, third = execution.launched
    assert third.repeats and not second.repeats and third.end - third.start == first.end
    for launched in (first, third, second):
        assert counters(launched.image).firings.tolist() == launched.counted.counters.firings.tolist()
        assert launched.image.cycles == launched.counted.cycles


def test_a_bound_that_leaves_nothing_still_runs_a_round_of_all_copies() -> None:
    """One load feeds both copies in turns: were it to stop after the first tile, the second copy would wait for ever."""
    text = """
axis n = 2, t = 256, e = 64
tensor Q: bf16[n, e], KC: bf16[n, t, e] in hbm input
tensor Y: f32[n] in hbm output

kernel step(pos: int32) {
    k = pmu load KC      as [n, t/L @2 < 200 - pos; e | t%L]
    q = pmu load Q       as [n; t/(L*2) < 200 - pos, e]
    s = pcu sum(e) k * q as f32 [n, t/L @2 | t%L]
    m = pcu max(t) s     as f32 [n]
    store m -> Y
}

schedule { launch step(POS) }
"""
    for pos in (250, 200, 190, 10):
        result = rdflow.loads(f"param POS = {pos}\n{text}").run(verify=True)
        assert result.verification is not None and result.verification.passed
