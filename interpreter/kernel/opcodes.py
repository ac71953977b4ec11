"""The operations of rows as a table: a number for each name. Known to who fills tables, without the compiler."""

import numpy as np

LOWEST = -(2**31)
HIGHEST = 2**31 - 1

# Name, types of result and arguments x, y, z (f: float32, i: int32), result.
ELEMENTWISE = (
    ("copy", "ii", "x"),
    ("neg", "ff", "-x"),
    ("add", "fff", "x + y"),
    ("sub", "fff", "x - y"),
    ("mul", "fff", "x * y"),
    ("div", "fff", "x / y"),
    ("max", "fff", "maximum(x, y)"),
    ("min", "fff", "minimum(x, y)"),
    ("abs", "ff", "abs(x)"),
    ("exp", "ff", "exp(x)"),
    ("log", "ff", "log(x)"),
    ("sqrt", "ff", "sqrt(x)"),
    ("rsqrt", "ff", "rsqrt(x)"),
    ("sigmoid", "ff", "sigmoid(x)"),
    ("tanh", "ff", "tanh(x)"),
    ("bf16", "ff", "bf16(x)"),
    ("ineg", "ii", "int32(-x)"),
    ("iadd", "iii", "int32(x + y)"),
    ("isub", "iii", "int32(x - y)"),
    ("imul", "iii", "int32(x * y)"),
    ("idiv", "iii", "floordiv(x, y)"),
    ("imod", "iii", "floormod(x, y)"),
    ("imax", "iii", "x if x > y else y"),
    ("imin", "iii", "x if x < y else y"),
    ("iabs", "ii", "int32(-x) if x < 0 else x"),
    ("int8", "ii", "wrap8(x)"),
    ("lt", "iff", "int32(x < y)"),
    ("le", "iff", "int32(x <= y)"),
    ("eq", "iff", "int32(x == y)"),
    ("ne", "iff", "int32(x != y)"),
    ("ilt", "iii", "int32(x < y)"),
    ("ile", "iii", "int32(x <= y)"),
    ("ieq", "iii", "int32(x == y)"),
    ("ine", "iii", "int32(x != y)"),
    ("and", "iii", "int32((x != 0) & (y != 0))"),
    ("or", "iii", "int32((x != 0) | (y != 0))"),
    ("not", "ii", "int32(x == 0)"),
    ("where", "iiii", "y if x != 0 else z"),
    ("tofloat", "fi", "float32(x)"),
    ("toint", "if", "toint(x)"),
)

# How trees and folds combine two values, and what they start from.
COMBINE = {
    "sum": ("add", np.float32(0)),
    "max": ("max", np.float32(-np.inf)),
    "min": ("min", np.float32(np.inf)),
    "isum": ("iadd", np.int32(0)),
    "imax": ("imax", np.int32(LOWEST)),
    "imin": ("imin", np.int32(HIGHEST)),
}

OTHERS = (
    *("lanes", "pick", "index", "splat", "push", "tree", "tree.argmax", "read"),
    *("write", "fold", "fold.argmax", "systolic"),
)
NUMBER = {name: number for number, name in enumerate([row[0] for row in ELEMENTWISE] + list(OTHERS))}
LANES, PICK, INDEX, SPLAT, PUSH, TREE, TREE_ARGMAX, READ = (NUMBER[o] for o in OTHERS[:8])
WRITE, FOLD, FOLD_ARGMAX, SYSTOLIC = (NUMBER[o] for o in OTHERS[8:])

ALONE = ("idiv", "imod")  # these are computed lane by lane, and slow
