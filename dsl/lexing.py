"""Tokens: their kinds, how they are written, and which newlines end a line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from lark import Lark, Token
from platformdirs import user_cache_path

from rdflow.dsl.source import Span

VERBS = {"LOAD", "PMU", "PCU", "FIFO", "CARRY", "SPLIT", "MERGE"}
DECLARATIONS = {"PARAM", "AXIS", "TENSOR", "USE", "POOL", "KERNEL", "LAYER", "SCHEDULE"}
STATEMENTS = {"LAUNCH", "ACTIVATE", "COPY", "LET", "WAIT", "FOR", "IF", "ASYNC"}
STARTERS = DECLARATIONS | STATEMENTS | {"STORE", "RETURN"}
ARITHMETIC = {"PLUS", "MINUS", "STAR", "SLASH", "PERCENT"}
OPERATORS = ARITHMETIC | {"LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "EQUAL", "UNEQUAL", "AND", "OR"}

# Words, yet also good names.
SOFT_NAMES = {"LAYER", "KERNEL", "POOL", "USE", "INPUT", "OUTPUT", "CACHED", "EVICT", "SOFTWARE", "HARDWARE", "WAIT"}
NAMES = SOFT_NAMES | {"NAME"}

CLOSERS = {"(": ")", "[": "]", "{": "}"}
JOINS_NEXT = OPERATORS | {"NOT", "COMMA", "EQUALS", "AS", "ARROW"}  # a line that ends with one goes on
JOINS_PREVIOUS = {"AS", "DEPTH", "BY", "ELSE", "ARROW", "LBRACE"}  # a line that begins with one belongs to the last


class Layout:
    """What stands between lexer and parser: it keeps the newlines that end a line and drops the others."""

    always_accept = ("BAD",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return lay_out(list(stream))


@cache
def grammar() -> Lark:
    """The parser, built at first use. Its tables are kept in the user's cache folder: 20 ms instead of 300. Grammars
    of other versions have files of their own, or two versions in use would build tables at every start."""
    text = (files("rdflow.grammar") / "rdf.lark").read_text(encoding="utf-8")
    return Lark(
        text,
        parser="lalr",
        lexer="basic",
        start=["module", "session"],
        propagate_positions=True,
        maybe_placeholders=True,
        postlex=Layout(),
        cache=_table_cache(text) or False,
    )


def _table_cache(text: str) -> str | None:
    """The file for the tables of a grammar; None where there can be none."""
    name = f"grammar.{sha256(text.encode()).hexdigest()[:16]}"
    try:
        return str(Path(user_cache_path("rdflow", ensure_exists=True)) / name)
    except OSError:
        return None


@cache
def spelling() -> dict[str, str]:
    """How a token is written, by its type."""
    fixed = {t.name: t.pattern.value for t in grammar().terminals if t.pattern.type == "str"}
    words = {"NAME": "a name", "NUMBER": "a number", "_NEWLINE": "the end of the line", "$END": "the end of the file"}
    return {name: f"`{text}`" for name, text in fixed.items()} | words


def token_span(token: Token) -> Span:
    return Span(token.start_pos or 0, token.end_pos or 0)


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
