"""Codes of what goes wrong with the weights of a checkpoint (`--weights`). In the form that `codes` describes.

`wrong` and `right` are commands, lines of Python, or lines of a table.
"""

from __future__ import annotations

ENTRIES: tuple[str, ...] = (
    """
    RDF310: a checkpoint that cannot be read

    A checkpoint is a folder as `save_pretrained` of transformers writes it: `config.json`, and the weights in
    `model.safetensors`, or in several such files that `model.safetensors.index.json` lists. Files of pickles are
    programs, and are not read. A file that is cut off is found by its header, before anything is computed with it.

    wrong:
        rdflow run llama --weights model/pytorch_model.bin

    right:
        rdflow run llama --weights model
    """,
    """
    RDF311: a checkpoint of another model

    A program computes one architecture. The table beside it names those that it takes, and the settings of
    `config.json` that it does not take, as another activation: with them it would give other tokens than the model,
    and nobody would notice.

    wrong:
        rdflow run llama --weights bert-base

    right:
        rdflow run llama --weights llama-3-8b
    """,
    """
    RDF312: a param that does not follow from config.json

    The table beside a program says how each of its params follows from the configuration: a number, a key, or
    arithmetic over keys. Where a key may have another name, or be left out, `[config]` lists what stands for it.

    wrong:
        [params]
        W = "head_dim / 2"

    right:
        [config]
        head_dim = ["head_dim", "hidden_size / num_attention_heads"]
        [params]
        W = "head_dim / 2"
    """,
    """
    RDF313: a weight is missing

    Every tensor that the table names is made of weights of the folder; none of them is made up. Most often a file was
    not fetched, or the model calls the weight by another name, which a table of your own can say.

    wrong:
        [tensors]
        HEAD = "lm_head.weight"

    right:
        [tensors]
        HEAD = ["lm_head.weight", "model.embed_tokens.weight"]
    """,
    """
    RDF314: a weight that nothing takes

    The folder has a weight that is part of no tensor, so the model computes something that the program does not, as a
    bias. Weights that change nothing are listed as `ignored` in the table. It is a warning where the program has
    fewer layers than the folder because its params say so.

    wrong:
        architectures = ["LlamaForCausalLM"]

    right:
        architectures = ["LlamaForCausalLM"]
        ignored = ["model.layers.{l}.self_attn.rotary_emb.inv_freq"]
    """,
    """
    RDF315: a weight of another shape

    The axes of a tensor, from the slowest to the fastest, are those of the weight, neighbours taken together where the
    weight has fewer: [d, g, r, e, c] takes a weight of [d*g*r*e, c]. Where the weight has them in another order, or
    holds more than the tensor, `shape` in the table lists its parts: an axis, `axis:N` for the first of N, `i:N` for
    number i of N. Here queries, keys and values of a group are R + 2 blocks of rows of one weight.

    wrong:
        Wk = "h.{l}.self_attention.query_key_value.weight"

    right:
        Wk = { weight = "h.{l}.self_attention.query_key_value.weight", shape = "g R:R+2 e c" }
    """,
    """
    RDF316: a weight of a dtype that tensors are not made of

    Weights are f32, f16 or bf16: each of these is a number that a tensor holds, exactly in f32, and bf16 in bf16.
    Whole numbers and 8-bit floats of quantised models are numbers only together with their scales.

    wrong:
        rdflow run llama --weights llama-3-8b-fp8

    right:
        rdflow run llama --weights llama-3-8b
    """,
    """
    RDF317: a table that is missing, or does not say what it should

    The table of a program is a TOML file beside it with the program's name, or the one that `--table` names. It lists
    the architectures that the program computes, `[params]` (how they follow from config.json), `[tensors]` (which
    weights they are, an axis in braces being stacked), `[only]` (settings that it takes), `[config]` (keys with
    several names), `[tables.rope]` or `[tables.alibi]` (what is made here), and `[prompt]` (how it takes a prompt:
    tensors, and params of lengths). `programs/llama.toml` is a whole one.

    wrong:
        rdflow run my.rdf --weights model

    right:
        rdflow run my.rdf --weights model --table my_table.toml
    """,
    """
    RDF318: a prompt that cannot be used

    A prompt is at least one token, given as numbers below the vocabulary's size, or as text where the folder has a
    `tokenizer.json`. The keys and values of all positions stay in memory, so prompt and answer together are no longer
    than the cache, which by default ends where the model does. Prompts of a batch have as many tokens each.

    wrong:
        rdflow run llama --weights model --prompt ""

    right:
        rdflow run llama --weights model --prompt "1 15 7" --steps 8
    """,
    """
    RDF319: a package is missing

    Checkpoints are read with the packages safetensors and tokenizers of Hugging Face. They come with the extra `hf`, so
    that whoever does not need them does not install them.

    wrong:
        pip install rdflow

    right:
        pip install 'rdflow[hf]'
    """,
    """
    RDF320: more values than this computer has memory for

    A run with values has each number of a tensor as a word of 4 bytes, and the engine has another one. Cycles do not
    depend on weights: `rdflow profile` executes a program of any size without them.

    wrong:
        rdflow run llama --weights llama-2-70b --prompt "1 15 7"

    right:
        rdflow profile llama --set C=8192 --set NL=80
    """,
)
