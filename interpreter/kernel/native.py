"""The compiled loops, called by address.

Numba takes half a second to be imported and to load what it keeps. So the object code is kept once more, beside numba's
own cache, and goes straight to LLVM's linker. Where that fails there is still numba, which loads its code or compiles.
"""

import ctypes
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rdflow.interpreter.kernel.cache import apart, folder, holds
from rdflow.interpreter.kernel.layout import TABLES, VALUES, Tables, Values
from rdflow.interpreter.kernel.past import MARKS, Marks

PARTS = ("compute", "elementwise")
TIMING, VALUED = ("advance_timing", "look"), ("advance_values", *PARTS)
WORD = ctypes.c_int64
RAISING = re.compile(rb"numba_\w+")  # numba's helpers that raise what compiled code reports: kernels report nothing
_owners: dict[str, Any] = {}  # what keeps the code of a function in memory


def advance(tables: Tables, marks: Marks | None, values: Values | None, until: int) -> int:
    """Every firing before `until` and none after: with values, or with marks of what repeats. The status."""
    return stepper(tables, marks, values)(until)


def stepper(tables: Tables, marks: Marks | None, values: Values | None) -> Callable[[int], int]:
    """`advance` on these arrays, which stay where they are. It runs beside other threads."""
    name, words = arguments(tables, marks, values)
    return partial(call(name, len(words) + 1), *words)


def quick_stepper(tables: Tables, marks: Marks | None, values: Values | None) -> Callable[[int], int]:
    """The same for thousands of short calls: the words are put in place by machine code, ctypes takes 40 us for them."""
    name, words = arguments(tables, marks, values)
    kept = np.array(words, np.int64)
    try:
        enter = ctypes.CFUNCTYPE(WORD, WORD, WORD)(entrance(name, len(words)))
    except (OSError, RuntimeError):  # no linker for this platform
        return stepper(tables, marks, values)

    def step(until: int) -> int:
        return enter(kept.ctypes.data, until)

    return step


def arguments(tables: Tables, marks: Marks | None, values: Values | None) -> tuple[str, list[int]]:
    """The function that advances these arrays, and all of its arguments but the last."""
    words = flat(tables, TABLES)
    if values is None:
        assert marks is not None
        compile_side_by_side("advance_timing", "look")
        return "advance_timing", [*words, *flat(marks, MARKS), address("look"), 0, 0]
    compile_side_by_side("advance_values", *PARTS)
    parts = [word for name in PARTS for word in (address(name), 0, 0)]
    return "advance_values", [*words, *flat(values, VALUES), *parts]


def ready(with_values: bool) -> bool:
    """Whether `advance` needs no compilation."""
    return all(name in _owners or holds(name) for name in (VALUED if with_values else TIMING))


# -- calls -------------------------------------------------------------------------------------------------------------


def flat(arrays: Iterable[np.ndarray], examples: Iterable[np.ndarray]) -> list[int]:
    """Arrays as numba passes them: two owners (none), elements, bytes of one, address, shape, strides."""
    words: list[int] = []
    for array, example in zip(arrays, examples, strict=True):
        assert array.dtype == example.dtype and array.ndim == example.ndim and array.flags.carray
        words += (0, 0, array.size, array.itemsize, array.ctypes.data, *array.shape, *array.strides)
    return words


def call(name: str, words: int) -> Callable[..., int]:
    """A function of so many words: by C's rules a struct given by value is its fields one after the other, and all of
    them are words here."""
    return ctypes.CFUNCTYPE(WORD, *(WORD,) * words)(address(name))


@cache
def entrance(name: str, count: int) -> int:
    """Where a function of two words is: the address of `count` words, and one more. It calls `name` with all of them."""
    from llvmlite import binding

    loads = [
        f"%p{i} = getelementptr i64, ptr %words, i64 {i}\n%w{i} = load i64, ptr %p{i}, align 8" for i in range(count)
    ]
    given = ", ".join([*(f"i64 %w{i}" for i in range(count)), "i64 %until"])
    call = f"%f = inttoptr i64 {address(name)} to ptr\n%status = call i64 %f({given})\nret i64 %status"
    body = "\n".join([*loads, call])
    code = f"define i64 @enter_{name}(ptr %words, i64 %until) {{\n{body}\n}}"
    library = binding.JITLibraryBuilder().add_ir(code).export_symbol(f"enter_{name}")
    _owners[f"enter_{name}"] = made = library.link(linker(), f"enter_{name}")
    return int(made[f"enter_{name}"])


# -- code --------------------------------------------------------------------------------------------------------------


@cache
def address(name: str) -> int:
    """Where a function is in memory: loaded, or else compiled and kept."""
    path = folder() / f"{name}.object"
    try:
        return loaded(name, path)
    except (OSError, ValueError, RuntimeError, AttributeError):  # no file, a damaged one, no linker for this platform
        return compiled(name, path)


def loaded(name: str, path: Path) -> int:
    """The function in a file of `keep`, linked to what Python and its libraries export."""
    from llvmlite import binding

    symbol, digest, code = path.read_bytes().split(b"\n", 2)
    if digest.decode() != sha256(code).hexdigest():
        raise ValueError(f"{path} is damaged")
    library = binding.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol(symbol.decode())
    stop = ctypes.cast(ctypes.pythonapi.abort, ctypes.c_void_p).value
    for helper in set(RAISING.findall(code)):
        library.import_symbol(helper.decode(), stop)
    _owners[name] = library.link(linker(), name)
    return _owners[name][symbol.decode()]


@cache
def linker() -> Any:
    """LLVM's, for this process."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding.create_lljit_compiler()


def compiled(name: str, path: Path) -> int:
    """By numba, and kept for the next process."""
    from rdflow.interpreter.kernel import borders

    made = _owners[name] = borders.compiled(name)
    if made.cache_hits == 0:
        keep(path, made.native_name, made._library._get_compiled_object())
    return made.address


def keep(path: Path, symbol: str, code: bytes) -> None:
    """Write symbol, digest and object code: whole, or not at all."""
    beside = path.with_suffix(f".{os.getpid()}")
    try:
        beside.write_bytes(b"\n".join((symbol.encode(), sha256(code).hexdigest().encode(), code)))
        os.replace(beside, path)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@cache
def compile_side_by_side(name: str, *others: str) -> None:
    """Each part of a first compilation has a process of its own, which leaves it where this one finds it."""
    statement = "from rdflow.interpreter.kernel.native import address; address({!r})"
    processes = [apart(statement.format(other)) for other in others if not holds(other)]
    if not processes:
        return
    address(name)
    for process in processes:
        if process is not None:
            process.wait()
