"""A program with the weights of a checkpoint: what it says to a prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from rdflow.api import Program, Progress, Result
from rdflow.checkpoints.prompts import Prompt, Prompts
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import plural
from rdflow.unchecked import Unchecked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rdflow.checkpoints.folder import Folder
    from rdflow.checkpoints.table import Prompt as Takes
    from rdflow.checkpoints.table_files import TableFile

STEPS = 16  # tokens, where no other number is asked for
LONGEST = "max_position_embeddings"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Generated:
    """What a model says. `ids`: the tokens of each sequence, `steps` of them, also after one that ends it; `texts`: up to
    such a one, decoded, or as numbers where the folder has no tokenizer. `host_seconds`: of the whole run."""

    ids: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]
    ended: tuple[bool, ...]
    decoded: bool
    result: Result
    host_seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Of host time, over all sequences."""
        return sum(map(len, self.ids)) / self.host_seconds


@dataclass(frozen=True)
class Model:
    """A program and a checkpoint. `unchecked`: the program with the params that follow from it; `arrays`: its weights."""

    unchecked: Unchecked
    file: TableFile
    folder: Folder
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)
    warnings: tuple[Diagnostic, ...] = ()

    @cached_property
    def program(self) -> Program:
        """The program without a prompt. Raises CompileError."""
        return self.unchecked.checked()

    @property
    def prompts(self) -> Prompts:
        return Prompts(self.folder.path)

    def generate(
        self,
        *prompts: Prompt,
        steps: int | None = None,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> Generated:
        """The tokens that follow each prompt (tokens, or text where the folder has a tokenizer), greedily.

        Raises CompileError: RDF317 where the table has no `[prompt]`, RDF318 where a prompt cannot be used.
        """
        program, given = self.prompted(prompts, steps)
        values = program.inputs(given, 0, self.ready(program))
        began = perf_counter()
        result = program.run_on(values, verify, progress)
        return self.finished(result, perf_counter() - began)

    def run(self, verify: bool = False, seed: int = 0, progress: Progress | None = None, **given: Any) -> Result:
        """Execute with the weights, and with other tensors as given: `Program.run`, without a prompt."""
        return self.program.run_on(self.program.inputs(given, seed, self.ready(self.program)), verify, progress)

    def prompted(self, prompts: Sequence[Prompt], steps: int | None) -> tuple[Program, dict[str, NDArray[Any]]]:
        """The program with the lengths that the prompts need, and their tokens as its input."""
        import numpy as np

        takes = self.takes
        tokens = self.prompts.tokens(prompts, self.vocabulary)
        lengths = self._lengths(takes, len(tokens), len(tokens[0]), steps)
        return self.unchecked.checked(**lengths), {takes.tokens: np.array(tokens, np.int32)}

    def ready(self, program: Program) -> dict[str, NDArray[Any]]:
        """What the checkpoint says of the tensors of the program, with its params as they are: weights and tables."""
        from rdflow.checkpoints.made import make
        from rdflow.checkpoints.settings import formulas_of

        formulas = formulas_of(self.file, self.folder, program.checked.program.params)
        return {**self.arrays, **make(program.checked.program, self.file, formulas)}

    def finished(self, result: Result, seconds: float) -> Generated:
        """What a run said that took so many seconds of host time."""
        rows = result.outputs[self.takes.ids]
        ids = tuple(tuple(int(token) for token in row) for row in rows.reshape(len(rows), -1))
        spoken = [self._spoken(row) for row in ids]
        texts = tuple(self.prompts.text(row) for row in spoken)
        ended = tuple(
            len(short) < len(row) or row[-1] in self.folder.ends for short, row in zip(spoken, ids, strict=True)
        )
        return Generated(ids, texts, ended, self.prompts.has_tokenizer, result, seconds)

    def steps(self, program: Program) -> int:
        """The tokens that a run of the program gives for each prompt."""
        return int(program.checked.program.params[self.takes.steps])

    def layers(self, program: Program) -> int:
        """The length of the axis that is stacked first: a transformer's layers; 0 without one."""
        from rdflow.checkpoints.matching import STACKED

        names = [name for weight in self.file.table.tensors.values() for name in STACKED.findall(weight.weight[0])]
        return program.checked.program.lengths[names[0]] if names else 0

    @property
    def takes(self) -> Takes:
        """How the program takes prompts. Raises CompileError (RDF317) where its table does not say so."""
        if self.file.table.prompt is None:
            help = "add the section `[prompt]`: `rdflow explain RDF317` shows one"
            message = f"the table `{self.file.source.name}` does not say how the program takes a prompt"
            raise CompileError([Diagnostic("RDF317", message, help=help)])
        return self.file.table.prompt

    @property
    def vocabulary(self) -> int:
        """Tokens that the model knows: `vocab_size`, or any where the configuration does not say."""
        return self._configured("vocab_size") or 2**31

    def _configured(self, key: str) -> int | None:
        """A whole number of the configuration, as the table reads it."""
        from rdflow.checkpoints.formulas import Unknown
        from rdflow.checkpoints.settings import formulas_of

        try:
            found = formulas_of(self.file, self.folder, {}).evaluated(key)
        except Unknown:
            return None
        return found if isinstance(found, int) else None

    def _spoken(self, row: tuple[int, ...]) -> tuple[int, ...]:
        """Up to the first token that ends it."""
        return next((row[:i] for i, token in enumerate(row) if token in self.folder.ends), row)

    def _lengths(self, takes: Takes, sequences: int, length: int, steps: int | None) -> dict[str, Value]:
        """The params of lengths. Raises CompileError (RDF318) where the cache or the model has fewer positions."""
        given = self.unchecked.settings
        wanted = steps if steps is not None else int(given.get(takes.steps, STEPS))
        if wanted < 1:
            raise _unusable(f"{wanted} tokens are asked for", "ask for one at least: `--steps 16`")
        found: dict[str, Value] = {takes.sequences: sequences, takes.length: length, takes.steps: wanted}
        for param in (takes.sequences, takes.length):
            if given.get(param, found[param]) != found[param]:
                message = f"`{param}` is set to {given[param]}, and the prompts have {found[param]}"
                raise _unusable(message, f"leave `{param}` out: it follows from the prompts")
        room, needed = given.get(takes.positions), length + wanted - 1  # the last token is not looked at again
        most = self._configured(LONGEST) if room is None else room
        if isinstance(most, int) and needed > most:
            raise _too_long(takes, length, wanted, most, room is None)
        return found if room is not None else found | {takes.positions: needed}


def _too_long(takes: Takes, length: int, steps: int, most: int, of_model: bool) -> CompileError:
    """More positions than the cache has, or than the model was made for."""
    whose = f"the model has {most} (`{LONGEST}`)" if of_model else f"the cache has {most} (`{takes.positions}`)"
    needed = length + steps - 1
    message = f"a prompt of {plural(length, 'token')} and {steps} that follow take {needed} positions, {whose}"
    note = "keys and values of all positions but the last stay in memory while tokens are generated"
    shorter = f"ask for `--steps {most - length + 1}` or fewer" if most >= length else "shorten the prompt"
    beyond = "beyond what it was made for" if of_model else "with a larger cache"
    return _unusable(message, f"{shorter}; or set the positions, {beyond}: `--set {takes.positions}={needed}`", note)


def _unusable(message: str, help: str, *notes: str) -> CompileError:
    return CompileError([Diagnostic("RDF318", message, (), notes, help)])


def open_model(unchecked: Unchecked, path: Path, table: Path | None = None, say: Say = lambda text: None) -> Model:
    """A program whose params follow from the checkpoint in a folder, and its weights. See `Program.with_weights`."""
    from rdflow.checkpoints.arrays import read
    from rdflow.checkpoints.folder import open_folder
    from rdflow.checkpoints.matching import match
    from rdflow.checkpoints.settings import formulas_of, settings
    from rdflow.checkpoints.table_files import find_table
    from rdflow.interpreter.host_memory import refuse_too_many

    file = find_table(unchecked.source, table)
    folder = open_folder(path)
    sized = replace(unchecked, settings=settings(file, folder, unchecked.settings, unchecked.params))
    declared = sized.declared()
    matched = match(declared, file, folder, formulas_of(file, folder, declared.params))
    refuse_too_many({piece.tensor.name: piece.tensor for piece in matched.pieces}.values())
    return Model(sized, file, folder, read(matched.pieces, folder, say), tuple(matched.diagnostics))
