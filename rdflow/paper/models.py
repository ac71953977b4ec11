"""The models of figure 11: programs in both forms, sizes, and how long a prompt is."""

from __future__ import annotations

from dataclasses import field

from rdflow.dsl.records import dataclass

FORMS = {"unfused": "operators", "fused": "layers"}
LLAMA = {"C": 4096, "F": 11008, "V": 32000, "G": 32, "R": 1, "W": 64}
HEADS = {"R": 1, "W": 4}


@dataclass(frozen=True)
class Model:
    """`family`: its programs are named after it. `prompt`: ids of one. `heads`: those of a small one with as many launches."""

    family: str
    layers: int
    sizes: dict[str, int]
    prompt: int = 4096
    heads: dict[str, int] = field(default_factory=lambda: HEADS)

    def program(self, form: str) -> str:
        return f"{self.family}_{FORMS[form]}"


LLAMA_2_7B = LLAMA | {"NL": 32, "D": 8, "T": 4096, "U": 8192}
MODELS = {
    "7b": Model("llama", 32, LLAMA),
    "70b": Model("llama", 80, LLAMA | {"C": 8192, "F": 28672, "G": 8, "R": 8}, heads={"R": 2, "W": 4}),
    "mistral": Model("mistral", 32, LLAMA | {"F": 14336, "G": 8, "R": 4, "S": 4096}),
    "mixtral": Model("mixtral", 32, LLAMA | {"F": 14336, "G": 8, "R": 4, "X": 8}),
    "falcon": Model("falcon", 60, {"C": 8192, "F": 32768, "V": 65024, "G": 8, "R": 16, "W": 32}, prompt=2048),
    "bloom": Model(
        "bloom", 70, {"C": 14336, "F": 57344, "V": 250880, "G": 112, "E1": 14336 // 112}, prompt=8192, heads={"E1": 8}
    ),
    "llava": Model("llava", 32, LLAMA | {"V": 32064}),
}
