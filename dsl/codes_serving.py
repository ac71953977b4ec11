"""Codes of what goes wrong when requests are served (`rdflow serve`). In the form that `codes` describes.

`wrong` and `right` are lines of a trace, or commands.
"""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF330: a trace of requests that cannot be read

    A trace is a CSV in the form of Azure's public traces of LLM inference: `TIMESTAMP`, `ContextTokens` and
    `GeneratedTokens`, and `Topic` if you like, the number of the expert that a request is for. Times are dates or
    seconds, all in one form and in order; lengths are at least one token. Every mistake is told with its line, and
    nothing is served before all are gone.

    wrong:
        TIMESTAMP,ContextTokens,GeneratedTokens
        2023-11-16 18:17:03.979,4808,-10

    right:
        TIMESTAMP,ContextTokens,GeneratedTokens
        2023-11-16 18:17:03.979,4808,10
    """,
    """
    RDF331: a program that does not serve requests

    `rdflow serve` takes a program's launches from simulation, for prompts and answers of any length: so its params say
    how many prompts come in a batch (`B`), the tokens of a prompt (`T`) and of an answer (`M`), and the batches that its
    schedule has (`Q`, if it has one). The schedule launches its own kernels for a batch (those of a pool without a cache
    count as its own: a router), and then, for one prompt after the other, activates an expert of the one pool with a
    cache and launches its kernels. `samba_coe` is such a program, and `samba_coe_7b`.

    wrong:
        rdflow serve attention --poisson 100

    right:
        rdflow serve samba_coe --poisson 100
    """,
)
