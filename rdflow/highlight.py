"""Colours for programs: in the terminal, in notebooks, and wherever Pygments is."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, Text, Whitespace

DECLARATIONS = ("param", "axis", "tensor", "kernel", "layer", "use", "pool", "schedule")
UNITS = ("load", "pmu", "pcu", "fifo", "carry", "split", "merge", "store", "return")
STATEMENTS = ("launch", "activate", "copy", "let", "wait", "for", "if", "else", "async")
PARTICLES = ("as", "depth", "in", "by", "from", "over", "cached", "evict", "ragged", "input", "output")
PLACES = ("hbm", "ddr", "sram", "socket", "software", "hardware", "lru", "lfu", "belady", "pinned", "prefetch")
DTYPES = ("bf16", "f32", "int8", "int32", "bool")
FUNCTIONS = (
    "sum", "max", "min", "last", "argmax", "where", "exp", "log", "sqrt", "rsqrt", "sigmoid", "tanh", "silu", "abs",
    "len", "count",
)  # fmt: skip


class RdfLexer(RegexLexer):  # type: ignore[misc]
    """Lexer of the rdflow language."""

    name = "rdflow"
    aliases: ClassVar[list[str]] = ["rdf", "rdflow"]
    filenames: ClassVar[list[str]] = ["*.rdf"]
    url = "https://pypi.org/project/rdflow"

    tokens: ClassVar = {
        "root": [
            (r"\s+", Whitespace),
            (r"#[^\n]*", Comment.Single),
            (r"(kernel|layer)(\s+)(\w+)", bygroups(Keyword.Declaration, Whitespace, Name.Function)),
            (r"(use)(\s+)([\w.]+)", bygroups(Keyword.Namespace, Whitespace, Name.Namespace)),
            (words(DECLARATIONS, prefix=r"\b", suffix=r"\b"), Keyword.Declaration),
            (words(UNITS + STATEMENTS, prefix=r"\b", suffix=r"\b"), Keyword),
            (words(PARTICLES, prefix=r"\b", suffix=r"\b"), Keyword.Pseudo),
            (words(PLACES, prefix=r"\b", suffix=r"\b"), Name.Constant),
            (words(DTYPES, prefix=r"\b", suffix=r"\b"), Keyword.Type),
            (words(("and", "or", "not"), prefix=r"\b", suffix=r"\b"), Operator.Word),
            (r"inf\b", Keyword.Constant),
            (words(FUNCTIONS, prefix=r"\b", suffix=r"(?=\()"), Name.Builtin),
            (r"\d+(\.\d+)?[eE][+-]?\d+|\d+\.\d+", Number.Float),
            (r"\d+", Number.Integer),
            (r"[^\W\d]\w*", Name),
            (r"->|\.\.|[<>=!]=|[-+*/%<>=@|]", Operator),
            (r"[()\[\]{},;:.]", Punctuation),
            (r".", Text),
        ]
    }
