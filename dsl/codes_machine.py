"""Codes of machine files and of what does not fit: (code, title, why, wrong, right).

`wrong` and `right` are programs for RDF206, RDF207 and RDF209 to RDF214, machine files for all others.
"""

from __future__ import annotations

_SEVEN = (
    "axis n = 65536\n"
    + "".join(f"tensor X{i}: bf16[n] in hbm input\n" for i in range(7))
    + "tensor Y: bf16[n] in hbm output\nkernel total {\n"
    + "".join(f"    x{i} = load X{i} as [n/L | n%L]\n" for i in range(7))
)
"""seven streams, a packet a cycle each"""

MACHINE_CODES: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "RDF201",
        "A machine file has a key that nothing reads",
        "Every number of the model is a key of the machine file, so a misspelt key would leave the number that you "
        "meant to change as it was. The message lists the keys of the section.",
        'base = "sn40l"\n[hbm]\nbandwith = "3.6TB/s"\n',
        'base = "sn40l"\n[hbm]\nbandwidth = "3.6TB/s"\n',
    ),
    (
        "RDF202",
        "A value has the wrong unit, or is not a number",
        "Sizes, bandwidths, frequencies and times carry their unit in the text, so that nobody mistakes GB for GiB or "
        "nanoseconds for cycles. Counts, and what is named in cycles, are whole numbers without quotes.",
        'base = "sn40l"\n[hbm]\nbandwidth = 1800\nchannels = "32"\n',
        'base = "sn40l"\n[hbm]\nbandwidth = "1800GB/s"\nchannels = 32\n',
    ),
    (
        "RDF203",
        "A value is impossible",
        "Hardware has at least one of each part, a vector has at most 32 lanes (a packet of 64 bytes), and a memory "
        "channel moves at most 16 bursts of 64 bytes a cycle: the time of a burst is kept as a fraction with a "
        "denominator of at most 16, so that the state of a busy channel recurs and long runs can be skipped exactly.",
        'base = "sn40l"\n[hbm]\nchannels = 0\n',
        'base = "sn40l"\n[hbm]\nchannels = 32\n',
    ),
    (
        "RDF204",
        "The machine file is not TOML",
        "A machine file is TOML: sections in brackets, a key and a value a line, texts in quotes.",
        "base = sn40l\n",
        'base = "sn40l"\n',
    ),
    (
        "RDF205",
        "There is no such machine",
        "A machine is given by the name of one that ships (`rdflow machines` lists them) or by the path of a TOML "
        "file; a `base` is looked up in the same way, beside the file that names it.",
        'base = "sn40"\n',
        'base = "sn40l"\n',
    ),
    (
        "RDF206",
        "The kernel is larger than the socket",
        "All units of a kernel are on the chip at once, each copy on PCUs, PMUs or AGCUs of its own. The table shows "
        "what each unit takes. Copies are what costs most; what they buy, the profile of a smaller kernel shows.",
        "param N = 1048576\naxis n = N\ntensor X: bf16[n] in hbm input\ntensor Y: bf16[n] in hbm output\n"
        "kernel scale {\n    x = load X @2048 as [n/L @2048 | n%L]\n    y = pcu x * 2\n    store y @2048 -> Y\n}\n",
        "param N = 1048576\naxis n = N\ntensor X: bf16[n] in hbm input\ntensor Y: bf16[n] in hbm output\n"
        "kernel scale {\n    x = load X @16 as [n/L @16 | n%L]\n    y = pcu x * 2\n    store y @16 -> Y\n}\n",
    ),
    (
        "RDF207",
        "A memory tier is full",
        "Tensors have fixed addresses: nothing is allocated while a program runs. Those that are not needed at the same "
        "time share addresses; what does not fit into HBM then goes to DDR, and what does not fit there nowhere. What one "
        "socket holds is charged on each socket unless the tensor has a digit `@socket`.",
        "param N = 549755813888\naxis n = N\ntensor X: bf16[n] in hbm input\ntensor Y: bf16[n] in ddr output\n"
        "kernel double {\n    x = load X as [n/L | n%L]\n    y = pcu x * 2\n    store y -> Y\n}\n",
        "param N = 68719476736\naxis n = N\ntensor X: bf16[n] in ddr input\ntensor Y: bf16[n] in ddr output\n"
        "kernel double {\n    x = load X as [n/L | n%L]\n    y = pcu x * 2\n    store y -> Y\n}\n",
    ),
    (
        "RDF211",
        "An expert does not fit into the cache",
        "An expert is in the cache as a whole before one of its kernels is launched: its weights, and what it keeps from "
        "launch to launch. What each launch gives it (`launch expert[e].k(X = Y)`) is not the expert's.",
        "pool expert: hello(N = 68719476736)[2] in ddr cached in hbm\nschedule { launch expert[1].hello }\n",
        "pool expert: hello(N = 1048576)[2] in ddr cached in hbm\nschedule { launch expert[1].hello }\n",
    ),
    (
        "RDF212",
        "The pools in a tier are larger than the tier",
        "All experts are kept in the tier of their pool, also those that are cached: the runtime allocates room there for "
        "everything, and a copy in the cache that has changed is copied back.",
        "pool expert: hello[1000000] in ddr cached in hbm\nschedule { launch expert[1].hello }\n",
        "pool expert: hello[100000] in ddr cached in hbm\nschedule { launch expert[1].hello }\n",
    ),
    (
        "RDF213",
        "A tensor is spilled to DDR",
        "Tensors that are needed at the same time are more than HBM holds. Those go to DDR of which the program moves the "
        "fewest bytes over all of its schedule, the smallest sum first, as DDR has a ninth of the bandwidth.",
        "axis n = 21474836480\ntensor X: bf16[n] in hbm input\ntensor Y: bf16[n] in hbm output\n"
        "kernel twice {\n    x = load X as [n/L | n%L]\n    y = pcu x * 2\n    store y -> Y\n}\n",
        "axis n = 21474836480\ntensor X: bf16[n] in hbm input\ntensor Y: bf16[n] in ddr output\n"
        "kernel twice {\n    x = load X as [n/L | n%L]\n    y = pcu x * 2\n    store y -> Y\n}\n",
    ),
    (
        "RDF214",
        "Experts that must stay fill the cache",
        "An expert that was activated and not launched yet stays in the cache, or it would have been loaded for nothing. "
        "Where all that is there waits so, nobody can leave.",
        "pool expert: hello(N = 8589934592)[3] in ddr cached in hbm\n"
        "schedule {\n    activate expert[0]\n    activate expert[1]\n    activate expert[2]\n    launch expert[0].hello\n}\n",
        "pool expert: hello(N = 8589934592)[3] in ddr cached in hbm\n"
        "schedule {\n    activate expert[0]\n    launch expert[0].hello\n    activate expert[1]\n    activate expert[2]\n}\n",
    ),
    (
        "RDF209",
        "The node has fewer sockets than the kernel",
        "A digit `@socket` has a value for each socket that the kernel runs on, and each of them needs a port to every "
        "other one. The sizes of a program say how many sockets it takes, the machine how many there are.",
        "axis g = 16, n = 1024\ntensor X: bf16[g @socket, n] in hbm input\ntensor Y: bf16[n] in hbm output\n"
        "kernel add {\n    x = load X as [g @socket, n/L | n%L]\n    y = pcu sum(g) x\n    store y -> Y\n}\n",
        "axis g = 8, n = 1024\ntensor X: bf16[g @socket, n] in hbm input\ntensor Y: bf16[n] in hbm output\n"
        "kernel add {\n    x = load X as [g @socket, n/L | n%L]\n    y = pcu sum(g) x\n    store y -> Y\n}\n",
    ),
    (
        "RDF210",
        "A link of the network would have to carry more than a packet a cycle",
        "A link between two switches takes a packet of 64 bytes a cycle, and a unit has one switch with four links to it. "
        "Where streams need more than that, whatever way they go, those that share a link wait for each other. The rates "
        "are those of a run without any wait, so the warning is an estimate; `rdflow profile` counts the waits.",
        _SEVEN + "    y = pcu x0 + x1 + x2 + x3 + x4 + x5 + x6\n    store y -> Y\n}\n",
        _SEVEN + "    a = pcu x0 + x1 + x2\n    b = pcu x3 + x4 + x5\n    y = pcu a + b + x6\n    store y -> Y\n}\n",
    ),
    (
        "RDF208",
        "A machine file lacks a key",
        "There are no hidden defaults: a machine has every number in its file or in the file that it is based on.",
        'about = "half an SN40L"\n[node]\nsockets = 4\n',
        'base = "sn40l"\nabout = "half an SN40L"\n[node]\nsockets = 4\n',
    ),
)
