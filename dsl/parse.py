"""Text to syntax tree. A syntax error is a diagnostic, never an exception, and the lines beside it are still read."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from lark import Lark, Token, Tree, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser
from lark.tree import Meta
from platformdirs import user_cache_path

from rdflow.dsl import syntax
from rdflow.dsl.diagnostics import Diagnostic, Label
from rdflow.dsl.source import NOWHERE, Source, Span

# -- kinds of tokens ---------------------------------------------------------------------------------------------------

VERBS = {"LOAD", "PMU", "PCU", "FIFO", "CARRY", "SPLIT", "MERGE"}
DECLARATIONS = {"PARAM", "AXIS", "TENSOR", "USE", "POOL", "KERNEL", "LAYER", "SCHEDULE"}
STATEMENTS = {"LAUNCH", "ACTIVATE", "COPY", "LET", "FOR", "IF", "ASYNC"}
STARTERS = DECLARATIONS | STATEMENTS | {"STORE", "RETURN"}
ARITHMETIC = {"PLUS", "MINUS", "STAR", "SLASH", "PERCENT"}
OPERATORS = ARITHMETIC | {"LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "EQUAL", "UNEQUAL", "AND", "OR"}
# Words, yet also good names.
SOFT_NAMES = {"LAYER", "KERNEL", "POOL", "USE", "INPUT", "OUTPUT", "CACHED", "EVICT", "SOFTWARE", "HARDWARE"}
NAMES = SOFT_NAMES | {"NAME"}

CLOSERS = {"(": ")", "[": "]", "{": "}"}
JOINS_NEXT = OPERATORS | {"NOT", "COMMA", "EQUALS", "AS", "ARROW"}  # a line that ends with one goes on
JOINS_PREVIOUS = {"AS", "DEPTH", "BY", "ELSE", "ARROW", "LBRACE"}  # a line that begins with one belongs to the last


# -- the grammar -------------------------------------------------------------------------------------------------------


class Layout:
    """What stands between lexer and parser: it keeps the newlines that end a line and drops the others."""

    always_accept = ("BAD",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return lay_out(list(stream))


@cache
def grammar() -> Lark:
    """The parser, built at first use. Its tables are kept in the user's cache folder: 20 ms instead of 300."""
    text = (files("rdflow.grammar") / "rdf.lark").read_text(encoding="utf-8")
    return Lark(
        text,
        parser="lalr",
        lexer="basic",
        start=["module", "session"],
        propagate_positions=True,
        maybe_placeholders=True,
        postlex=Layout(),
        cache=_table_cache() or False,
    )


def _table_cache() -> str | None:
    try:
        return str(Path(user_cache_path("rdflow", ensure_exists=True)) / "grammar.cache")
    except OSError:
        return None


@cache
def spelling() -> dict[str, str]:
    """How a token is written, by its type."""
    fixed = {t.name: t.pattern.value for t in grammar().terminals if t.pattern.type == "str"}
    words = {"NAME": "a name", "NUMBER": "a number", "_NEWLINE": "the end of the line", "$END": "the end of the file"}
    return {name: f"`{text}`" for name, text in fixed.items()} | words


# -- layout: which newlines end a line ---------------------------------------------------------------------------------


def lay_out(tokens: list[Token]) -> Iterator[Token]:
    """Keep a newline only where it ends a line; `;` outside of brackets ends one too.

    A bracket that is still open where a line certainly begins becomes an UNCLOSED token, which no rule accepts: so a
    forgotten `]` costs its own line and not the rest of the file.
    """
    opened: list[Token] = []
    last = Token("_NEWLINE", "\n")
    in_names = True  # only names so far: `s1, m` goes on behind the comma, whatever follows
    for i, token in enumerate(tokens):
        ends_line = token.type == "_NEWLINE" or (token.type == "SEMICOLON" and not opened)
        if token.type in ("LBRACE", "RBRACE") or (ends_line and not in_names and _begins_line(tokens, i + 1, last)):
            yield from map(_unclosed, opened)
            opened.clear()
        if ends_line:
            if opened or last.type in ("_NEWLINE", "LBRACE") or _joins(tokens, i + 1, last, in_names):
                continue
            token = _newline(token)
        elif token.type == "RBRACE" and last.type not in ("_NEWLINE", "LBRACE"):
            yield _newline(token)
        elif token.type in ("LPAR", "LSQB"):
            opened.append(token)
        elif token.type in ("RPAR", "RSQB") and opened:
            opened.pop()
        yield token
        in_names = token.type in ("_NEWLINE", "LBRACE") or (in_names and token.type in NAMES | {"COMMA"})
        last = token
    yield from map(_unclosed, opened)
    if last.type != "_NEWLINE":
        yield _newline(last, at_end=True)


def _begins_line(tokens: list[Token], i: int, last: Token) -> bool:
    """Whether a line certainly begins at token i, whatever brackets or operators came before."""
    first, second, third = _kinds(tokens, i)
    if first in STARTERS and second not in ("LSQB", "EQUALS", "COMMA"):
        return first not in SOFT_NAMES or second in NAMES
    while first in NAMES and second == "COMMA":
        i += 2
        first, second, third = _kinds(tokens, i)
    return first in NAMES and second == "EQUALS" and (third in VERBS or last.type not in ("COMMA", "LPAR"))


def _kinds(tokens: list[Token], i: int) -> list[str]:
    """The types of three tokens."""
    return ([token.type for token in tokens[i : i + 3]] + ["$END"] * 3)[:3]


def _joins(tokens: list[Token], i: int, last: Token, in_names: bool) -> bool:
    """Whether the line that begins at token i belongs to the one that ended with `last`."""
    while i < len(tokens) and tokens[i].type == "_NEWLINE":
        i += 1
    if i < len(tokens) and tokens[i].type in JOINS_PREVIOUS:
        return True
    return last.type in JOINS_NEXT and (in_names or not _begins_line(tokens, i, last))


def _newline(token: Token, at_end: bool = False) -> Token:
    start = token.end_pos if at_end else token.start_pos
    return Token("_NEWLINE", "\n", start_pos=start, line=token.line, column=token.column, end_pos=start)


def _unclosed(token: Token) -> Token:
    return Token.new_borrow_pos("UNCLOSED", str(token), token)


# -- from lark's trees to the syntax -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Group:
    """The declarations of one statement."""

    items: tuple[syntax.Item, ...]
    span: Span


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


_CLASSES: dict[str, Any] = {
    _snake(name): cls for name, cls in inspect.getmembers(syntax, inspect.isclass) if "span" in dir(cls)
}


def _span(meta: Meta) -> Span:
    return NOWHERE if meta.empty else Span(meta.start_pos, meta.end_pos)


def _given(children: list[Any]) -> tuple[Any, ...]:
    return tuple(child for child in children if child is not None)


class _Build:
    """A rule becomes the class of its name with its children as fields; the methods are the exceptions from that.

    Does what lark's Transformer does, in a third of the time.
    """

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def transform(self, tree: Tree[Any]) -> Any:
        children = [self.transform(child) if isinstance(child, Tree) else child for child in tree.children]
        exception = getattr(self, f"on_{tree.data}", None)
        return exception(tree.meta, children) if exception else _CLASSES[tree.data](*children, _span(tree.meta))

    def _tuple(self, meta: Meta, children: list[Any]) -> tuple[Any, ...]:
        return _given(children)

    on_module = on_session = on_lines = on_statements = on_names = on_places = on_values = _tuple
    on_kernel_parameters = on_layer_parameters = _tuple

    # declarations

    def _group(self, meta: Meta, children: list[Any]) -> _Group:
        return _Group(tuple(children), _span(meta))

    on_params = on_axes = _group

    def on_axis(self, meta: Meta, children: list[Any]) -> syntax.Axis:
        name, length, ragged = children
        return syntax.Axis(name, length, ragged is not None, _span(meta))

    def on_tensor(self, meta: Meta, children: list[Any]) -> tuple[Any, ...]:
        return *children, _span(meta)

    def on_tensors(self, meta: Meta, children: list[Any]) -> _Group:
        *declared, tier, direction = children
        word = None if direction is None else str(direction)
        return _Group(tuple(syntax.Tensor(name, kind, tier, word, at) for name, kind, at in declared), _span(meta))

    def on_tensor_type(self, meta: Meta, children: list[Any]) -> syntax.TensorType:
        return syntax.TensorType(children[0], children[1] or (), _span(meta))

    def on_layer_tensor(self, meta: Meta, children: list[Any]) -> syntax.TensorType:
        return syntax.TensorType(children[0], children[1] or (), _span(meta))

    def on_use(self, meta: Meta, children: list[Any]) -> syntax.Use:
        return syntax.Use(tuple(children), _span(meta))

    def on_kernel(self, meta: Meta, children: list[Any]) -> syntax.Kernel:
        return syntax.Kernel(children[0], children[1] or (), children[2], _span(meta))

    # units

    def on_pcu(self, meta: Meta, children: list[Any]) -> syntax.Pcu:
        return syntax.Pcu(tuple(children), _span(meta))

    def on_layer_call(self, meta: Meta, children: list[Any]) -> syntax.LayerCall:
        return syntax.LayerCall(children[0], _given(children[1:]), _span(meta))

    def on_as_order(self, meta: Meta, children: list[Any]) -> syntax.As:
        return syntax.As(None, children[0], _span(meta))

    def on_view(self, meta: Meta, children: list[Any]) -> syntax.View:
        return syntax.View(children[0], _given(children[1:]), _span(meta))

    # orders

    def on_order(self, meta: Meta, children: list[Any]) -> syntax.Order:
        tile, rest, lanes = (part or () for part in children)
        return syntax.Order(tile, rest, lanes, _span(meta))

    def on_order_without_tile(self, meta: Meta, children: list[Any]) -> syntax.Order:
        rest, lanes = (part or () for part in children)
        return syntax.Order(None, rest, lanes, _span(meta))

    def on_other_places(self, meta: Meta, children: list[Any]) -> syntax.Place:
        span = _span(meta)
        return syntax.Place(syntax.Term(syntax.Name(syntax.OTHERS, span), None, None, span), children[1], None, span)

    def on_lanes(self, meta: Meta, children: list[Any]) -> tuple[syntax.Place, ...]:
        return tuple(syntax.Place(term, None, None, term.span) for term in children)

    def on_at(self, meta: Meta, children: list[Any]) -> syntax.Expr | bool | str:
        match children:
            case [None]:
                return True
            case [syntax.Ref("socket")]:
                return "socket"
            case [count]:
                return count  # type: ignore[no-any-return]
        raise AssertionError(children)

    # schedules

    def on_launch(self, meta: Meta, children: list[Any]) -> syntax.Launch:
        target, arguments, by = children
        return syntax.Launch(target, arguments, None if by is None else str(by), _span(meta))

    def on_if(self, meta: Meta, children: list[Any]) -> syntax.If:
        condition, then, otherwise = children
        inner = (otherwise,) if isinstance(otherwise, syntax.If) else otherwise or ()
        return syntax.If(condition, then, inner, _span(meta))

    # expressions

    def on_name(self, meta: Meta, children: list[Token]) -> syntax.Name:
        return syntax.Name(str(children[0]), _span(meta))

    def on_ref(self, meta: Meta, children: list[syntax.Name]) -> syntax.Ref:
        return syntax.Ref(children[0].text, _span(meta))

    def on_number(self, meta: Meta, children: list[Token]) -> syntax.Number:
        text = str(children[0])
        return syntax.Number(int(text) if text.isdecimal() else float(text), _span(meta))

    def on_unary(self, meta: Meta, children: list[Any]) -> syntax.Unary:
        return syntax.Unary(str(children[0]), children[1], _span(meta))

    def on_binary(self, meta: Meta, children: list[Any]) -> syntax.Binary:
        left, op, right = children
        return syntax.Binary(str(op), left, right, _span(meta))

    def on_call(self, meta: Meta, children: list[Any]) -> syntax.Call | syntax.View:
        """`f(a, b)` is a call and `x(t = u)` a view; nothing is both."""
        name, *given = children
        arguments: tuple[syntax.Argument, ...] = _given(given)
        if arguments and all(a.name for a in arguments):
            bindings = tuple(syntax.Binding(a.name, a.value, a.span) for a in arguments if a.name)
            return syntax.View(name, bindings, _span(meta))
        for argument in arguments:
            if argument.name is not None:
                self._report(
                    "a call in an expression has no named arguments, and a view names every axis",
                    argument.span,
                    f"`{argument.name.text} =` stands beside arguments without a name",
                    "give a layer with named constants a line of its own",
                )
        return syntax.Call(name, tuple(a.value for a in arguments), _span(meta))

    def on_reduce(self, meta: Meta, children: list[Any]) -> syntax.Reduce:
        head, body = children
        if isinstance(head, syntax.View):
            self._report(
                "a reduction names digits, a view binds axes",
                head.span,
                "a view is not followed by an operand",
                f"put an operator behind the view, or write a reduction as `sum({head.bindings[0].axis.text}) x`",
            )
            return syntax.Reduce(head.name, (), body, _span(meta))
        return syntax.Reduce(head.function, tuple(map(self._digit, head.arguments)), body, _span(meta))

    def _digit(self, expr: syntax.Expr) -> syntax.Term:
        """The digit that `u/K%8` means between the brackets of a reduction."""
        match expr:
            case syntax.Ref(text, span):
                return syntax.Term(syntax.Name(text, span), None, None, span)
            case syntax.Binary("/", syntax.Ref(text, at), over, span):
                return syntax.Term(syntax.Name(text, at), over, None, span)
            case syntax.Binary("%", syntax.Ref(text, at), modulo, span):
                return syntax.Term(syntax.Name(text, at), None, modulo, span)
            case syntax.Binary("%", syntax.Binary("/", syntax.Ref(text, at), over), modulo, span):
                return syntax.Term(syntax.Name(text, at), over, modulo, span)
        self._report(
            "a reduction runs over digits",
            expr.span,
            "not a digit of an axis",
            "write digits such as `k`, `k/8` or `k%8`; a function with an operand behind it needs an operator between",
        )
        return syntax.Term(syntax.Name("_", expr.span), None, None, expr.span)

    def _report(self, message: str, span: Span, label: str, help: str) -> None:
        self.diagnostics.append(Diagnostic("RDF001", message, (Label(span, label),), help=help))


# -- driving the parser, and recovering --------------------------------------------------------------------------------

# What stands in for a header that cannot be read, so that the lines of its block still can.
_STUBS = {
    "KERNEL": ("KERNEL", "NAME"),
    "LAYER": ("LAYER", "NAME", "LPAR", "RPAR"),
    "SCHEDULE": ("SCHEDULE",),
    "FOR": ("FOR", "NAME", "IN", "NUMBER", "DOTS", "NUMBER"),
    "IF": ("IF", "NUMBER"),
    "ELSE": ("ELSE",),
}


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """The parser where a line begins, and that line's first token."""

    index: int
    states: list[Any]
    values: list[Any]


@dataclass(frozen=True, slots=True)
class _Block:
    brace: Token
    head: str  # the type of the token that begins its header


class _Reader:
    """Feeds tokens to the parser. At an error it goes back to where the line began and on after its end."""

    def __init__(self, source: Source, start: str):
        self.source = source
        self.tokens = list(grammar().lex(source.text))
        self.parser: InteractiveParser = grammar().parse_interactive("", start=start)
        self.index = 0
        self.failed_at = -1
        self.blocks: list[_Block] = []
        self.diagnostics: list[Diagnostic] = []
        self.never_closed = _never_closed(self.tokens)
        self.checkpoint = self._mark()

    def read(self) -> Tree[Any]:
        while self.index < len(self.tokens):
            self._step()
        while self.blocks:
            self._close_for_user(None)
        tree: Tree[Any] = self.parser.feed_eof()  # type: ignore[no-untyped-call]
        return tree

    def _step(self) -> None:
        token = self.tokens[self.index]
        before = self._mark() if self._line_may_begin() else None
        if before and self._previous() in ("_NEWLINE", "LBRACE", "RBRACE", None):
            self.checkpoint = before
            if self._leaves_block_open(token):
                return self._close_for_user(token)
        try:
            self.parser.feed_token(token)
        except UnexpectedToken:
            return self._recover(token)
        self.checkpoint = before or self.checkpoint
        self._follow_braces(token)
        self.index += 1

    def _previous(self) -> str | None:
        return self.tokens[self.index - 1].type if self.index else None

    def _next(self) -> str | None:
        return self.tokens[self.index + 1].type if self.index + 1 < len(self.tokens) else None

    def _line_may_begin(self) -> bool:
        """After a newline or a brace, and at each word that begins a statement of a schedule."""
        previous = self._previous()
        if previous in ("_NEWLINE", "LBRACE", "RBRACE", None):
            return True
        is_statement = self.tokens[self.index].type in STATEMENTS and previous not in ("ASYNC", "ELSE")
        return is_statement and self._in_schedule()

    def _in_schedule(self) -> bool:
        return bool(self.blocks) and self.blocks[0].head == "SCHEDULE"

    def _mark(self) -> _Checkpoint:
        """Lark grows the lists of repeated rules in place, so trees are copied one level deep."""
        state = self.parser.parser_state
        values = [Tree(v.data, list(v.children), v.meta) if isinstance(v, Tree) else v for v in state.value_stack]
        return _Checkpoint(self.index, list(state.state_stack), values)

    def _follow_braces(self, token: Token) -> None:
        if token.type == "LBRACE":
            self.blocks.append(_Block(token, self.tokens[self.checkpoint.index].type))
        elif token.type == "RBRACE":
            self.blocks.pop()

    def _leaves_block_open(self, token: Token) -> bool:
        """A declaration begins inside a block whose brace nothing closes."""
        if token.type not in DECLARATIONS or self._next() in ("EQUALS", "COMMA"):
            return False
        return bool(self.blocks) and self.blocks[-1].brace.start_pos in self.never_closed

    def _close_for_user(self, before: Token | None) -> None:
        block = self.blocks.pop()
        labels = [Label(_token_span(block.brace), "opened here")]
        if before is not None:
            labels.append(Label(_token_span(before), "this cannot stand inside it"))
        self.diagnostics.append(
            Diagnostic("RDF002", "this block is not closed", tuple(labels), help="close it with `}`")
        )
        self._feed("RBRACE", block.brace)

    def _recover(self, token: Token) -> None:
        diagnosis = _Diagnosis(self, token)
        self.diagnostics.append(diagnosis.report())
        if diagnosis.resume is not None:
            self.index = diagnosis.resume
            return
        if self.index == self.failed_at:  # nothing else may stop a token from being read twice
            self.index += 1
        self.failed_at = self.index
        self.parser.parser_state.state_stack[:] = self.checkpoint.states
        self.parser.parser_state.value_stack[:] = self.checkpoint.values
        self.checkpoint = self._mark_at(self.checkpoint.index)
        brace = self._brace_of_header()
        if brace is None:
            self.index = self._end_of_line()
        else:
            self._feed_stub()
            self.index = brace

    def _mark_at(self, index: int) -> _Checkpoint:
        mark = self._mark()
        return _Checkpoint(index, mark.states, mark.values)

    def _brace_of_header(self) -> int | None:
        """Where the block begins whose header holds the error, if it has one on this line."""
        start = self.checkpoint.index
        head = self.tokens[start].type
        if self.index == start or head not in _STUBS or (head in DECLARATIONS and self.blocks):
            return None
        for i in range(start, len(self.tokens)):
            if self.tokens[i].type == "LBRACE":
                return i
            if self.tokens[i].type in ("_NEWLINE", "RBRACE"):
                return None
        return None

    def _feed_stub(self) -> None:
        head, after = self.tokens[self.checkpoint.index : self.checkpoint.index + 2]
        name = str(after) if after.type == "NAME" else "_"
        texts = {"NAME": name, "NUMBER": "0"}
        for kind in _STUBS[head.type]:
            self._feed(kind, head, texts.get(kind, ""))

    def _feed(self, kind: str, where: Token, text: str = "") -> None:
        self.parser.feed_token(Token.new_borrow_pos(kind, text, where))

    def _end_of_line(self) -> int:
        """The next newline, closing brace or statement that is not inside a block of this line."""
        depth = 0
        for i in range(self.index, len(self.tokens)):
            kind = self.tokens[i].type
            ends = kind in ("_NEWLINE", "RBRACE") or (kind in STATEMENTS and self._in_schedule())
            if depth == 0 and ends and i > self.checkpoint.index:
                return i
            depth += (kind == "LBRACE") - (kind == "RBRACE" and depth > 0)
        return len(self.tokens)


def _never_closed(tokens: list[Token]) -> set[int | None]:
    """Where the braces stand that have no partner."""
    opened: list[int | None] = []
    for token in tokens:
        if token.type == "LBRACE":
            opened.append(token.start_pos)
        elif token.type == "RBRACE" and opened:
            opened.pop()
    return set(opened)


def _token_span(token: Token) -> Span:
    return Span(token.start_pos or 0, token.end_pos or 0)


# -- saying what is wrong ----------------------------------------------------------------------------------------------

_CURES = {
    "&": "`and`", "|": "`or`", "^": "a product", "!": "`not`", "×": "`*`", "·": "`*`", "÷": "`/`", "−": "`-`",
    "–": "`-`", "≤": "`<=`", "≥": "`>=`", "≠": "`!=`", "→": "`->`", "∞": "`inf`", "∑": "`sum(k) x`",
}  # fmt: skip

# What may come next, as a phrase for a whole set of tokens. The first that fits is said; its tokens are then left out.
_PHRASES: tuple[tuple[str, set[str], set[str]], ...] = (
    ("a unit (`load`, `pmu`, `pcu`, `fifo`, `carry`, `split`, `merge`, or a layer's name)", VERBS, VERBS | {"NAME"}),
    ("a declaration (`param`, `axis`, `tensor`, `kernel`, `layer`, `use`, `pool`, `schedule`)", DECLARATIONS, set()),
    ("a statement (`launch`, `activate`, `copy`, `let`, `for`, `if`, `async`)", STATEMENTS, set()),
    ("a line (`name = ...`, `store` or `return`)", {"NAME", "STORE", "RETURN"}, set()),
    ("an expression", {"NAME", "NUMBER", "LPAR", "MINUS"}, {"INF", "NOT"}),
    ("a number, a name or `(`", {"NAME", "NUMBER", "LPAR"}, {"INF"}),
    ("an operator", ARITHMETIC, OPERATORS | {"NAME", "NUMBER", "INF", "EQUALS"}),
    ("an operator", {"STAR", "SLASH", "PERCENT"}, OPERATORS),
    ("`software` or `hardware`", {"SOFTWARE", "HARDWARE"}, set()),
)


def _expected(accepted: set[str]) -> str:
    """What may come next, in the language's words."""
    left = accepted - {"$END"} - (SOFT_NAMES if "NAME" in accepted else set())
    if len(left) > 1:
        left = left - ({"_NEWLINE"} if left & (STATEMENTS | {"STORE"} | {"PARAM"}) else set())
    phrases = []
    for phrase, needed, also in _PHRASES:
        if needed <= left:
            phrases.append(phrase)
            left = left - needed - also
            if phrase == "an operator":
                left = left - {"LPAR"}
    words = [spelling().get(kind, kind) for kind in sorted(left, key=lambda k: (k == "_NEWLINE", k))]
    return _or(phrases + words) or "nothing more"


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1] if words else ""


class _Diagnosis:
    """What an unexpected token means. `resume`: where to go on within the line, when that is safe."""

    def __init__(self, reader: _Reader, token: Token):
        self.reader = reader
        self.token = token
        self.index = reader.index
        self.line = reader.tokens[reader.checkpoint.index : reader.index]  # what was read of the line
        self.accepted = set(reader.parser.accepts())  # type: ignore[no-untyped-call]
        self.resume: int | None = None

    def report(self) -> Diagnostic:
        if self.token.type == "BAD":
            return self._bad_character()
        if self.token.type == "UNCLOSED":
            return self._unclosed()
        if self.token.type in ("RPAR", "RSQB", "RBRACE"):
            wrong = self._closes_wrongly()
            if wrong is not None:
                return wrong
        if self._is_old_view():
            return self._old_view()
        return self._unexpected()

    def _bad_character(self) -> Diagnostic:
        tokens, end = self.reader.tokens, self.index + 1
        while end < len(tokens) and tokens[end].type == "BAD" and tokens[end].start_pos == tokens[end - 1].end_pos:
            end += 1
        text = "".join(tokens[self.index : end])
        label = Label(Span(self.token.start_pos or 0, tokens[end - 1].end_pos or 0), "not in the language")
        cure = _CURES.get(text[0])
        return Diagnostic("RDF003", f"`{text}` is not in the language", (label,), help=cure and f"write {cure}")

    def _unclosed(self) -> Diagnostic:
        opened = str(self.token)
        label = Label(_token_span(self.token), "opened here")
        return Diagnostic("RDF002", f"`{opened}` is not closed", (label,), help=f"close it with `{CLOSERS[opened]}`")

    def _closes_wrongly(self) -> Diagnostic | None:
        """A closing bracket that closes nothing, or another kind of bracket than the one that is open."""
        closer = Label(_token_span(self.token), "closes nothing")
        opened = self._open_bracket()
        if opened is None:
            if self.token.type == "RBRACE" and self.reader.blocks:
                return None
            return Diagnostic("RDF002", f"`{self.token}` closes nothing", (closer,), help="leave it out")
        wanted = CLOSERS[str(opened)]
        if wanted == self.token:
            return None
        labels = (Label(closer.span, f"expected `{wanted}`"), Label(_token_span(opened), "opened here"))
        return Diagnostic("RDF002", f"`{opened}` is closed by `{self.token}`", labels, help=f"close it with `{wanted}`")

    def _open_bracket(self) -> Token | None:
        opened: list[Token] = []
        for token in self.line:
            if token.type in ("LPAR", "LSQB"):
                opened.append(token)
            elif token.type in ("RPAR", "RSQB") and opened:
                opened.pop()
        return opened[-1] if opened else None

    def _is_old_view(self) -> bool:
        head = self.line[0].type if self.line else ""
        return (
            self.token.type == "LSQB" and bool(self.line) and self.line[-1].type == "NAME" and head not in DECLARATIONS
        )

    def _old_view(self) -> Diagnostic:
        """`T[idx]`: the rest of the line is read as if the index were not there."""
        name = self.line[-1]
        close = self._matching_bracket()
        if close is not None:
            self.resume = close + 1
        end = self.reader.tokens[close] if close is not None else self.token
        written = self.reader.source.text[self.token.end_pos or 0 : end.start_pos or 0].strip() if close else "..."
        pairs = ", ".join(f"axis = {part.strip()}" for part in written.split(","))
        axes = self._axes_of(str(name))
        notes = (f"`{name}` has the axes {', '.join(axes)}",) if axes else ()
        span = _token_span(name).to(_token_span(end))
        return Diagnostic(
            "RDF004",
            "a view names the axes that it indexes",
            (Label(span, "indexed by position"),),
            notes,
            f"write `{name}({pairs})`, with the name of the axis that `{written}` indexes",
        )

    def _matching_bracket(self) -> int | None:
        depth = 0
        for i in range(self.index, len(self.reader.tokens)):
            kind = self.reader.tokens[i].type
            if kind in ("_NEWLINE", "UNCLOSED"):
                return None
            depth += (kind == "LSQB") - (kind == "RSQB")
            if depth == 0:
                return i
        return None

    def _axes_of(self, name: str) -> list[str]:
        """The axes of a declared tensor, read from the text: the tree may not be whole."""
        found = re.search(rf"\b{re.escape(name)}\s*:\s*\w+\s*\[([^\]]*)\]", self.reader.source.text)
        return re.findall(r"(?:^|,)\s*(\w+)", found.group(1)) if found else []

    def _unexpected(self) -> Diagnostic:
        if self._lacks_verb():
            return self._missing_verb()
        ends = self.token.type == "_NEWLINE"
        found = spelling()["_NEWLINE"] if ends else f"`{self.token}`"
        labels = [Label(_token_span(self.token), "the line ends too early" if ends else "not expected here")]
        opened = self._open_bracket()
        if opened is not None and ends:
            labels.append(Label(_token_span(opened), "opened here"))
        message = f"expected {_expected(self.accepted)}, found {found}"
        return Diagnostic("RDF001", message, tuple(labels), help=self._help())

    def _help(self) -> str | None:
        kind, inside = self.token.type, bool(self.reader.blocks)
        reserved = self._reserved_word()
        if reserved is not None:
            return f"`{reserved}` is a word of the language; choose another name"
        if kind == "EQUALS" and "EQUAL" in self.accepted:
            return "to compare, write `==`"
        if kind == "_NEWLINE" and "IN" in self.accepted and self.line[0].type == "TENSOR":
            return "say where the tensor lives: `in hbm` or `in ddr`"
        if not self.line and kind in ("NAME", "STORE") and (not inside or self.reader._in_schedule()):
            return "units stand in a kernel: `kernel name { ... }`"
        if not self.line and kind in STATEMENTS:
            return "statements stand in the schedule: `schedule { ... }`"
        if not self.line and kind in DECLARATIONS and inside:
            return "declarations stand outside of the braces"
        return None

    def _reserved_word(self) -> str | None:
        """A word of the language where a name should stand: found as such, or seen too late, at its `=`."""
        if self.token.type == "EQUALS" and self.line and _is_word(self.line[-1]):
            return str(self.line[-1])
        named = bool(self.line) or self.reader._next() == "EQUALS"
        return str(self.token) if named and _is_word(self.token) and "NAME" in self.accepted else None

    def _lacks_verb(self) -> bool:
        """`y = a + b` in a kernel: a computation without its `pcu`."""
        kinds = [token.type for token in self.line]
        if "EQUALS" not in kinds or kinds[0] != "NAME" or VERBS & set(kinds) or not self.reader.blocks:
            return False
        behind = self.reader.tokens[self.index - len(kinds) + kinds.index("EQUALS") + 1]
        return behind.type in ("NAME", "NUMBER", "LPAR", "MINUS", "INF")

    def _missing_verb(self) -> Diagnostic:
        text = self.reader.source.text
        equals = next(token for token in self.line if token.type == "EQUALS")
        after = equals.end_pos or 0
        written = re.split(r"[\n#}]", text[after:], maxsplit=1)[0]
        start = after + len(written) - len(written.lstrip())
        label = Label(Span(start, after + len(written.rstrip())), "a computation needs `pcu`")
        line = f"{text[self.line[0].start_pos or 0 : after]} pcu {written.strip()}"
        expected = _PHRASES[0][0]
        return Diagnostic("RDF001", f"expected {expected}, found an expression", (label,), help=f"write `{line}`")


def _is_word(token: Token) -> bool:
    return token.type not in ("NAME", "INF") and str(token).isalpha()


# -- what others call --------------------------------------------------------------------------------------------------


def parse(source: Source) -> tuple[syntax.Module, list[Diagnostic]]:
    """The tree of a file, without what could not be read, and every syntax error."""
    parts, diagnostics = _build(source, "module")
    groups = tuple(part.span for part in parts if isinstance(part, _Group))
    return syntax.Module(source, tuple(_items(parts)), _comments(source.text), groups), diagnostics


def parse_lines(source: Source) -> tuple[tuple[syntax.Item, ...], tuple[syntax.Line, ...], list[Diagnostic]]:
    """What is typed in the REPL: declarations, or lines of a kernel without the kernel."""
    parts, diagnostics = _build(source, "session")
    lines = tuple(part for part in parts if isinstance(part, syntax.Line))
    return tuple(_items(part for part in parts if not isinstance(part, syntax.Line))), lines, diagnostics


def is_incomplete(text: str) -> bool:
    """Whether more is to come: a bracket or a brace is open, or the last line ends with an operator."""
    tokens = [token for token in grammar().lex(text) if token.type not in ("_NEWLINE", "UNCLOSED")]
    kinds = [token.type for token in tokens]
    pairs = (("LPAR", "RPAR"), ("LSQB", "RSQB"), ("LBRACE", "RBRACE"))
    return any(kinds.count(a) > kinds.count(b) for a, b in pairs) or (bool(kinds) and kinds[-1] in JOINS_NEXT)


def _build(source: Source, start: str) -> tuple[tuple[Any, ...], list[Diagnostic]]:
    reader = _Reader(source, start)
    tree = reader.read()
    build = _Build()
    parts = build.transform(tree)
    found = reader.diagnostics + build.diagnostics
    return parts, sorted(found, key=lambda diagnostic: diagnostic.labels[0].span.start)


def _items(parts: Iterable[Any]) -> Iterator[syntax.Item]:
    for part in parts:
        if isinstance(part, _Group):
            yield from part.items
        else:
            yield part


def _comments(text: str) -> tuple[syntax.Comment, ...]:
    """The language has no strings, so a `#` always begins a comment."""
    return tuple(_comment(text, found) for found in re.finditer(r"#[^\n]*", text))


def _comment(text: str, found: re.Match[str]) -> syntax.Comment:
    start = found.start()
    alone = not text[text.rfind("\n", 0, start) + 1 : start].strip()
    written = found.group().rstrip()
    return syntax.Comment(written, alone, Span(start, start + len(written)))
