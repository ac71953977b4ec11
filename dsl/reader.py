"""Drives the parser over the tokens of a text, and recovers from errors: the lines beside a mistake are still read."""

from __future__ import annotations

from typing import Any

from lark import Token, Tree, UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from rdflow.dsl.diagnostics import Diagnostic, Label
from rdflow.dsl.lexing import DECLARATIONS, STATEMENTS, grammar, token_span
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source
from rdflow.dsl.syntax_errors import Diagnosis

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


class Reader:
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
        if self._waits(token):
            self._feed("_NEWLINE", token)
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

    def next_kind(self) -> str | None:
        return self.tokens[self.index + 1].type if self.index + 1 < len(self.tokens) else None

    def _line_may_begin(self) -> bool:
        """After a newline or a brace, and at each word that begins a statement of a schedule."""
        previous = self._previous()
        if previous in ("_NEWLINE", "LBRACE", "RBRACE", None):
            return True
        is_statement = self.tokens[self.index].type in STATEMENTS and previous not in ("ASYNC", "ELSE")
        return is_statement and self.in_schedule()

    def _waits(self, token: Token) -> bool:
        """A `wait` right behind a bracket begins a statement: a schedule has no reductions, as `a() wait` would be one."""
        behind = token.type == "WAIT" and self._previous() == "RPAR" and self.in_schedule()
        return behind and "_NEWLINE" in self.parser.accepts()  # type: ignore[no-untyped-call]

    def in_schedule(self) -> bool:
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
        if token.type not in DECLARATIONS or self.next_kind() in ("EQUALS", "COMMA"):
            return False
        return bool(self.blocks) and self.blocks[-1].brace.start_pos in self.never_closed

    def _close_for_user(self, before: Token | None) -> None:
        block = self.blocks.pop()
        labels = [Label(token_span(block.brace), "opened here")]
        if before is not None:
            labels.append(Label(token_span(before), "this cannot stand inside it"))
        self.diagnostics.append(
            Diagnostic("RDF002", "this block is not closed", tuple(labels), help="close it with `}`")
        )
        self._feed("RBRACE", block.brace)

    def _recover(self, token: Token) -> None:
        diagnosis = Diagnosis(self, token)
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
            ends = kind in ("_NEWLINE", "RBRACE") or (kind in STATEMENTS and self.in_schedule())
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
