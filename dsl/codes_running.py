"""Codes of what goes wrong when a program is run: files, values, waits. In the form that `codes` describes.

`wrong` and `right` are commands or lines of Python, programs for RDF401.
"""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF301: values for a tensor that the program does not have

    Values are given to tensors by name. A name that no tensor has would be ignored, and the tensor that was meant
    would silently get random values.

    wrong:
        rdflow run attention --input q=q.npy

    right:
        rdflow run attention --input Q=q.npy
    """,
    """
    RDF302: values of another shape

    The axes of a tensor are in the program, from the slowest to the fastest, and so are their lengths. An array has
    exactly these: nothing is broadcast, padded or cut.

    wrong:
        rdflow.load("attention", S=512, D=64).run(Q=np.ones((64, 512)))

    right:
        rdflow.load("attention", S=512, D=64).run(Q=np.ones((512, 64)))
    """,
    """
    RDF303: values that the dtype of the tensor cannot hold

    Floats are rounded to the dtype of the tensor, which loses little and is what memory holds. Whole numbers are not
    made of floats, and do not wrap around: both would change them beyond recognition.

    wrong:
        rdflow.load("topk_router").run(X="text")

    right:
        rdflow.load("topk_router").run(X=np.ones((64, 256)))
    """,
    """
    RDF304: a program that cannot be read

    A program is given by the path of a file, or by the name of one that ships with rdflow (`rdflow programs` lists
    them).

    wrong:
        rdflow run atention

    right:
        rdflow run attention
    """,
    """
    RDF305: values that cannot be read

    Values come as `.npy` files of one array, as `numpy.save` writes them, or as `random` with or without a seed.

    wrong:
        rdflow run attention --input Q=q.csv

    right:
        rdflow run attention --input Q=q.npy --input K=random:1
    """,
    """
    RDF306: a file or a folder that cannot be written

    Outputs go into a folder, a `.npy` file a tensor. It is tried before the run, so that no run is lost.

    wrong:
        rdflow run attention --output q.npy

    right:
        rdflow run attention --output results
    """,
    """
    RDF307: a roofline model where a machine is wanted that executes programs

    `dgx_a100` and `dgx_h100` are there for comparison: of them we know bandwidths, FLOP a second and what launches cost,
    and nothing that a program could be executed on, so they give no values, no cycles of units, no floor plan.

    wrong:
        rdflow run samba_coe --machine dgx_a100

    right:
        rdflow profile samba_coe --machine dgx_a100
    """,
    """
    RDF308: the paper has no such row

    `rdflow paper` lists what is published beside what this model gives. `--only` takes a row (`figure13.ratio`), or the
    rows of a table or figure by what stands before the dot (`figure13`).

    wrong:
        rdflow paper --only figure14

    right:
        rdflow paper --only figure13
    """,
    """
    RDF309: a kernel that cannot be extrapolated

    `rdflow profile --extrapolate NL=2,4` simulates a kernel that carries a state over an axis, as a model over its layers,
    with two and with four of them in place of all, and goes on from there in a line. So the param is the length of that axis
    and of nothing else: the kernel has the same units and queues with each of these numbers, on the same places.

    wrong:
        rdflow profile llama_decode --extrapolate C=64,128

    right:
        rdflow profile llama_decode --extrapolate NL=2,4
    """,
    """
    RDF321: a program that does nothing

    A run goes through the schedule, launch by launch. A program without one launches each kernel that takes no
    arguments; one without such a kernel, as a file of layers, can be checked, and there is nothing to run.

    wrong:
        rdflow run layers_of_mine.rdf

    right:
        rdflow run program_that_uses_them.rdf
    """,
    """
    RDF401: the kernel stands still

    Every unit waits for another one: a queue is full on one path and empty on another that parts from it and meets it
    again. The message names the waits and the queues that are full. The path that must wait needs a scratchpad that
    holds what the other path takes in before it gives its first token. Most of these are found before a program runs
    (RDF050, RDF051); the run is the judge of what depends on its data and its timing.

    wrong:
        axis t = 64, c = 4096
        tensor X: f32[t, c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel center {
            x = load X as [t, c/H | c%H]
            m = pcu max(c) x
            y = pcu x - m
            store y -> Y
        }

    right:
        axis t = 64, c = 4096
        tensor X: f32[t, c] in hbm input
        tensor Y: f32[t, c] in hbm output

        kernel center {
            x = load X as [t, c/H | c%H]
            m = pcu max(c) x
            h = pmu x as [t; c/H | c%H]
            y = pcu h - m
            store y -> Y
        }
    """,
)
