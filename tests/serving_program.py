"""A small composition of experts, whose launches are quick to simulate, for the tests of serving."""

from __future__ import annotations

from pathlib import Path

import rdflow
from rdflow.api import Program
from rdflow.interpreter.memory import plan

EXPERT = """param T = 8, M = 4, N = 1024
axis t = T, n = N
tensor X: f32[t] in hbm input
tensor W: f32[n] in hbm input
tensor Y: f32[t] in hbm output
tensor Z: f32[n] in hbm output

kernel prefill {
    x = load X as [t/L | t%L]
    y = pcu x * 2
    store y -> Y
}

kernel decode(pos: int32) {
    w = load W as [n/H | n%H]
    z = pcu w + pos
    store z -> Z
}
"""
SERVER = """param B = 2, T = 8, M = 4, Q = 1, N = 12
axis b = B, t = T, q = Q
tensor X: f32[t] in hbm input
tensor P: f32[b, t] in hbm input
tensor C: int32[q, b] in hbm
tensor Y: f32[t] in hbm output

pool expert: small(T = T, M = M)[N] in ddr cached in hbm evict lru

kernel router(prompt: f32[b, t], choice: int32[b]) {
    x = load prompt as [b, t]
    m = pcu sum(t) x as f32 [b]
    c = pcu where(m > 0, 1, 0) as int32 [b]
    store c -> choice
}

schedule {
    for k in 0..Q {
        launch router(P, C(q = k)) by software
        for i in 0..B {
            let e = C(q = k, b = i)
            activate expert[e]
            launch expert[e].prefill(X = X, Y = Y) by hardware
            for s in 1..M { launch expert[e].decode(T + s - 1) by hardware }
        }
    }
}
"""


def program(folder: Path, room: int = 3, experts: int = 12, expert: str = EXPERT, server: str = SERVER) -> Program:
    """The program on a machine whose HBM has room for so many experts. Times of the host are short, so that these matter."""
    (folder / "small.rdf").write_text(expert)
    (folder / "server.rdf").write_text(server)
    found = rdflow.load(folder / "server.rdf", N=experts)
    planned = plan(found.checked, found.machine)
    size, first = planned.footprints["expert"].size, planned.regions["hbm"].address
    changes = {"hbm_capacity": f"{first + room * size + 100}B", "launch_host_step": "2us", "launch_read": "100ns"}
    return found.on(found.machine.replace(**changes))
