"""A folder as transformers saves it: config.json, and weights in one or several safetensors files.

The files are mapped to memory: a weight is read when it is asked for, and no two of them at once.
"""

from __future__ import annotations

import json
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdflow.checkpoints.packages import package
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.records import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIG, GENERATION, SINGLE = "config.json", "generation_config.json", "model.safetensors"
INDEX = "model.safetensors.index.json"
FLOATS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""dtypes of weights that tensors can be made of, by the names of safetensors and of PyTorch"""


@dataclass(frozen=True)
class Stored:
    """A weight as its file has it; `dtype` as safetensors names it."""

    name: str
    file: Path
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Folder:
    """A checkpoint: its configuration, and its weights by name."""

    path: Path
    config: dict[str, Any]
    weights: dict[str, Stored]
    ends: frozenset[int]
    """tokens after which the model has nothing more to say"""
    _files: dict[Path, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def stored_dtype(self) -> str | None:
        """That of the first floating weight, as PyTorch names it."""
        return next((FLOATS[w.dtype] for w in self.weights.values() if w.dtype in FLOATS), None)

    def read(self, name: str) -> NDArray[Any]:
        """A weight's values, in the dtype that they are stored in."""
        return self._files[self.weights[name].file].get_tensor(name)  # type: ignore[no-any-return]


def open_folder(path: Path) -> Folder:
    """The checkpoint in a folder, with no weight read. Raises CompileError (RDF310, RDF319) with all that is amiss."""
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        help = "name the folder that holds `config.json`, as `save_pretrained` of transformers writes it"
        raise CompileError([_unreadable(f"the folder `{path}` {what}", help)])
    config = _json(path / CONFIG)
    files = _files(path)
    opened = _opened(files)
    weights = {name: _stored(name, file, handle) for file, handle in opened.items() for name in handle.keys()}  # noqa: SIM118
    lost = [name for names in files.values() for name in names if name not in weights]
    if lost:
        what = f"`{path / INDEX}` lists {len(lost)} weights that their files do not have, such as `{lost[0]}`"
        raise CompileError([_unreadable(what, "the index and the files are of two checkpoints: fetch both again")])
    return Folder(path, config, dict(sorted(weights.items())), _ends(path, config), opened)


def _unreadable(message: str, help: str | None = None, *notes: str) -> Diagnostic:
    return Diagnostic("RDF310", message, (), notes, help)


def _json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises CompileError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        help = "a checkpoint of transformers has one: `save_pretrained` writes it beside the weights"
        raise CompileError([_unreadable(f"`{path.parent}` has no `{path.name}`", help)]) from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CompileError([_unreadable(f"cannot read `{path}`: {why}")]) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        help = "fetch the file again"
        raise CompileError([_unreadable(f"`{path}` is not JSON: {error}", help)]) from None
    if not isinstance(found, dict):
        raise CompileError([_unreadable(f"`{path}` is JSON, but no object", "fetch the file again")])
    return found


def _files(path: Path) -> dict[Path, list[str]]:
    """The files of weights, with the names that an index says are in each. Raises CompileError with all that are absent."""
    if (path / SINGLE).is_file():
        return {path / SINGLE: []}
    if not (path / INDEX).is_file():
        raise CompileError([_no_weights(path)])
    listed = _json(path / INDEX).get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(file, str) for file in listed.values()):
        help = "fetch the file again"
        raise CompileError([_unreadable(f"`{path / INDEX}` has no `weight_map` from weights to files", help)])
    found: dict[Path, list[str]] = {}
    for name, file in listed.items():
        found.setdefault(path / file, []).append(name)
    absent = [file for file in found if not file.is_file()]
    if absent:
        raise CompileError(_absent(file, found[file], path) for file in absent)
    return found


def _no_weights(path: Path) -> Diagnostic:
    others = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth", "*.gguf") for p in path.glob(pattern))
    notes = (
        (f"it has `{others[0]}`, which is not read: such files can hold programs, or other formats",) if others else ()
    )
    help = "save the model with transformers: `model.save_pretrained(DIR)` writes safetensors"
    return _unreadable(f"`{path}` has neither `{SINGLE}` nor `{INDEX}`", help, *notes)


def _absent(file: Path, names: list[str], path: Path) -> Diagnostic:
    message = f"`{INDEX}` lists `{file.name}`, which `{path}` does not have"
    return _unreadable(message, "fetch that file too", f"it holds {len(names)} weights, such as `{names[0]}`")


def _opened(files: dict[Path, list[str]]) -> dict[Path, Any]:
    """Each file mapped to memory, its header read. Raises CompileError with all that are broken."""
    import ml_dtypes  # noqa: F401  # NumPy knows bfloat16 by it

    safetensors = package("safetensors", "reading a checkpoint")
    found: dict[Path, Any] = {}
    broken: list[Diagnostic] = []
    for file in files:
        try:
            found[file] = safetensors.safe_open(str(file), framework="numpy")
        except (OSError, safetensors.SafetensorError) as error:
            size = f"it has {file.stat().st_size:,} bytes: most likely it was not fetched whole"
            broken.append(_unreadable(f"`{file}` is not a whole safetensors file: {error}", "fetch it again", size))
    if broken:
        raise CompileError(broken)
    return found


def _stored(name: str, file: Path, handle: Any) -> Stored:
    part = handle.get_slice(name)
    return Stored(name, file, part.get_dtype(), tuple(part.get_shape()))


def _ends(path: Path, config: dict[str, Any]) -> frozenset[int]:
    """`eos_token_id`, a number or several, of generation_config.json, or else of config.json."""
    generation = _json(path / GENERATION) if (path / GENERATION).is_file() else {}
    given = generation.get("eos_token_id", config.get("eos_token_id"))
    return frozenset(end for end in (given if isinstance(given, list) else [given]) if isinstance(end, int))
