"""The whole tree of a program, in grammar order. Every node ends with its span."""

from __future__ import annotations

from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source, Span

# -- names and expressions ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name:
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Number:
    """A literal; `inf` is the float infinity."""

    value: int | float
    span: Span


@dataclass(frozen=True, slots=True)
class Ref:
    """A name in an expression: a param, an axis as index value, a stream, an argument."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x` or `not x`."""

    op: str
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    """`+ - * / %`, a comparison (`< <= > >= == !=`), `and` or `or`."""

    op: str
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """`exp(x)`, `max(a, b)`, `where(c, a, b)`, `len(c)`; and in a layer call `linear(x, W)`."""

    function: Name
    arguments: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Reduce:
    """`sum(k) body`, `max(u%K) body`, `last(l) body`: the body is a product."""

    op: Name
    terms: tuple[Term, ...]
    body: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binding:
    """`axis = expr` in a view."""

    axis: Name
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class View:
    """`x(t = u, z = 1 - z)`: a stream or tensor seen through other indices; no bindings is the thing itself."""

    name: Name
    bindings: tuple[Binding, ...]
    span: Span


Expr = Number | Ref | Unary | Binary | Call | Reduce | View

# -- orders ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Term:
    """A digit as written: `a`, `a/n`, `a%m`, `a/n%m`."""

    axis: Name
    over: Expr | None
    modulo: Expr | None
    span: Span


OTHERS = ".."


@dataclass(frozen=True, slots=True)
class Place:
    """A term in an order. `at`: None (time), True (`@`: a copy per value), "socket", or the count of `@n`.

    In a layer, the term `..` (`OTHERS`) is all that the layer's parameters do not name. `optional`: an axis that the
    tensor of a layer's parameter may lack, `l?`; it has one value then.
    """

    term: Term
    at: Expr | bool | str | None
    bound: Expr | None
    span: Span
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """`[tile; rest | lanes]`. `tile` is None without `;` (and () with nothing before it)."""

    tile: tuple[Place, ...] | None
    rest: tuple[Place, ...]
    lanes: tuple[Place, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class As:
    """`as bf16 [..]`: both parts optional."""

    dtype: Name | None
    order: Order | None
    span: Span


# -- units -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Load:
    view: View
    streams: Expr | None  # `@ n`
    span: Span


@dataclass(frozen=True, slots=True)
class Pmu:
    source: View | Load
    span: Span


@dataclass(frozen=True, slots=True)
class Fifo:
    source: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Pcu:
    results: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Carry:
    """`carry y from x0 over l`: x0 is a stream (Ref) or a constant expression."""

    feedback: Name
    initial: Expr
    over: Term
    span: Span


@dataclass(frozen=True, slots=True)
class Split:
    source: View
    selector: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Merge:
    source: View
    selector: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a layer call: by position (name None) or `name = value`."""

    name: Name | None
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class LayerCall:
    """`y = rmsnorm(x, g, eps = 1e-5)`."""

    layer: Name
    arguments: tuple[Argument, ...]
    span: Span


UnitBody = Load | Pmu | Fifo | Pcu | Carry | Split | Merge | LayerCall


@dataclass(frozen=True, slots=True)
class Unit:
    """`names = body as dtype order depth n`."""

    names: tuple[Name, ...]
    body: UnitBody
    annotation: As | None
    depth: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Store:
    """`store s @n -> V(l = i)`."""

    source: Name
    streams: Expr | None
    target: View
    span: Span


@dataclass(frozen=True, slots=True)
class Return:
    names: tuple[Name, ...]
    span: Span


Line = Unit | Store | Return

# -- declarations ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Param:
    """`S = 1024` or `E = bf16` (a dtype by name is a Ref)."""

    name: Name
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Axis:
    """`q = S`, `t = ti * tj * tn`, `n = T ragged`."""

    name: Name
    length: Expr
    ragged: bool
    span: Span


@dataclass(frozen=True, slots=True)
class TensorType:
    """`bf16[q, d @socket]`; as a layer parameter `tensor[c]` (dtype None)."""

    dtype: Name | None
    places: tuple[Place, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Tensor:
    """`Q: bf16[q, d] in hbm input`. `direction` is "input", "output", "input output" or None."""

    name: Name
    type: TensorType
    tier: Name
    direction: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class KernelParameter:
    """A tensor (`x: bf16[t, c]`) or a scalar (`pos: int32`)."""

    name: Name
    type: TensorType | Name
    span: Span


@dataclass(frozen=True, slots=True)
class Kernel:
    name: Name
    parameters: tuple[KernelParameter, ...]
    lines: tuple[Line, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class StreamType:
    """`E[t/L, c | t%L]`: a stream that a layer takes. `dtype`: the name of one, or a variable for it."""

    dtype: Name | None
    order: Order
    span: Span


@dataclass(frozen=True, slots=True)
class WholeAxis:
    """`axis`: a layer takes an axis."""

    span: Span


@dataclass(frozen=True, slots=True)
class LayerParameter:
    """A stream (`x: E[t/L, c | t%L]`), a tensor (`g: tensor[c]`), an axis (`u: axis`) or a constant (`eps = 1e-5`)."""

    name: Name
    type: StreamType | TensorType | WholeAxis | None
    default: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Layer:
    name: Name
    parameters: tuple[LayerParameter, ...]
    lines: tuple[Line, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Use:
    """`use std.norm`."""

    path: tuple[Name, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Member:
    """`llama(NL = 2, C = 64)[150]`: so many copies of a program, with these params."""

    program: Name
    settings: tuple[Param, ...]
    count: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Pool:
    """`pool expert: llama(NL = 2)[100], mistral[50] in ddr cached in hbm evict lru`."""

    name: Name
    members: tuple[Member, ...]
    tier: Name
    cache: Name | None
    policy: Name | None
    span: Span


# -- schedules ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """What a statement acts on: `attention`, `router.run`, `expert[e].prefill`."""

    name: Name
    index: Expr | None
    member: Name | None
    span: Span


@dataclass(frozen=True, slots=True)
class Launch:
    """`launch k(X, W(l = i), 3, OUT = Y(b = k)) by hardware`. Arguments are None when there are no brackets; those with a
    name stand for a tensor of an expert's program."""

    target: Target
    arguments: tuple[Expr, ...] | None
    by: str | None
    span: Span
    bindings: tuple[Binding, ...] = ()


@dataclass(frozen=True, slots=True)
class Activate:
    target: Target
    span: Span


@dataclass(frozen=True, slots=True)
class Copy:
    source: View
    target: View
    span: Span


@dataclass(frozen=True, slots=True)
class Let:
    name: Name
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Wait:
    """`wait ARRIVAL(r = i)`: until so many seconds after the start."""

    until: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class For:
    """`for i in a..b { .. }`: i runs from a to b - 1."""

    name: Name
    start: Expr
    stop: Expr
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class If:
    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Async:
    statement: Statement
    span: Span


Statement = Launch | Activate | Copy | Let | Wait | For | If | Async


@dataclass(frozen=True, slots=True)
class Schedule:
    statements: tuple[Statement, ...]
    span: Span


Item = Param | Axis | Tensor | Use | Pool | Kernel | Layer | Schedule


@dataclass(frozen=True, slots=True)
class Comment:
    """`# text`; `alone` when nothing precedes it on its line."""

    text: str
    alone: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Module:
    """A file. `groups` are the spans of declarations that stood in one statement (`param S = 1, D = 2`)."""

    source: Source
    items: tuple[Item, ...]
    comments: tuple[Comment, ...]
    groups: tuple[Span, ...]
