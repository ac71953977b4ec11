"""How calls of layers are matched: axes, dtypes, `..`, copies, defaults, and what a library file keeps to itself."""

from __future__ import annotations

import numpy as np
import pytest

from rdflow import api
from rdflow.dsl.check import Checked, check
from rdflow.dsl.checked import streams_of
from rdflow.dsl.evaluate import evaluate
from rdflow.dsl.source import Source
from rdflow.layers import find, first_sentence, layers

HEADER = """
use std.linear
use std.softmax
use std.attention
axis t = 64, k = 32, n = 16, g = 2, r = 2, e = 16, u = 64
tensor X: bf16[t, k], W: bf16[n, k], Q: bf16[t, g, r, e], F: f32[t, k] in hbm input
tensor Y: bf16[t, n], S: f32[t] in hbm output
"""


def checked(lines: str, layer: str = "") -> Checked:
    body = "".join(f"    {line.strip()}\n" for line in lines.strip().split("\n"))
    return check(Source("test.rdf", f"{HEADER}{layer}\nkernel k0 {{\n{body}}}\n"), {}, api.library)


def errors(lines: str, layer: str = "") -> list[tuple[str, str]]:
    return [(d.code, d.message) for d in checked(lines, layer).errors]


# -- slices of tensors -------------------------------------------------------------------------------------------------

SLICES = """
use std.linear
use std.norm
axis l = 3, m = 2, t = 40, c = 48, n = 32
tensor X: f32[t, c], G: f32[l, c], W: f32[l, n, m, c] in hbm input
tensor Y: f32[t, n] in hbm output

layer product(x: E[.., c | t], w: tensor[n, m, c], at = 0) {
    y = linear(x, w(m = at))
    return y
}

kernel sliced(at: int32) {
    x = pmu load X as [t/L; c | t%L]
    n = rmsnorm(x, G(l = at), eps = 0)
    y = product(n, W(l = 2), at = 1)
    z = pmu y as [t/L; t%L, n]
    store z -> Y
}

schedule { launch sliced(AT) }
"""


@pytest.mark.parametrize("at", [0, 2])
def test_a_layer_given_slices_computes_with_them(at: int) -> None:
    """By a number, by an argument of the kernel, and by a slice of what is a slice already; cycle by cycle."""
    program = api.loads(SLICES.replace("AT", str(at)))
    random = np.random.default_rng(1)
    x, g, w = (random.standard_normal(program.checked.program.tensors[n].shape).astype(np.float32) for n in "XGW")
    run = program.run(verify=True, X=x, G=g, W=w)
    assert run.verification is not None and run.verification.passed
    normed = x / np.sqrt((x * x).mean(axis=1, keepdims=True)) * g[at]
    np.testing.assert_allclose(run.outputs["Y"], normed @ w[2, :, 1].T, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    ("slice_", "code"),
    [
        ("W(k = n)", "RDF070"),
        ("W(n = x)", "RDF070"),
        ("W(j = 0)", "RDF010"),
        ("W(n = 16)", "RDF036"),
        ("W(n = 0)", "RDF070"),
    ],
)
def test_what_is_no_slice_that_the_layer_takes_is_told(slice_: str, code: str) -> None:
    lines = f"x = pmu load X as [t/L; k | t%L]\ny = linear(x, {slice_})\nz = pmu y as [; t, n]\nstore z -> Y"
    assert [c for c, _ in errors(lines)] == [code]


def test_a_stack_of_weights_for_a_stream_without_that_loop_is_told_with_a_slice() -> None:
    lines = "x = pmu load X as [t/L; k | t%L]\ny = linear(x, S)\nz = pmu y as [; t, n]\nstore z -> Y"
    header = HEADER.replace(
        "tensor Y: bf16[t, n], S: f32[t]", "tensor S: bf16[g, n, k] in hbm input\ntensor Y: bf16[t, n]"
    )
    body = "".join(f"    {line}\n" for line in lines.split("\n"))
    (told,) = check(Source("test.rdf", f"{header}\nkernel k0 {{\n{body}}}\n"), {}, api.library).errors
    assert (told.code, told.help) == ("RDF070", "`S` has `g`, and `x` has not: give a slice, `S(g = 0)`")
    sliced = check(
        Source("test.rdf", f"{header}\nkernel k0 {{\n{body.replace('S)', 'S(g = 0))')}}}\n"), {}, api.library
    )
    assert sliced.errors == []


# -- axes and copies ---------------------------------------------------------------------------------------------------


def test_an_axis_that_is_half_in_copies_is_found_whole() -> None:
    """n = 16 as 2 copies of 8 in time: a layer that has never heard of n still reduces all of it."""
    found = checked(
        """
        x = pmu load X as [t/L; k | t%L]
        y = linear(x, W, P = 2, O = f32)
        s = softmax(y, O = bf16)
        z = pmu s as [t/L; t%L, n]
        l = pcu sum(n) z as f32
        store l -> S
        store z -> Y
        """
    )
    assert [d.message for d in found.errors] == []
    random = np.random.default_rng(0)
    values = {name: random.standard_normal(found.program.tensors[name].shape).astype(np.float32) for name in "XWQF"}
    np.testing.assert_allclose(evaluate(found, values)["S"], 1, atol=0.02)


@pytest.mark.parametrize("length", [1, 7, 32, 33])
def test_few_tokens_have_no_loop_and_match_all_the_same(length: int) -> None:
    text = find("linear").example.replace("t = 64", f"t = {length}")
    assert check(Source("few.rdf", text), {}, api.library).diagnostics == []


def test_a_stream_in_another_order_is_told_with_both_orders() -> None:
    found = checked("x = load X as [t, k/L | k%L]\ny = linear(x, W)\nz = pmu y as [; t, n]\nstore z -> Y")
    (told,) = found.errors
    assert (told.code, told.message) == ("RDF070", "`x` does not travel as this layer expects")
    assert told.labels[0].text == "[t | k] is given"
    assert told.notes[0].startswith("the layer takes `[l, .., k | t]`")


def test_copies_that_no_place_names_are_told() -> None:
    layer = "layer all(a: [c | t]) {\n    y = pcu sum(c) a as f32\n    return y\n}\n"
    assert errors("x = pmu load X as [t/L @2; k | t%L]\ny = all(x)\nstore y -> S", layer)[0][0] == "RDF070"


def test_others_are_the_same_in_all_parameters() -> None:
    layer = "layer both(a: [.., c | t], b: [.., c | t]) {\n    y = pcu a + b\n    return y\n}\n"
    lines = "x = pmu load X as [t/L; k | t%L]\nq = pmu load Q(t = 0, g = 0) as [; r, e]\ny = both(x, q)\nstore y -> Y"
    assert errors(lines, layer)[0][0] == "RDF070"


def test_heads_of_one_kind_have_an_axis_of_one() -> None:
    """[t/L, e | t%L] as keys: g is the axis without digits, not e."""
    for axes in ("g = 1, r = 3", "g = 3, r = 1", "g = 1, r = 1"):
        text = find("causal_attention").example.replace("g = 2, r = 2", axes)
        assert check(Source("heads.rdf", text), {}, api.library).diagnostics == []


# -- dtypes, axes and defaults -----------------------------------------------------------------------------------------


def test_a_dtype_variable_is_one_dtype() -> None:
    layer = "layer both(a: E[.. | l], b: E[.. | l]) {\n    y = pcu a + b as E\n    return y\n}\n"
    lines = "x = load X as [t | k]\nf = load F as [t | k]\ny = both({})\ns = pcu sum(k) y as f32\nstore s -> S"
    assert errors(lines.format("x, x"), layer) == []
    assert errors(lines.format("x, f"), layer) == [("RDF070", "bf16 is expected")]


def test_a_dtype_may_be_demanded() -> None:
    layer = "layer only(a: f32[.. | l]) {\n    y = pcu 2 * a\n    return y\n}\n"
    lines = "x = load X as [t | k]\ny = only(x)\ns = pcu sum(k) y as f32\nstore s -> S"
    assert errors(lines, layer) == [("RDF070", "f32 is expected")]


def test_an_axis_is_given_by_name() -> None:
    lines = "x = load Q as [t, g, r | e]\nk = pmu load Q(r = 0) as [t/L; g, e | t%L]\nq = pmu x as [t/L; g, r, e | t%L]\ns = scores(q, k, {})\nm = pcu max(u, r, g) s\nstore m -> S"
    assert errors(lines.format("u")) == []
    assert errors(lines.format("w")) == [("RDF010", "there is no axis `w`")]


def test_a_default_may_use_what_the_arguments_bind() -> None:
    layer = "layer mean(a: [.., c | t], f = 1/len(c)) {\n    y = pcu sum(c) a * f as f32\n    return y\n}\n"
    found = checked("x = pmu load X as [t/L; k | t%L]\ny = mean(x)\nstore y -> S", layer)
    assert found.errors == []
    values = {"X": np.ones((64, 32), np.float32)}
    np.testing.assert_array_equal(evaluate(found, values)["S"], np.ones(64))


def test_a_default_that_is_no_constant_is_told_in_the_layer() -> None:
    layer = "layer mean(a: [.., c | t], f = 1/len(d)) {\n    y = pcu sum(c) a * f as f32\n    return y\n}\n"
    assert errors("x = pmu load X as [t/L; k | t%L]\ny = mean(x)\nstore y -> S", layer) == [
        ("RDF010", "there is no axis `d`")
    ]


# -- files -------------------------------------------------------------------------------------------------------------


def test_what_a_library_file_uses_stays_its_own() -> None:
    """std.mlp calls linear of std.linear; a program that uses std.mlp may have a linear of its own."""
    text = find("swiglu").example
    mine = text.replace("kernel", "layer linear(x: [.. | l]) {\n    y = pcu 2 * x\n    return y\n}\nkernel")
    mine = mine.replace("x = pmu", "x0 = pmu").replace("    y =", "    x = linear(x0)\n    y =", 1)
    mine = mine.replace("    x = linear(x0)\n    y = pcu", "    y = pcu").replace(
        "    y = swiglu", "    x = linear(x0)\n    y = swiglu"
    )
    found = check(Source("mine.rdf", mine), {}, api.library)
    assert [d.message for d in found.diagnostics] == []
    hidden = text.replace("swiglu(x, Wg, Wu, Wd, P = 2)", "linear(x, Wd)")
    assert [d.code for d in check(Source("hidden.rdf", hidden), {}, api.library).errors] == ["RDF010"]


def test_a_library_is_used_once() -> None:
    text = "use std.norm\n" + find("rmsnorm").example
    assert [d.code for d in check(Source("twice.rdf", text), {}, api.library).errors] == ["RDF011"]


OPERATOR = """use std.operators
{}
axis n = 2, t = 40, c = 64
tensor X: {}[n, t, c] in hbm input
tensor Y: {}[n, t, c] in hbm output
schedule {{ launch add(X, X, Y) }}
"""


@pytest.mark.parametrize(
    ("params", "dtype", "code", "missing"),
    [("param E = bf16", "E", "RDF010", "`XT`"), ("param XT = 1", "f32", "RDF016", "`E`")],
)
def test_what_a_kernel_of_a_library_reads_is_asked_of_the_program(
    params: str, dtype: str, code: str, missing: str
) -> None:
    """The mistake stands in the library's text, with the place that brings it into the program, and nothing follows from it."""
    text = OPERATOR.format(params, dtype, dtype)
    (found,) = check(Source("mine.rdf", text), {}, api.library).diagnostics
    assert found.code == code and missing in found.message
    where, brought = found.labels
    assert where.source is not None and where.source.name == "std/operators.rdf"
    assert brought.source is None and text[brought.span.start : brought.span.end] == "use std.operators"


def test_a_kernel_of_a_library_stands_where_it_is_brought_in() -> None:
    """Spans of what is checked point into the program: reports and faults draw them there."""
    text = OPERATOR.format("param E = bf16, XT = 1", "E", "E")
    checked = check(Source("mine.rdf", text), {}, api.library)
    (kernel,) = checked.kernels.values()
    spans = {stream.span for line in kernel.lines for stream in streams_of(line)}
    assert {text[span.start : span.end] for span in spans} == {"use std.operators"}
    assert checked.diagnostics == []


# -- doc comments ------------------------------------------------------------------------------------------------------


def test_the_first_sentence_stands_in_lists() -> None:
    assert first_sentence("One, 1.5 of\nit. Two.") == "One, 1.5 of it"
    assert all(0 < len(layer.about) < 150 for layer in layers().values())


def test_weights_on_the_sockets_put_the_heads_there() -> None:
    """Axis g of the weights is sharded: queries, keys and attention run on both sockets, `heads` adds over them."""
    text = find("llama").example
    shared = text.replace("bf16[g, ", "bf16[g @socket, ").replace("bf16[c, g, ", "bf16[c, g @socket, ")
    one, two = (check(Source("llama.rdf", each), {}, api.library) for each in (text, shared))
    assert [d.message for d in two.diagnostics] == []
    (kernel,) = two.kernels.values()
    assert any(r.reduction and r.reduction.sockets for line in kernel.lines for r in getattr(line, "results", ()))
    random = np.random.default_rng(0)
    values = {n: random.standard_normal(t.shape).astype(np.float32) for n, t in one.program.tensors.items()}
    np.testing.assert_allclose(evaluate(two, values)["Y"], evaluate(one, values)["Y"], rtol=0.02, atol=0.5)
