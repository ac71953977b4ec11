"""A machine: every number of the model, read from a TOML file and checked.

A file has its values in the units that people use ("1.8TB/s", "64GiB", "100ns"); here they are exact: bytes, Hz and
bytes a second as ints, seconds as fractions. A file may name a `base` and give only what differs. Layers are merged,
then checked as one, and each mistake is reported at the line that holds it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, PrivateAttr, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.program import LANES
from rdflow.dsl.source import NOWHERE, Source, Span

BURST = 64  # bytes that a memory channel moves at once, and of a packet
LARGEST_DENOMINATOR = 16  # of cycles a burst: with larger ones the phase of a busy channel hardly ever recurs
LARGEST_ROUNDING = Fraction(1, 16)  # how far cycles a burst may be from what the bandwidth asks for
SHIPPED = Path(__file__).parent / "machines"

# -- quantities --------------------------------------------------------------------------------------------------------

DECIMAL = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a quantity measures: its name, an example, and what each unit is worth."""

    name: str
    example: str
    units: dict[str, Fraction]

    def parse(self, value: object) -> Fraction:
        """The quantity in base units, exactly."""
        match = re.fullmatch(r"\s*([+-]?[\d_]*\.?\d+(?:[eE][+-]?\d+)?)\s*([A-Za-z/]*)\s*", str(value))
        if not isinstance(value, str) or match is None or match[2] not in self.units:
            raise PydanticCustomError("quantity", "{name}", {"kind": self, "name": self.name})
        return Fraction(match[1]) * self.units[match[2]]


def scaled(scales: Mapping[str, int], unit: str) -> dict[str, Fraction]:
    return {prefix + unit: Fraction(scale) for prefix, scale in scales.items()}


SIZE = Kind("a size", "64GiB", scaled(DECIMAL | BINARY, "B"))
BANDWIDTH = Kind("a bandwidth", "1.8TB/s", scaled(DECIMAL | BINARY, "B/s"))
FREQUENCY = Kind("a frequency", "1.2GHz", scaled(DECIMAL, "Hz"))
TIME = Kind(
    "a time", "100ns", {u: Fraction(1, 10**e) for u, e in (("s", 0), ("ms", 3), ("us", 6), ("ns", 9), ("ps", 12))}
)


def impossible(why: str) -> PydanticCustomError:
    return PydanticCustomError("impossible", "{why}", {"why": why})


def whole(kind: Kind) -> Callable[[object], int]:
    """A reader of quantities that are positive and whole in their base unit."""

    def read(value: object) -> int:
        amount = kind.parse(value)
        if amount <= 0:
            raise impossible("must be more than 0")
        if amount.denominator != 1:
            raise impossible(f"must be a whole number of {next(iter(kind.units))}")
        return amount.numerator

    return read


def duration(value: object) -> Fraction:
    """Seconds, at least 0."""
    seconds = TIME.parse(value)
    if seconds < 0:
        raise impossible("must not be negative")
    return seconds


def share(value: object) -> Fraction:
    """A part of a whole: more than 0, at most 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("share", "a number")
    part = Fraction(str(value))
    if not 0 < part <= 1:
        raise impossible("must be more than 0 and at most 1")
    return part


Bytes = Annotated[int, PlainValidator(whole(SIZE))]
BytesPerSecond = Annotated[int, PlainValidator(whole(BANDWIDTH))]
Hertz = Annotated[int, PlainValidator(whole(FREQUENCY))]
Seconds = Annotated[Fraction, PlainValidator(duration)]
Share = Annotated[Fraction, PlainValidator(share)]
Count = Annotated[int, Field(strict=True, ge=1)]
Cycles = Annotated[int, Field(strict=True, ge=1)]
Lanes = Annotated[int, Field(strict=True, ge=1, le=LANES)]

# -- the parts ---------------------------------------------------------------------------------------------------------


class Part(BaseModel):
    """A section of a machine file. Built at first use, so that importing is quick."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Node(Part):
    sockets: Count


class Socket(Part):
    """A grid of tiles, `tiles_across` to a row."""

    clock: Hertz
    tiles_across: Count
    tiles_down: Count

    @property
    def tiles(self) -> int:
        return self.tiles_across * self.tiles_down


class Tile(Part):
    """A grid of pairs of a PCU and a PMU with switches at the corners; AGCUs on its left and right edge."""

    columns: Count
    rows: Count
    agcus: Count

    @property
    def pairs(self) -> int:
        return self.columns * self.rows


class Pcu(Part):
    """Lanes of 16 bits, SIMD stages; `tail` and `adder` in cycles; `fifo` and `accumulators` in packets."""

    lanes: Lanes
    stages: Count
    tail: Cycles
    adder: Cycles
    fifo: Count
    vector_inputs: Count
    scalar_inputs: Count
    vector_outputs: Count
    accumulators: Count


class Pmu(Part):
    """A scratchpad of `capacity` bytes; latencies in cycles; each write port takes a packet a cycle."""

    capacity: Bytes
    read_latency: Cycles
    write_latency: Cycles
    write_ports: Count


class Agcu(Part):
    """The way to the memories: `latency` of its pipeline, and from the tile's edge `to_memory`, in cycles."""

    latency: Cycles
    to_memory: Cycles


class Network(Part):
    """The mesh of switches: `hop` cycles from one to the next, a packet of 64 bytes a cycle and link."""

    hop: Cycles


class Tier(Part):
    """A memory of a socket: bytes, bytes a second over all channels at peak, seconds, bursts under way of one AGCU.

    `efficiency`: the part of the peak that is left of a long stream after rows are opened and refreshed.
    """

    capacity: Bytes
    bandwidth: BytesPerSecond
    efficiency: Share
    channels: Count
    latency: Seconds
    outstanding: Count


class Links(Part):
    """Between sockets: `bandwidth` of one port, `latency` from socket to socket."""

    ports: Count
    bandwidth: BytesPerSecond
    latency: Seconds


class Launch(Part):
    """What kernels cost beside their cycles: a boundary, `load` more for one that fills the socket, `queued` more where
    software queues it, and `host_step` for a step of the schedule that the host runs."""

    boundary: Seconds
    load: Seconds
    queued: Seconds
    host_step: Seconds


class Machine(Part):
    """A node of equal sockets. Counts and capacities are those of one socket."""

    name: str
    about: str
    node: Node
    socket: Socket
    tile: Tile
    pcu: Pcu
    pmu: Pmu
    agcu: Agcu
    network: Network
    hbm: Tier
    ddr: Tier
    links: Links
    launch: Launch
    _layers: tuple[Layer, ...] = PrivateAttr(default=())

    @property
    def pcus(self) -> int:
        return self.socket.tiles * self.tile.pairs

    @property
    def pmus(self) -> int:
        return self.socket.tiles * self.tile.pairs

    @property
    def agcus(self) -> int:
        return self.socket.tiles * self.tile.agcus

    @property
    def tiers(self) -> dict[str, Tier]:
        """The memories by the name that a program gives them; their channels are servers in this order."""
        return {"hbm": self.hbm, "ddr": self.ddr}

    def cycles(self, seconds: Fraction) -> int:
        """Cycles until that time is over."""
        return ceil(seconds * self.socket.clock)

    def asked(self, tier: Tier) -> Fraction:
        """Cycles that a channel may take for a burst of a long stream, exactly."""
        return Fraction(BURST * tier.channels * self.socket.clock, tier.bandwidth) / tier.efficiency

    def sustained(self, tier: Tier) -> float:
        """Bytes a second that the tier's channels give together."""
        return float(BURST * tier.channels * self.socket.clock / self.cycles_per_burst(tier))

    def cycles_per_burst(self, tier: Tier) -> Fraction:
        """The nearest fraction to `asked` with a denominator that lets a busy channel's state recur."""
        return max(self.asked(tier).limit_denominator(LARGEST_DENOMINATOR), Fraction(1, LARGEST_DENOMINATOR))

    def boundary_cycles(self, configured: int) -> int:
        """Cycles from the end of one kernel to the start of the next, which configures so many PCUs and PMUs."""
        share = Fraction(configured, self.pcus + self.pmus)
        return self.cycles(self.launch.boundary + share * self.launch.load)

    def replace(self, **changes: object) -> Machine:
        """The machine with other values: `replace(hbm_bandwidth="3.6TB/s")`; section and key joined by `_`."""
        dotted = {key.replace("_", ".", 1): value for key, value in changes.items()}
        text = "\n".join(f"{key} = {_literal(value)}" for key, value in dotted.items())
        data: dict[str, Any] = {}
        for key, value in dotted.items():
            data = _merged(data, _nested(key, value))
        return _build((*self._layers, Layer(Source("replace", text), data)))

    def with_setting(self, setting: str) -> Machine:
        """The machine with `SECTION.KEY=VALUE`, as it is typed at the command line (quotes may be left out)."""
        key, equals, value = setting.partition("=")
        if not equals:
            span = Span(0, len(setting))
            raise CompileError([_no_setting(span)], Source("machine setting", setting))
        layer = Layer(Source("machine setting", setting), _nested(key.strip(), _read_value(value.strip())))
        return _build((*self._layers, layer))


# -- files -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layer:
    """A file (or a setting) and what it says: a later layer wins over an earlier one."""

    source: Source
    data: dict[str, Any]


def load_machine(name_or_path: str) -> Machine:
    """A machine that ships with rdflow, by name, or a TOML file, by path."""
    return _build(tuple(_layers(_find(name_or_path, Path()), ())))


def machines() -> list[tuple[str, str]]:
    """The machines that ship: name and one line."""
    return [(path.stem, tomllib.loads(path.read_text())["about"]) for path in sorted(SHIPPED.glob("*.toml"))]


def _find(name: str, beside: Path, label: tuple[Label, ...] = (), source: Source | None = None) -> Path:
    shipped, own = SHIPPED / f"{name}.toml", beside / name
    if "/" not in name and shipped.is_file():
        return shipped
    if own.is_file():
        return own
    names = [path.stem for path in sorted(SHIPPED.glob("*.toml"))]
    note = "machines that ship: " + ", ".join(names)
    raise CompileError(
        [Diagnostic("RDF205", f"there is no machine `{name}`", label, (note,), _meant(name, names))], source
    )


def _layers(path: Path, above: tuple[Path, ...]) -> Iterator[Layer]:
    """The layers of a file, those of its base first."""
    source = Source(str(path) if path.parent != SHIPPED else f"machines/{path.name}", _text(path))
    data = _parsed(source)
    data.setdefault("name", path.stem)
    if "base" in data:
        base, here = str(data.pop("base")), _places(source).get("base", (NOWHERE, NOWHERE))[1]
        found = _find(base, path.parent, (Label(here, "named here"),), source)
        if found.resolve() in (p.resolve() for p in (path, *above)):
            label = Label(here, "the files name each other")
            raise CompileError([Diagnostic("RDF203", "`base` leads back to its own file", (label,))], source)
        yield from _layers(found, (path, *above))
    yield Layer(source, data)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CompileError([Diagnostic("RDF205", f"cannot read the machine file `{path}`: {error}")]) from None


def _parsed(source: Source) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).partition(" (at ")
        label = Label(_position(source, where), what[0].lower() + what[1:])
        help = 'a line is `key = 12`, `key = "1.2GHz"`, `[section]`, or `# comment`'
        raise CompileError([Diagnostic("RDF204", "this is not TOML", (label,), help=help)], source) from None


def _position(source: Source, where: str) -> Span:
    """The span of "line 3, column 5)", or the end of the text."""
    numbers = [int(n) for n in re.findall(r"\d+", where)]
    if len(numbers) != 2:
        return Span(max(0, len(source.text) - 1), len(source.text))
    start = sum(len(line) + 1 for line in source.text.split("\n")[: numbers[0] - 1]) + numbers[1] - 1
    return Span(start, start + 1)


LINE = re.compile(
    r"^[ \t]*(?:\[[ \t]*(?P<section>[^\]\n]*?)[ \t]*\]"
    r"|(?P<key>[^\s=#\[]+)[ \t]*=[ \t]*(?P<value>[^#\n]*?)[ \t]*(?:#.*)?$)",
    re.MULTILINE,
)


def _places(source: Source) -> dict[str, tuple[Span, Span]]:
    """Where each key (with its section, dotted) and its value are; a section's value is its header."""
    found: dict[str, tuple[Span, Span]] = {}
    section = ""
    for match in LINE.finditer(source.text):
        if match["section"] is not None:
            section = match["section"] + "."
            found[match["section"]] = (Span(*match.span("section")),) * 2
        else:
            found[section + match["key"]] = (Span(*match.span("key")), Span(*match.span("value")))
    return found


def _read_value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _nested(dotted: str, value: object) -> dict[str, Any]:
    section, dot, key = dotted.partition(".")
    return {section: {key: value}} if dot else {section: value}


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`below` with everything that `above` says."""
    both = {k: _merged(below[k], v) for k, v in above.items() if isinstance(v, dict) and isinstance(below.get(k), dict)}
    return below | above | both


# -- mistakes ----------------------------------------------------------------------------------------------------------


def _build(layers: tuple[Layer, ...]) -> Machine:
    data: dict[str, Any] = {}
    for layer in layers:
        data = _merged(data, layer.data)
    try:
        machine = Machine.model_validate(data)
    except ValidationError as error:
        raise CompileError([_diagnostic(e, layers) for e in error.errors()], layers[-1].source) from None
    mistakes = [_impossible(path, why, layers) for path, why in _contradictions(machine)]
    if mistakes:
        raise CompileError(mistakes, layers[-1].source)
    machine._layers = layers
    return machine


def _contradictions(machine: Machine) -> Iterator[tuple[str, str]]:
    """Values that are possible alone and not together, or with the language: the key and why."""
    if machine.pcu.lanes != LANES:
        yield "pcu.lanes", f"must be {LANES}: the tokens of the language have that many lanes"
    for name, tier in machine.tiers.items():
        asked = machine.asked(tier)
        if abs(machine.cycles_per_burst(tier) - asked) > LARGEST_ROUNDING * asked:
            most = BURST * machine.socket.clock * LARGEST_DENOMINATOR // 10**9
            yield f"{name}.bandwidth", f"is more than its channels can give: {tier.channels} of at most {most}GB/s"


def _locate(path: str, layers: tuple[Layer, ...]) -> tuple[Source, Span, Span]:
    """The topmost layer that has the key, or else its section: the spans of key and value."""
    for wanted in (path, path.rpartition(".")[0]):
        for layer in reversed(layers):
            places = _places(layer.source)
            if wanted in places:
                return layer.source, *places[wanted]
    return layers[-1].source, NOWHERE, NOWHERE


def _at_value(path: str, text: str, layers: tuple[Layer, ...]) -> Label:
    source, _, value = _locate(path, layers)
    return Label(value, text, None if source is layers[-1].source else source)


def _at_key(path: str, text: str, layers: tuple[Layer, ...]) -> Label:
    source, key, _ = _locate(path, layers)
    return Label(key, text, None if source is layers[-1].source else source)


def _diagnostic(error: ErrorDetails, layers: tuple[Layer, ...]) -> Diagnostic:
    """What pydantic found, in the words of a machine file."""
    path, context = ".".join(map(str, error["loc"])), error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return _unknown(path, layers)
        case "missing":
            return _missing(path, layers)
        case "quantity":
            return _wrong_unit(path, context["kind"], error["input"], layers)
        case "impossible":
            return _impossible(path, context["why"], layers)
        case "greater_than_equal":
            return _impossible(path, f"must be at least {context['ge']}", layers)
        case "less_than_equal":
            return _impossible(path, f"must be at most {context['le']}", layers)
    return _wrong_type(path, error, layers)


def _unknown(path: str, layers: tuple[Layer, ...]) -> Diagnostic:
    section, _, key = path.rpartition(".")
    known = _keys(section)
    where = f"the section `{section}`" if section else "a machine"
    note = f"{where} has: " + ", ".join(known)
    label = _at_key(path, "nothing reads this", layers)
    return Diagnostic("RDF201", f"{where} has no `{key}`", (label,), (note,), _meant(key, known))


def _keys(section: str) -> list[str]:
    """The keys of a section, or, of none, the sections."""
    if not section:
        return ["base", *Machine.model_fields]
    part = Machine.model_fields[section].annotation
    assert isinstance(part, type) and issubclass(part, Part)
    return list(part.model_fields)


def _meant(word: str, known: list[str]) -> str | None:
    from difflib import get_close_matches

    close = get_close_matches(word, known, 1)
    return f"did you mean `{close[0]}`?" if close else None


def _missing(path: str, layers: tuple[Layer, ...]) -> Diagnostic:
    section, _, key = path.rpartition(".")
    what = (
        f"`{key}`" if section else f"the section `{key}`" if key != "about" else "`about`, one line that describes it"
    )
    label = _at_key(path, f"{what} belongs here", layers)
    help = 'write `base = "sn40l"` as the first line to take all that you leave out from there'
    return Diagnostic("RDF208", f"the machine lacks `{path}`", (label,), help=help)


def _wrong_unit(path: str, kind: Kind, given: object, layers: tuple[Layer, ...]) -> Diagnostic:
    label = _at_value(path, f'expected {kind.name} with its unit, as in "{kind.example}"', layers)
    note = "units: " + ", ".join(kind.units)
    return Diagnostic("RDF202", f"`{path}` is not {kind.name}", (label,), (note,), _with_unit(path, kind, given))


def _with_unit(path: str, kind: Kind, given: object) -> str:
    """The line that cures a number without a unit, or with one written in another case."""
    number = re.match(r"[\d.]+", str(given))
    letters = str(given)[number.end() :].strip() if number else ""
    same = [unit for unit in kind.units if unit.lower() == letters.lower()]
    unit = same[0] if same else re.sub(r"[\d.]", "", kind.example)
    return f'write `{path.rpartition(".")[2]} = "{number[0] if number else kind.example.removesuffix(unit)}{unit}"`'


def _wrong_type(path: str, error: ErrorDetails, layers: tuple[Layer, ...]) -> Diagnostic:
    kinds = {
        "int_type": "a whole number",
        "string_type": "a text in quotes",
        "share": "a number",
        "model_type": "a section",
    }
    expected = kinds.get(error["type"], error["msg"])
    label = _at_value(path, f"expected {expected}", layers)
    key, given = path.rpartition(".")[2], str(error["input"])
    help = f"write `{key} = {given}`" if error["type"] == "int_type" and given.isdigit() else None
    return Diagnostic("RDF202", f"`{path}` is not {expected}", (label,), help=help)


def _impossible(path: str, why: str, layers: tuple[Layer, ...]) -> Diagnostic:
    return Diagnostic("RDF203", f"`{path}` {why}", (_at_value(path, "impossible", layers),))


def _no_setting(span: Span) -> Diagnostic:
    label = Label(span, "expected SECTION.KEY=VALUE")
    return Diagnostic("RDF202", "this sets nothing", (label,), help="write for example `hbm.bandwidth=3.6TB/s`")
