"""Options of compiled functions.

numpy's error model: no exception leaves a kernel. Nothing is allocated, so references are not counted. Only an entry
point has the wrapper through which Python calls: the others would take longer to compile for one that nobody uses.

A function that is not inlined is a library, which is optimised again in every library that calls it, however deep. So
all are inlined but those at the bottom.
"""

ENTRY = {"error_model": "numpy", "nogil": True, "_nrt": False, "no_cfunc_wrapper": True, "cache": True}
HELPER = {"error_model": "numpy", "nogil": True, "_nrt": False, "no_cfunc_wrapper": True, "no_cpython_wrapper": True}
INLINE = {**HELPER, "forceinline": True}
