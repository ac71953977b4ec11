"""Arithmetic of a table over keys of config.json, in the language's own expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from difflib import get_close_matches
from typing import Any

from rdflow.checkpoints.table import Formula
from rdflow.checkpoints.table_files import TableFile
from rdflow.dsl import syntax
from rdflow.dsl.arithmetic import FUNCTIONS, Value
from rdflow.dsl.constants import evaluate
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.mentioned import names
from rdflow.dsl.parse import parse
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Abandon, Reporter
from rdflow.dsl.source import Source

DTYPES = {"bfloat16": "bf16", "float16": "f32", "float32": "f32"}
"""The dtype of the language that holds every value of one of PyTorch; f16 has none of its own."""


class Unknown(Exception):
    """A formula has no value; `why` says so, after the formula."""

    def __init__(self, why: str, help: str | None = None):
        self.why, self.help = why, help
        super().__init__(why)


@dataclass
class Formulas:
    """Values of formulas. `config`: that of the checkpoint, with `params`, which win over the table's own formulas."""

    file: TableFile
    config: Mapping[str, Any]
    params: Mapping[str, Value]
    _pending: list[str] = field(default_factory=list)

    def value(self, formula: Formula, path: str, what: str) -> Value:
        """The number, or the dtype, that the formula at a place of the table gives. Raises CompileError (RDF312)."""
        try:
            return self.evaluated(formula)
        except Unknown as unknown:
            label = self.file.label(path, f"gives {what}")
            message = f"{what} follows from `{formula}`, {unknown.why}"
            raise CompileError([Diagnostic("RDF312", message, label, (), unknown.help)], self.file.source) from None

    def key(self, path: str) -> Any:
        """What config.json has at a dotted path; None where it has nothing there."""
        found: Any = self.config
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def first(self, formulas: tuple[Formula, ...]) -> Value:
        """The first that has a value. A key is looked up in config.json, whatever the table calls by its name."""
        for formula in formulas[:-1]:
            if _is_key(formula):
                found = self.key(str(formula))
                if isinstance(found, int | float | str):
                    return _of_language(found)
                continue
            try:
                return self.evaluated(formula)
            except Unknown:
                continue
        last = formulas[-1]
        found = self.key(str(last)) if _is_key(last) else None
        return _of_language(found) if isinstance(found, int | float | str) else self.evaluated(last)

    def evaluated(self, formula: Formula) -> Value:
        """The value of a formula. Raises Unknown."""
        if not isinstance(formula, str):
            return formula
        if _is_key(formula):
            return self._named(formula)
        expr = _parsed(formula)
        values = {name: self._named(name) for name in names(expr, _known)}
        report = Reporter()
        try:
            return evaluate(expr, values, {}, report)
        except Abandon:
            raise Unknown(f"but {report.found[0].message}") from None

    def _named(self, name: str) -> Value:
        """A param, a key that the table defines, or one of config.json."""
        table = self.file.table
        if name in self.params:
            return self.params[name]
        if name in self._pending:
            raise Unknown(f"which leads back to `{name}`")
        self._pending.append(name)
        try:
            if name in table.params:
                return self.evaluated(table.params[name])
            if name in table.config:
                return self.first(table.config[name])
        finally:
            self._pending.pop()
        found = self.key(name)
        if isinstance(found, int | float | str):
            return _of_language(found)
        near = get_close_matches(name, self.config, 1)
        help = f"did you mean `{near[0]}`?" if near else "the table's section `[config]` may give a value for it"
        raise Unknown(f"and config.json has no number `{name}`", help)


def _is_key(formula: Formula) -> bool:
    """Whether it is one name, dotted or not."""
    return isinstance(formula, str) and all(part.isidentifier() for part in formula.split("."))


def _of_language(value: int | float | str) -> Value:
    return DTYPES.get(value, value) if isinstance(value, str) else value


def _parsed(text: str) -> syntax.Expr:
    module, mistakes = parse(Source("formula", f"param X = {text}\n"))
    if mistakes or len(module.items) != 1 or not isinstance(module.items[0], syntax.Param):
        raise Unknown("which is no arithmetic", "write numbers, keys and + - * / % ( ), as in `hidden_size / 2`")
    return module.items[0].value


def _known(call: syntax.Call) -> bool:
    return call.function.text in FUNCTIONS
