"""Options of compiled functions.

numpy's error model: no exception leaves a kernel. Nothing is allocated, so references are not counted.

A helper is a library of its own, which is optimised again in every library that calls it. So functions with much below
them and one caller are spliced into it before compilation. (For small ones that costs more than it saves.)

The large parts meet at borders: a function behind one is called by its address, so its code is optimised once. So is
the engine called, by `native`.
"""

HELPER = {"error_model": "numpy", "nogil": True, "_nrt": False, "no_cfunc_wrapper": True, "no_cpython_wrapper": True}
BORDER = {"error_model": "numpy", "_nrt": False, "cache": True}
SPLICE = {**HELPER, "inline": "always"}
