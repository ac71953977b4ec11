"""What an unexpected token means, and the cure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lark import Token

from rdflow.dsl.diagnostics import Diagnostic, Label
from rdflow.dsl.lexing import (
    ARITHMETIC,
    CLOSERS,
    DECLARATIONS,
    OPERATORS,
    SOFT_NAMES,
    STATEMENTS,
    VERBS,
    spelling,
    token_span,
)
from rdflow.dsl.source import Span

if TYPE_CHECKING:
    from rdflow.dsl.reader import Reader

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


class Diagnosis:
    """What an unexpected token means. `resume`: where to go on within the line, when that is safe."""

    def __init__(self, reader: Reader, token: Token):
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
        label = Label(token_span(self.token), "opened here")
        return Diagnostic("RDF002", f"`{opened}` is not closed", (label,), help=f"close it with `{CLOSERS[opened]}`")

    def _closes_wrongly(self) -> Diagnostic | None:
        """A closing bracket that closes nothing, or another kind of bracket than the one that is open."""
        closer = Label(token_span(self.token), "closes nothing")
        opened = self._open_bracket()
        if opened is None:
            if self.token.type == "RBRACE" and self.reader.blocks:
                return None
            return Diagnostic("RDF002", f"`{self.token}` closes nothing", (closer,), help="leave it out")
        wanted = CLOSERS[str(opened)]
        if wanted == self.token:
            return None
        labels = (Label(closer.span, f"expected `{wanted}`"), Label(token_span(opened), "opened here"))
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
        span = token_span(name).to(token_span(end))
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
        labels = [Label(token_span(self.token), "the line ends too early" if ends else "not expected here")]
        opened = self._open_bracket()
        if opened is not None and ends:
            labels.append(Label(token_span(opened), "opened here"))
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
        if not self.line and kind in ("NAME", "STORE") and (not inside or self.reader.in_schedule()):
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
        named = bool(self.line) or self.reader.next_kind() == "EQUALS"
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
