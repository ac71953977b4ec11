"""Formatting: canonical, idempotent, and never a change of meaning."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.lark import from_lark
from lark import Lark

from rdflow.dsl import syntax
from rdflow.dsl.format import format_module
from rdflow.dsl.parse import parse
from rdflow.dsl.source import NOWHERE, Source, Span
from rdflow.dsl.writer import Writer
from rdflow.dsl.writer_expressions import SUM


def bare(node: Any) -> Any:
    """A tree without its spans, to compare what two texts mean."""
    if dataclasses.is_dataclass(node):
        fields = [getattr(node, field.name) for field in dataclasses.fields(node)]
        return type(node).__name__, *(bare(value) for value in fields if not isinstance(value, Span | Source))
    return tuple(map(bare, node)) if isinstance(node, tuple) else (type(node), node)


def formatted(text: str) -> str:
    """The canonical text, after checking what must hold of every program."""
    module, diagnostics = parse(Source("test.rdf", text))
    assert not diagnostics, diagnostics
    once = format_module(module)
    again, diagnostics = parse(Source("once.rdf", once))
    assert not diagnostics, (diagnostics, once)
    assert bare(again.items) == bare(module.items), once
    assert sorted(c.text for c in again.comments) == sorted(c.text for c in module.comments), once
    assert format_module(again) == once
    return once


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "design").glob("*.rdf")), ids=lambda path: path.stem)
def test_the_design_programs_keep_their_meaning(path: Path) -> None:
    formatted(path.read_text(encoding="utf-8").replace("[pos]", "(u = pos)"))


def test_columns_comments_and_groups() -> None:
    text = """\
# a header


param S=1,   D = 2
axis q = S, t = ti*tj , v = D/8 ragged
tensor A: bf16[q, d @ socket],
    # about B
    B: bf16[q] in hbm input   # both
kernel k(x: bf16[q], n: int32) {   # opens

    # first
    a = pmu load A @ 2 as [;q/L,d@2<L*(q/L+1)|q%L] depth 2
    long = pcu sum(d) a*a/D+1e-5 as f32
    s1, m = pcu (a), max(d) a   # two


    c = carry s1 from -inf over q/L; store c -> B(q = q-1)
    # last
}
schedule { launch k(A(q = 0), 3) by hardware }   # end
# fin
"""
    assert (
        formatted(text)
        == """\
# a header

param S = 1, D = 2
axis q = S, t = ti * tj, v = D/8 ragged
tensor A: bf16[q, d @socket],
# about B
       B: bf16[q] in hbm input  # both
kernel k(x: bf16[q], n: int32) {  # opens
    # first
    a     = pmu load A @2               as [; q/L, d @2 < L*(q/L + 1) | q%L] depth 2
    long  = pcu sum(d) a * a / D + 1e-5 as f32
    s1, m = pcu a, max(d) a  # two

    c     = carry s1 from -inf over q/L
    store c -> B(q = q - 1)
    # last
}
schedule { launch k(A(q = 0), 3) by hardware }  # end
# fin
"""
    )


def test_schedules_keep_what_stood_on_one_line() -> None:
    text = """\
schedule {
    launch a(X)   launch b
    for i in 0..B { if i+1 < B { async activate e[f(i = i+1)] }
        launch c }
    if a == 1 { launch d } else if b { launch e launch f } else { # no
        copy X -> Y }
}
"""
    assert (
        formatted(text)
        == """\
schedule {
    launch a(X)  launch b
    for i in 0..B {
        if i + 1 < B { async activate e[f(i = i + 1)] }
        launch c
    }
    if a == 1 {
        launch d
    } else if b {
        launch e  launch f
    } else {  # no
        copy X -> Y
    }
}
"""
    )


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("(a*b)*c", "a * b * c"),
        ("a*(b*c)", "a * (b * c)"),
        ("(sum(k) x)*y", "(sum(k) x) * y"),
        ("y*(sum(k) x*z)", "y * sum(k) x * z"),
        ("sum(k) (x+y)*z + 1", "sum(k) (x + y) * z + 1"),
        ("sum(k) (-x)", "sum(k) (-x)"),
        ("-(sum(k/8%4, j) x)", "-sum(k/8%4, j) x"),
        ("not (a == b) and (c or d)", "not a == b and (c or d)"),
        ("where(u <= (t), 1.50, -inf)", "where(u <= t, 1.50, -inf)"),
    ],
)
def test_expressions_have_the_brackets_that_they_need(written: str, canonical: str) -> None:
    assert formatted(f"kernel k {{ a = pcu {written} }}") == f"kernel k {{\n    a = pcu {canonical}\n}}\n"


# -- random programs ---------------------------------------------------------------------------------------------------


# Expressions are drawn as trees: drawn from the grammar they would hardly ever end. The rules that they replace end it.
NAMES = st.sampled_from(["a", "bc", "x1", "expert"]).map(lambda name: syntax.Name(name, NOWHERE))
LEAVES = NAMES.map(lambda name: syntax.Ref(name.text, NOWHERE)) | st.sampled_from(
    [syntax.Number(value, NOWHERE) for value in (0, 32, 1.5, 1e-5, float("inf"))]
)
OPERATORS = ["+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or"]


def grown(inner: st.SearchStrategy[syntax.Expr]) -> st.SearchStrategy[syntax.Expr]:
    digits = st.lists(st.builds(syntax.Term, NAMES, st.none() | LEAVES, st.none(), st.just(NOWHERE)), min_size=1)
    bindings = st.lists(st.builds(syntax.Binding, NAMES, inner, st.just(NOWHERE)), min_size=1, max_size=2)
    at = st.just(NOWHERE)
    return st.one_of(
        st.builds(syntax.Binary, st.sampled_from(OPERATORS), inner, inner, at),
        st.builds(syntax.Unary, st.sampled_from(["-", "not"]), inner, at),
        st.builds(syntax.Reduce, NAMES, digits.map(tuple), inner, at),
        st.builds(syntax.Call, NAMES, st.lists(inner, max_size=3).map(tuple), at),
        st.builds(syntax.View, NAMES, bindings.map(tuple), at),
    )


EXPRESSIONS = st.recursive(LEAVES, grown, max_leaves=8)
STARTS = [
    "params",
    "axes",
    "tensors",
    "use",
    "pool",
    "kernel",
    "layer",
    "schedule",
    "unit",
    "store",
    "launch",
    "for",
    "if",
]


@cache
def texts() -> dict[str, st.SearchStrategy[str]]:
    """Texts of the grammar by rule. Words get blanks around them: the lexer needs them, the grammar does not say so."""
    rules = (files("rdflow.grammar") / "rdf.lark").read_text(encoding="utf-8").replace("%ignore", "//")
    head, _, tail = rules.partition("?expr:")
    number, _, words = tail[tail.index("number:") :].partition("_compares:")
    words = words[words.index("// -- words") :]
    cut = f"{head}expr: EXPR\nsum: SUM\nref: name\n{number}\nEXPR: /e/\nSUM: /s/\n{words}"
    lark = Lark(cut, parser="lalr", lexer="basic", start=STARTS)
    spelled = {t.name: st.just(f" {t.pattern.value} ") for t in lark.terminals if t.pattern.type == "str"}
    spelled["NAME"] = NAMES.map(lambda name: f" {name.text} ")
    spelled["NUMBER"] = st.sampled_from([" 0 ", " 32 ", " 1.50 ", " 1e-5 "])
    spelled["EXPR"] = EXPRESSIONS.map(Writer().loose)
    spelled["SUM"] = EXPRESSIONS.map(lambda expr: Writer().tight(expr, SUM))
    spelled["_NEWLINE"] = st.just("\n")
    return {start: from_lark(lark, start=start, explicit=used_by(lark, start, spelled)) for start in STARTS}


def used_by(lark: Lark, start: str, spelled: dict[str, Any]) -> dict[str, Any]:
    """Hypothesis refuses a terminal that cannot be reached from the rule."""
    _, rules, _ = lark.grammar.compile([start], ())
    used = {symbol.name for rule in rules for symbol in rule.expansion}
    return {name: strategy for name, strategy in spelled.items() if name in used}


def items() -> st.SearchStrategy[str]:
    """One declaration; kernels and schedules also with many lines, which the grammar alone would seldom draw."""
    plain = [texts()[start] for start in STARTS[:8]]
    lines = st.lists(texts()["unit"] | texts()["store"], min_size=2, max_size=5)
    statements = st.lists(texts()["launch"] | texts()["for"] | texts()["if"], max_size=4)
    kernels = lines.map(lambda drawn: "kernel k {\n" + "\n".join(drawn) + "\n}")
    schedules = statements.map(lambda drawn: "schedule {" + "\n".join(drawn) + "}")
    return st.one_of(*plain, kernels, kernels, kernels, schedules)


@st.composite
def commented(draw: st.DrawFn) -> str:
    """A random program with line breaks and comments wherever they may stand."""
    pieces = []
    for count, character in enumerate("\n".join(draw(st.lists(items(), max_size=4)))):
        choice = draw(st.integers(0, 5)) if character in "\n,{" else 0
        after = {3: f"\n  # own {count}\n", 4: f" # behind {count}\n", 5: "\n\n\n"}.get(choice, "")
        pieces.append(character + after)
    return "".join(pieces)


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS)
def test_an_expression_is_read_as_it_was_written(expr: syntax.Expr) -> None:
    for text in (Writer().loose(expr), Writer().tight(expr)):
        module, diagnostics = parse(Source("test.rdf", f"param p = {text}"))
        assert not diagnostics, text
        (param,) = module.items
        assert isinstance(param, syntax.Param)
        assert bare(param.value) == bare(expr), text


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(commented())
def test_any_program_round_trips(text: str) -> None:
    assume(re.search(r"\)\s*wait\b", text) is None)  # in one line `a() wait` is a reduction of what is named `wait`
    formatted(text)
