"""What is called by its address: the functions and their signatures. Importing this imports the compiler."""

from numba import cfunc, from_dtype, typeof, types
from numba.core.ccallback import CFunc

from rdflow.interpreter.kernel import cache, engine, forward, operations, values
from rdflow.interpreter.kernel.layout import ACTOR, PLACES, TABLES, VALUES, Parts
from rdflow.interpreter.kernel.options import BORDER
from rdflow.interpreter.kernel.past import MARKS

NUMBER = types.int64
ELEMENTWISE = types.void(NUMBER, typeof(VALUES.words), typeof(VALUES.ints), *(NUMBER,) * 10)
COMPUTE = types.void(from_dtype(ACTOR), NUMBER, typeof(PLACES), typeof(VALUES), types.FunctionType(ELEMENTWISE))
LOOK = types.void(typeof(TABLES), typeof(MARKS), NUMBER)
PARTS = types.NamedTuple((types.FunctionType(COMPUTE), types.FunctionType(ELEMENTWISE)), Parts)

BORDERS = {
    "elementwise": (operations.elementwise, ELEMENTWISE),
    "compute": (values.compute, COMPUTE),
    "look": (forward.look, LOOK),
    "advance_timing": (
        engine.advance_timing,
        NUMBER(typeof(TABLES), typeof(MARKS), types.FunctionType(LOOK), NUMBER),
    ),
    "advance_values": (engine.advance_values, NUMBER(typeof(TABLES), typeof(VALUES), PARTS, NUMBER)),
}


def compiled(name: str) -> CFunc:
    """Compiled now, or what numba keeps. Elementwise calls by the numbers that its arguments are."""
    function, signature = BORDERS[name]
    with cache.in_use():
        return cfunc(signature, **BORDER)(function)
