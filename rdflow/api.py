"""The Python face: load a program, run it, profile it, put it on another machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdflow.dsl.arithmetic import Value
from rdflow.dsl.check import Checked
from rdflow.dsl.check import checked as check_all
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Severity
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source
from rdflow.dsl.steps import Read

if TYPE_CHECKING:  # what runs things takes numba along, which takes time to import
    from numpy.typing import NDArray

    from rdflow.dsl.collectives import Form
    from rdflow.generation import Model
    from rdflow.interpreter.choices import Drawn
    from rdflow.interpreter.estimates import Estimate
    from rdflow.interpreter.execution import Execution
    from rdflow.interpreter.figures import KernelProfile, Profile
    from rdflow.interpreter.machine import Machine
    from rdflow.interpreter.requests import Draw, Requests
    from rdflow.interpreter.served import Served
    from rdflow.interpreter.what_if import Doubled
    from rdflow.verification import Verification

MACHINE = "sn40l"
LEFT_OUT = "compare without "
Progress = Callable[["Execution"], None]


@dataclass(frozen=True)
class Result:
    """A run. `outputs`: float32 (bf16 and f32 tensors) or int32 arrays by name."""

    outputs: dict[str, NDArray[Any]]
    profile: Profile
    verification: Verification | None

    @property
    def cycles(self) -> int:
        return self.profile.cycles

    @property
    def seconds(self) -> float:
        return self.profile.seconds

    @property
    def kernels(self) -> tuple[KernelProfile, ...]:
        return self.profile.kernels


@dataclass(frozen=True)
class Program:
    """A checked program on a machine."""

    checked: Checked
    machine: Machine
    settings: Mapping[str, Value] = field(default_factory=dict)
    collective: Form | None = None
    """of sums over sockets: "direct", "ring", or None for whichever is faster"""
    threads: int | None = None
    """for the sockets of a kernel; results do not depend on it (see `Execution`)"""
    policy: str | None = None
    """of the caches of experts, instead of what the pools say"""
    estimate: Estimate | None = None
    """which launches of a profile are simulated, where not all are (see `estimated`)"""

    @property
    def name(self) -> str:
        return Path(self.checked.program.source.name).stem

    @property
    def warnings(self) -> list[Diagnostic]:
        return [d for d in self.checked.diagnostics if d.severity is Severity.WARNING]

    @property
    def left_out(self) -> tuple[tuple[str, ...], str] | None:
        """Tensors whose traffic somebody else's count leaves out, and whose: a header line of the program says so,
        as `# compare without SCALE: the paper's way of counting`."""
        for comment in self.checked.program.module.comments:
            words = comment.text.lstrip("# ")
            if words.startswith(LEFT_OUT):
                names, _, why = words.removeprefix(LEFT_OUT).partition(":")
                return tuple(n.strip() for n in names.split(",")), why.strip()
        return None

    def on(self, machine: Machine | str) -> Program:
        """The same program on another machine: a Machine, the name of one, or a TOML file. Where units have another number
        of stages (ST), it is checked again, which may raise CompileError."""
        from rdflow.interpreter.machine import load_machine

        target = load_machine(machine) if isinstance(machine, str) else machine
        checked, program = self.checked, self.checked.program
        if target.pcu.stages != program.stages:
            checked = check_all(program.source, self.settings, library, target.pcu.stages)
        return replace(self, checked=checked, machine=target)

    def with_weights(
        self, folder: str | Path, table: str | Path | None = None, say: Callable[[str], None] | None = None
    ) -> Model:
        """The program with the weights of a Hugging Face folder, and the params that follow from its config.json where none
        are set. `table`: a TOML file that says which weights its tensors are, unless it is beside the program; `say` is
        told what is being read. Raises CompileError with all that does not fit (RDF310 to RDF320)."""
        from rdflow.generation import open_model
        from rdflow.unchecked import Unchecked

        source, target = self.checked.program.source, self.machine
        unchecked = Unchecked(source, self.settings, target, self.collective, self.threads, self.policy)
        own = None if table is None else Path(table)
        return open_model(unchecked, Path(folder), own, say or (lambda text: None))

    def inputs(
        self,
        given: Mapping[str, Any] | None = None,
        seed: int = 0,
        ready: Mapping[str, NDArray[Any]] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Values of all tensors: as given, the other inputs random from `seed`, the rest zero. `ready`: tensors in the
        form in which they are stored, taken as they are."""
        from rdflow.interpreter.data import prepared

        return prepared(self.checked.program, given or {}, seed, ready or {})

    def execution(
        self,
        values: Mapping[str, NDArray[Any]] | None = None,
        choices: Callable[[Read], Value] | None = None,
        one_for_all: bool = False,
    ) -> Execution:
        """The program at cycle 0, to be advanced to any cycle. Without values: timing only, which a program whose loops
        streams bound does not have; `choices` are then what the schedule reads. `one_for_all`: without values one socket is executed
        for all that are alike, and its tables alone can be looked at. Raises CompileError (RDF321)."""
        from rdflow.interpreter.execution import Execution

        self._does_something()
        own = None if values is None else dict(values)
        return Execution(
            self.checked,
            self.machine,
            own,
            self.collective,
            self.threads,
            choices=choices,
            policy=self.policy,
            estimate=self.estimate,
            resize=self._resized,
            one_for_all=one_for_all,
        )

    def _does_something(self) -> None:
        """Raise CompileError (RDF321) where nothing is launched or copied."""
        if self.checked.steps.steps:
            return
        raise self.nothing("run")

    def nothing(self, verb: str) -> CompileError:
        """What to raise where there is nothing to run, or to draw."""
        source = self.checked.program.source
        help = "`schedule { launch NAME(..) }` launches a kernel; without a schedule those that take no arguments are"
        return CompileError(
            [Diagnostic("RDF321", f"there is nothing to {verb} in `{source.name}`", (), (), help)], source
        )

    def _resized(self, params: dict[str, Value]) -> Checked:
        return check_all(self.checked.program.source, {**self.settings, **params}, library, self.machine.pcu.stages)

    def estimated(self, points: int | None = None, **lengths: tuple[int, int]) -> Program:
        """The same program, of which profiles simulate less: a model, and they say so. `points`: of a kernel's launches that
        differ in one number so many, the others between them. One more argument, as `NL=(2, 4)`: kernels that carry a state
        over an axis with these two lengths by that param, and from there on to its own."""
        from rdflow.interpreter.estimates import Estimate

        if len(lengths) > 1:
            raise ValueError(f"one param can be extrapolated from, not {', '.join(lengths)}")
        name, ends = next(iter(lengths.items()), (None, (0, 0)))
        return replace(self, estimate=Estimate(points, name, ends))

    def timed(self, given: Mapping[str, Any] | None = None, seed: int = 0) -> Execution:
        """The program at cycle 0 without values, or with them where they decide how often loops run, or what is launched.
        Which expert of a pool runs is drawn by chance from `seed`, unless the tensor that says so is given."""
        choices = self.drawn(given, seed)
        if choices is None and (self.bounding or self.reading):
            return self.execution(self.inputs(given, seed))
        return self.execution(choices=choices, one_for_all=True)

    def drawn(self, given: Mapping[str, Any] | None = None, seed: int = 0) -> Drawn | None:
        """What the schedule reads in a run without values: as given, or drawn by chance. None: it reads nothing, or values
        must be computed."""
        if self.bounding or not self.reading:
            return None
        from rdflow.interpreter.choices import drawn

        return drawn(self.checked.program, given or {}, seed)

    def run(self, verify: bool = False, seed: int = 0, progress: Progress | None = None, **given: Any) -> Result:
        """Execute with values, cycle by cycle. `verify` holds the outputs against the NumPy evaluator."""
        return self.run_on(self.inputs(given, seed), verify, progress)

    def run_on(
        self, values: Mapping[str, NDArray[Any]], verify: bool = False, progress: Progress | None = None
    ) -> Result:
        """`run` with the values of all tensors, as `inputs` gives them."""
        from rdflow.interpreter.profile import profile

        execution = self.execution(values)
        execution.advance(progress=progress)
        assert execution.values is not None
        made = {n: execution.values[n] for n, t in self.checked.program.held.items() if t.direction != "input"}
        verification = self.verified(values, made) if verify else None
        outputs = {name: array for name, array in made.items() if name in self.checked.program.tensors}
        return Result(outputs, profile(execution), verification)

    @property
    def bounding(self) -> tuple[str, ...]:
        """The streams whose values decide how often loops run, and so the cycles."""
        kernels = self.checked.kernels.values()
        return tuple(dict.fromkeys(name for kernel in kernels for name in kernel.bounding))

    @property
    def reading(self) -> tuple[str, ...]:
        """The tensors whose values the schedule reads, and which decide what is launched."""
        return tuple(dict.fromkeys(s.element.tensor for s in self.checked.steps.steps if isinstance(s, Read)))

    def profile(self, progress: Progress | None = None, seed: int = 0, **given: Any) -> Profile:
        """Execute without values: the same cycles, faster. Where values decide how often loops run, execute with
        values: inputs as given, the others random from `seed`."""
        from rdflow.interpreter.profile import profile

        execution = self.timed(given, seed)
        execution.advance(progress=progress)
        return profile(execution)

    def serve(
        self,
        requests: str | Path | Draw | Requests,
        policy: str | None = None,
        batch: int | None = None,
        group: bool = False,
        overlap: bool = False,
    ) -> Served:
        """Serve requests over time: a CSV file, a `rdflow.serving.Draw`, or requests. See `rdflow.serving.serving`, which
        simulates launches once for several policies. Raises CompileError (RDF330, RDF331)."""
        from rdflow.serving import serving

        return serving(self, requests, batch).under(policy, group, overlap)

    def what_if(self) -> list[Doubled]:
        """What twice of each resource would give, the most useful first: measured, by running again."""
        from rdflow.interpreter.what_if import what_if

        execution = self.timed()
        execution.advance()
        return what_if(execution)

    def evaluate(self, seed: int = 0, **given: Any) -> dict[str, NDArray[Any]]:
        """What NumPy says: the values of all tensors after the program, without any machine."""
        from rdflow.dsl.evaluate import evaluate

        return evaluate(self.checked, self.inputs(given, seed))

    def verified(self, inputs: Mapping[str, NDArray[Any]], outputs: Mapping[str, NDArray[Any]]) -> Verification:
        """Outputs of a run held against what the NumPy evaluator makes of the same inputs."""
        from rdflow.verification import verified

        return verified(self.checked, inputs, outputs)


def programs() -> dict[str, str]:
    """The programs that ship: name and the first line of the header."""
    folder = resources.files("rdflow.programs")
    found = {}
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".rdf"):
            first = entry.read_text(encoding="utf-8").splitlines()[0]
            name = entry.name.removesuffix(".rdf")
            found[name] = first.lstrip("# ").removeprefix(f"{name}:").strip()
    return found


def find(program: str | Path) -> Source:
    """The text of a program: a file by path, or a shipped one by name. Raises CompileError (RDF304) if there is none."""
    if "\n" in str(program):
        help = "`rdflow.loads(text)` takes a text"
        raise CompileError([Diagnostic("RDF304", "this is the text of a program, not its name or path", help=help)])
    path = Path(program)
    if path.exists() and not path.is_dir():  # a pipe is read too
        return read(path)
    if path.is_dir():
        raise CompileError(
            [Diagnostic("RDF304", f"`{program}` is a folder", help=f"name a file in it: `{path / 'NAME.rdf'}`")]
        )
    shipped = resources.files("rdflow.programs") / f"{path.name}.rdf"
    if len(path.parts) == 1 and shipped.is_file():
        return Source(f"{path.name}.rdf", shipped.read_text(encoding="utf-8"))
    from difflib import get_close_matches

    near = get_close_matches(path.stem, list(programs()), n=1)
    help = (
        f"did you mean `{near[0]}`?" if near else "`rdflow programs` lists those that ship; a file is given by its path"
    )
    raise CompileError([Diagnostic("RDF304", f"there is no program `{program}`", (), (), help)])


def read(path: Path) -> Source:
    """The text of a file. Raises CompileError (RDF304) if it cannot be read, or is not text."""
    try:
        return Source(str(path), path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        help = "programs are text in UTF-8"
        raise CompileError([Diagnostic("RDF304", f"`{path}` is not a text", help=help)]) from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CompileError([Diagnostic("RDF304", f"cannot read `{path}`: {why}")]) from None


def library(path: str) -> Source | None:
    """A file of the standard library, `std.norm` is stdlib/norm.rdf; or a program, by its path or as it ships."""
    if path.endswith(".rdf"):
        return _program_text(Path(path))
    parts = path.split(".")
    if len(parts) != 2 or parts[0] != "std":
        return None
    entry = resources.files("rdflow.stdlib") / f"{parts[1]}.rdf"
    return Source(f"std/{parts[1]}.rdf", entry.read_text(encoding="utf-8")) if entry.is_file() else None


def _program_text(path: Path) -> Source | None:
    """A program of a pool: a file, or one that ships."""
    if path.is_file():
        return read(path)
    shipped = resources.files("rdflow.programs") / path.name
    return Source(path.name, shipped.read_text(encoding="utf-8")) if shipped.is_file() else None


def loads(text: str, name: str = "<text>", **params: Value) -> Program:
    """A program from a text. Raises CompileError, which prints as the command line does."""
    return _program(Source(name, text), params)


def load(program: str | Path, **params: Value) -> Program:
    """A program from a file, or a shipped one by name, with params set. Raises CompileError."""
    return _program(find(program), params)


def _program(source: Source, params: Mapping[str, Value]) -> Program:
    from rdflow.interpreter.machine import load_machine

    machine, settings = load_machine(MACHINE), {name: _plain(value) for name, value in params.items()}
    return Program(check_all(source, settings, library, machine.pcu.stages), machine, settings)


def _plain(value: Any) -> Value:
    """A number of NumPy as one of Python."""
    return value.item() if getattr(value, "ndim", None) == 0 else value  # type: ignore[no-any-return]
