"""The table beside a program, `NAME.toml`: which weights its tensors are, and how its params follow from config.json.

architectures = ["LlamaForCausalLM"]       # that config.json may name
ignored = ["model.rotary_emb.inv_freq"]    # weights that are no tensor
[only]                                     # keys of config.json for which the program does one thing
hidden_act = "silu"
[config]                                   # keys with several names, or that may be left out: the first that is there
head_dim = ["head_dim", "hidden_size / num_attention_heads"]
[params]                                   # numbers, or arithmetic over keys and params
W = "head_dim / 2"
[tensors]                                  # an axis in braces is stacked; of several names the first that is there
Wq = "model.layers.{l}.self_attn.q_proj.weight"
Wk = { weight = "h.{l}.attention.query_key_value.weight", shape = "g R:R+2 e c" }
[tables.rope]                              # what rdflow.tables makes
tensors = ["COS", "SIN"]
positions = "U"
[prompt]                                   # how the program takes a prompt and gives tokens
tokens = "PROMPT"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from rdflow.checkpoints.sections import each, formula, formulas, record, text, texts
from rdflow.dsl.records import dataclass

Formula = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Weight:
    """What a tensor is made of: names of weights, of which the first that exists counts, with stacked axes in braces.
    `shape`: the parts of the weight's shape from the slowest to the fastest, where they are not the tensor's other axes;
    a part is an axis, `axis:N` (the first of N), or `i:N` (number i of N)."""

    weight: tuple[str, ...]
    shape: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What a function of `rdflow.tables` makes. The others are its arguments, as formulas; `scaling`: keys of config.json,
    of which the first that is there counts."""

    tensors: tuple[str, ...]
    positions: Formula | None = None
    width: Formula | None = None
    base: Formula | None = None
    scaling: tuple[str, ...] = ()
    heads: Formula | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """The tensors that a prompt goes to and tokens come from; the params of their lengths, and of the cache's."""

    tokens: str
    ids: str
    sequences: str
    length: str
    steps: str
    positions: str


@dataclass(frozen=True, slots=True)
class Table:
    """All of a table."""

    architectures: tuple[str, ...]
    params: Mapping[str, Formula]
    tensors: Mapping[str, Weight]
    ignored: tuple[str, ...] = ()
    only: Mapping[str, tuple[Formula, ...]] = field(default_factory=dict)
    config: Mapping[str, tuple[Formula, ...]] = field(default_factory=dict)
    tables: Mapping[str, Made] = field(default_factory=dict)
    prompt: Prompt | None = None


_weight = record(Weight, {"weight": texts, "shape": text})
_arguments = dict.fromkeys(("positions", "width", "base", "heads"), formula)
_made = record(Made, {"tensors": texts, "scaling": texts, **_arguments})
_prompt = record(Prompt, dict.fromkeys(("tokens", "ids", "sequences", "length", "steps", "positions"), text))
read_table = record(
    Table,
    {
        "architectures": texts,
        "ignored": texts,
        "only": each(formulas),
        "config": each(formulas),
        "params": each(formula),
        "tensors": each(lambda given, path, faults: _weight(_named(given), path, faults)),
        "tables": each(_made),
        "prompt": _prompt,
    },
)


def _named(given: object) -> object:
    """A name, or several, without a shape."""
    return given if isinstance(given, dict) else {"weight": given}
