"""Parsing: every construct, where newlines end lines, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rdflow.dsl import lexing, syntax
from rdflow.dsl.parse import is_incomplete, parse, parse_lines
from rdflow.dsl.source import Source, Span
from rdflow.dsl.writer import Writer

DESIGN = Path(__file__).parent / "design"


def items(text: str) -> tuple[Any, ...]:
    module, diagnostics = parse(Source("test.rdf", text))
    assert not diagnostics, diagnostics
    return module.items


def lines(text: str) -> tuple[Any, ...]:
    (kernel,) = items(f"kernel k {{\n{text}\n}}")
    return tuple(kernel.lines)


def statements(text: str) -> tuple[Any, ...]:
    (schedule,) = items(f"schedule {{\n{text}\n}}")
    return tuple(schedule.statements)


def expression(text: str) -> syntax.Expr:
    (param,) = items(f"param p = {text}")
    value: syntax.Expr = param.value
    return value


def mistakes(text: str) -> list[tuple[str, str]]:
    """Code and marked text of every diagnostic."""
    found = parse(Source("test.rdf", text))[1]
    return [(d.code, text[d.labels[0].span.start : d.labels[0].span.end]) for d in found]


# -- what is read ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(DESIGN.glob("*.rdf")), ids=lambda path: path.stem)
def test_the_design_programs_are_read(path: Path) -> None:
    old = [("RDF004", "KN[pos]"), ("RDF004", "VN[pos]")] if path.stem == "llama_decode" else []
    assert mistakes(path.read_text(encoding="utf-8")) == old


def test_declarations() -> None:
    text = "param S = 1,\n D = bf16\naxis n = S ragged\ntensor A: f32[n, d @4] in hbm output\nuse std.norm\n"
    module, _ = parse(Source("t", text + "pool e: llama[150] in ddr cached in hbm evict lru"))
    first, second, axis, tensor, use, pool = module.items
    assert isinstance(first, syntax.Param) and isinstance(second, syntax.Param)
    assert isinstance(second.value, syntax.Ref)
    assert module.groups[0] == Span(0, text.index("\naxis"))
    assert isinstance(axis, syntax.Axis) and axis.ragged
    assert isinstance(tensor, syntax.Tensor) and (tensor.tier.text, tensor.direction) == ("hbm", "output")
    assert isinstance(use, syntax.Use) and [name.text for name in use.path] == ["std", "norm"]
    assert isinstance(pool, syntax.Pool) and pool.cache and pool.policy and pool.policy.text == "lru"


def test_several_tensors_share_their_tier() -> None:
    a, b = items("tensor A: bf16[e, c], B: bf16[c] in hbm input")
    assert (a.name.text, b.name.text) == ("A", "B")
    assert a.tier == b.tier and a.direction == b.direction == "input"


def test_parameters_of_kernels_and_layers() -> None:
    kernel, layer = items(
        "kernel k(x: bf16[s @socket, n], pos: int32) {}\n"
        "layer f(x: [t/L, c | t%L], g: tensor[c], eps = 1e-5) { return x, g }"
    )
    assert isinstance(kernel.parameters[0].type, syntax.TensorType)
    assert isinstance(kernel.parameters[1].type, syntax.Name)
    assert isinstance(layer.parameters[0].type, syntax.StreamType)
    assert layer.parameters[1].type.dtype is None
    assert layer.parameters[2].default == syntax.Number(1e-5, layer.parameters[2].default.span)
    assert [name.text for name in layer.lines[0].names] == ["x", "g"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("load X(l = i) @8", syntax.Load),
        ("pmu x(z = 1 - z)", syntax.Pmu),
        ("pmu load X @(2*L)", syntax.Pmu),
        ("fifo s", syntax.Fifo),
        ("pcu where(u <= t, s, -inf), max(u) s1", syntax.Pcu),
        ("carry y from -inf over u/K", syntax.Carry),
        ("split x by se", syntax.Split),
        ("merge y by se", syntax.Merge),
        ("rmsnorm(x, g, eps = 1e-5)", syntax.LayerCall),
    ],
)
def test_units(text: str, kind: type[Any]) -> None:
    (unit,) = lines(f"a, b = {text} as bf16 [c | t%L] depth 4")
    assert isinstance(unit.body, kind)
    assert [name.text for name in unit.names] == ["a", "b"]
    assert unit.annotation.dtype.text == "bf16" and unit.annotation.order is not None
    assert unit.depth.value == 4


def test_both_parts_of_as_are_optional() -> None:
    plain, dtype, order = lines("a = pcu x\nb = pcu x as f32\nc = pcu x as [t]")
    assert plain.annotation is None
    assert dtype.annotation.dtype.text == "f32" and dtype.annotation.order is None
    assert order.annotation.dtype is None and order.annotation.order.tile is None


def test_orders() -> None:
    (unit,) = lines("a = pmu x as [t/L @4; u/S @2 < L*(t/L + 1), d @socket, c/(L*32)%8, e @ | t%L, v]")
    order = unit.annotation.order
    assert order.tile[0].at.value == 4
    bounded, socket, digit, every = order.rest
    assert bounded.at.value == 2 and Writer().tight(bounded.bound) == "L*(t/L + 1)"
    assert socket.at == "socket" and every.at is True
    assert Writer().term(digit.term) == "c/(L*32)%8"
    assert [place.term.axis.text for place in order.lanes] == ["t", "v"]


@pytest.mark.parametrize(
    ("text", "tile", "rest"), [("[; a]", 0, 1), ("[a; | b]", 1, 0), ("[]", None, 0), ("[| b]", None, 0)]
)
def test_orders_with_empty_parts(text: str, tile: int | None, rest: int) -> None:
    (unit,) = lines(f"a = pmu x as {text}")
    order = unit.annotation.order
    assert (None if order.tile is None else len(order.tile)) == tile
    assert len(order.rest) == rest


def test_a_reduction_takes_the_product_behind_it() -> None:
    match expression("sum(c) x*x / C + eps"):
        case syntax.Binary("+", syntax.Reduce(syntax.Name("sum"), (digit,), syntax.Binary("/")), syntax.Ref("eps")):
            assert digit.axis.text == "c"
        case other:
            raise AssertionError(other)


def test_an_operand_behind_the_bracket_makes_a_reduction() -> None:
    assert isinstance(expression("max(k) s"), syntax.Reduce)
    assert isinstance(expression("max(k) (s)"), syntax.Reduce)
    assert isinstance(expression("last(u/K) 1"), syntax.Reduce)
    assert isinstance(expression("max(a, b)"), syntax.Call)
    assert isinstance(expression("max(a, b) - c"), syntax.Binary)
    assert isinstance(expression("x(t = u, z = 1 - z)"), syntax.View)


def test_precedence_from_or_to_minus() -> None:
    match expression("a or not b < -c + d * e and f"):
        case syntax.Binary(
            "or",
            _,
            syntax.Binary("and", syntax.Unary("not", syntax.Binary("<", _, syntax.Binary("+", left, right))), _),
        ):
            assert isinstance(left, syntax.Unary)
            assert isinstance(right, syntax.Binary) and right.op == "*"
        case other:
            raise AssertionError(other)


def test_numbers() -> None:
    numbers = [expression(text) for text in ("3", "0.5", "1e-5", "inf")]
    assert [n.value for n in numbers if isinstance(n, syntax.Number)] == [3, 0.5, 1e-5, float("inf")]
    assert isinstance(numbers[0], syntax.Number) and isinstance(numbers[0].value, int)


def test_schedules() -> None:
    first, second, third, let, loop, branch, copy = statements(
        "launch a launch r.run(X, W(l = i), 3) by software launch b()\nlet e = C(b = 0)\n"
        "for i in 1..T { async activate e[i] }\n"
        "if a < b { } else if c { launch d } else { launch e }\ncopy A -> B(l = 1)"
    )
    assert first.arguments is None and third.arguments == ()
    assert (second.target.member.text, second.by, len(second.arguments)) == ("run", "software", 3)
    assert isinstance(let.value, syntax.View)
    assert isinstance(loop.body[0], syntax.Async) and isinstance(loop.body[0].statement, syntax.Activate)
    assert isinstance(branch.otherwise[0], syntax.If) and len(branch.otherwise[0].otherwise) == 1
    assert isinstance(copy, syntax.Copy)


def test_a_wait_behind_a_bracket_is_a_statement_of_a_schedule() -> None:
    text = "let x = A(q = 1) wait 0.5 launch a(X) wait x let y = (x + 1) wait (y) wait A(q = 2)"
    kinds = [type(s) for s in statements(text)]
    assert kinds == [syntax.Let, syntax.Wait, syntax.Launch, syntax.Wait, syntax.Let, syntax.Wait, syntax.Wait]
    named = statements("let wait = 2 let x = A(q = wait) * wait launch a(wait, (wait))")
    assert [type(s) for s in named] == [syntax.Let, syntax.Let, syntax.Launch]


def test_newlines_end_lines_only_where_a_line_can_end() -> None:
    assert len(lines("a = pcu x +\n y\n as f32 [t,\n c]\n depth 2\n\n\nstore a\n -> Y; b = pcu f(a,\n b)")) == 3


def test_words_that_are_also_names() -> None:
    assert items("axis input = 4\nkernel layer(pool: f32[use]) {}")[1].name.text == "layer"


def test_comments_know_whether_they_stand_alone() -> None:
    module, _ = parse(Source("t", "# one\nparam S = 1  # two \n   # three"))
    assert [(c.text, c.alone) for c in module.comments] == [("# one", True), ("# two", False), ("# three", True)]


def test_spans_cut_the_text_of_a_node() -> None:
    text = "kernel k {\n    ab = pcu sum(c) (x + y) * z as f32 [t]\n}"
    unit = items(text)[0].lines[0]
    cut = [text[span.start : span.end] for span in (unit.span, unit.body.span, unit.body.results[0].body.left.span)]
    assert cut == ["ab = pcu sum(c) (x + y) * z as f32 [t]", "pcu sum(c) (x + y) * z", "x + y"]


# -- mistakes ----------------------------------------------------------------------------------------------------------


def test_every_mistake_is_reported_once_and_the_lines_between_are_read() -> None:
    text = """\
kernel k {
    a = pmu load X as [q/L; k | q%L
    b = x + y
    c = pcu x && y
    d = pcu max(a, b]
    e = pcu a +
    f = pcu a
    store f -> Y[i]
    store = pmu y
}}
foo bar
kernel {
    g = pcu
}
schedule { for i 0..3 { launch x( } launch y by clock }
param S = 1
"""
    assert mistakes(text) == [
        ("RDF002", "["),
        ("RDF001", "x + y"),
        ("RDF003", "&&"),
        ("RDF002", "]"),
        ("RDF001", ""),
        ("RDF004", "Y[i]"),
        ("RDF001", "="),
        ("RDF002", "}"),
        ("RDF001", "foo"),
        ("RDF001", "{"),
        ("RDF001", ""),
        ("RDF001", "0"),
        ("RDF002", "("),
        ("RDF001", "clock"),
    ]
    module, _ = parse(Source("test.rdf", text))
    assert isinstance(module.items[-1], syntax.Param)
    assert isinstance(module.items[0], syntax.Kernel)
    assert [type(line) for line in module.items[0].lines] == [syntax.Unit, syntax.Store]


def test_a_block_that_is_not_closed_does_not_swallow_the_next() -> None:
    text = "kernel a {\n x = pcu y\nkernel b {\n}\nschedule { launch a"
    found = parse(Source("t", text))
    assert [(d.code, d.message) for d in found[1]] == [("RDF002", "this block is not closed")] * 2
    assert [type(item) for item in found[0].items] == [syntax.Kernel, syntax.Kernel, syntax.Schedule]


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("x = pcu y", "expected a declaration", "units stand in a kernel: `kernel name { ... }`"),
        ("kernel k { launch a }", "expected a line", "statements stand in the schedule: `schedule { ... }`"),
        ("kernel k { param p = 1 }", "expected a line", "declarations stand outside of the braces"),
        ("kernel k { if = pcu b }", "expected a line", "`if` is a word of the language; choose another name"),
        ("kernel k { a = pcu b = c }", "expected an operator, `as`, `,`, `depth`", "to compare, write `==`"),
        ("kernel k { a = b }", "expected a unit (`load`, `pmu`, `pcu`", "write `a = pcu b`"),
        ("tensor X: f32[a]", "expected `,` or `in`, found", "say where the tensor lives: `in hbm` or `in ddr`"),
        ("param p = sum(a + b) c", "a reduction runs over digits", None),
        ("param p = f(a, b = 2)", "a call in an expression has no named arguments", None),
        ("param p = x(t = u) y", "a reduction names digits, a view binds axes", None),
        ("param p = 2 × 3", "`×` is not in the language", "write `*`"),
        ("param p = (1", "`(` is not closed", "close it with `)`"),
        ("param p = 1)", "`)` closes nothing", "leave it out"),
    ],
)
def test_what_is_said(text: str, message: str, help: str | None) -> None:
    (diagnostic,) = parse(Source("t", text))[1]
    assert diagnostic.message.startswith(message)
    assert help is None or diagnostic.help == help


def test_an_old_view_names_the_axes_of_its_tensor() -> None:
    text = "tensor KN: bf16[l, n @4, e] in hbm\nkernel k { store x -> KN[pos] }"
    (diagnostic,) = parse(Source("t", text))[1]
    assert diagnostic.help == "write `KN(axis = pos)`, with the name of the axis that `pos` indexes"
    assert diagnostic.notes == ("`KN` has the axes l, n, e",)


@pytest.mark.parametrize("path", sorted(DESIGN.glob("*.rdf")), ids=lambda path: path.stem)
def test_no_text_makes_the_parser_fail(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for i in range(0, len(text), 397):
        parse(Source("cut", text[:i]))
        parse(Source("hole", text[:i] + text[i + 7 :]))


# -- the session -------------------------------------------------------------------------------------------------------


def test_a_session_takes_declarations_and_lines() -> None:
    found, units, diagnostics = parse_lines(Source("<repl>", "param S = 1\nx = load X\nstore x -> Y\nreturn x"))
    assert not diagnostics
    assert [type(item) for item in found] == [syntax.Param]
    assert [type(line) for line in units] == [syntax.Unit, syntax.Store, syntax.Return]


@pytest.mark.parametrize(
    ("text", "more"),
    [("", False), ("x = load X", False), ("kernel k {", True), ("x = pcu f(a,", True), ("x = pcu a +  # b", True)],
)
def test_what_is_incomplete(text: str, more: bool) -> None:
    assert is_incomplete(text) is more


def test_a_grammar_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second start takes its tables from a file of this very grammar."""
    monkeypatch.setattr(lexing, "user_cache_path", lambda *_, **__: tmp_path)
    lexing.grammar.__wrapped__()
    assert len(list(tmp_path.iterdir())) == 1
    assert lexing._table_cache("a grammar") != lexing._table_cache("another")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the grammar was read again")

    monkeypatch.setattr("lark.lark.load_grammar", refuse)
    again = lexing.grammar.__wrapped__()
    assert again.parse("axis n = 8\n", start="module").data == "module"
    with pytest.raises(AssertionError, match="again"):
        monkeypatch.setattr(lexing, "_table_cache", lambda _: None)
        lexing.grammar.__wrapped__()
