"""Prompts as tokens, and tokens as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from rdflow.checkpoints.packages import package
from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.records import dataclass

TOKENIZER, SENTENCEPIECE = "tokenizer.json", "tokenizer.model"
Prompt = str | Sequence[int]


@dataclass
class Prompts:
    """The prompts of a model whose folder may have a tokenizer."""

    folder: Path
    _tokenizer: Any = field(default=None, repr=False)

    @property
    def has_tokenizer(self) -> bool:
        return (self.folder / TOKENIZER).is_file()

    def tokens(self, prompts: Sequence[Prompt], vocabulary: int) -> list[list[int]]:
        """Each prompt as tokens: numbers as they are, in a text or not, any other text by the tokenizer.

        Raises CompileError (RDF318) with every prompt that is empty, has numbers that are no tokens, or has another
        length than the first.
        """
        found = [self._one(prompt) for prompt in prompts]
        mistakes = [
            m for prompt, tokens in zip(prompts, found, strict=True) for m in _mistakes(prompt, tokens, vocabulary)
        ]
        uneven = next((tokens for tokens in found if len(tokens) != len(found[0])), None) if found else None
        if uneven is not None and not mistakes:
            help = "give them one after another, or prompts of as many tokens"
            message = f"the first prompt has {len(found[0])} tokens, another one {len(uneven)}"
            mistakes.append(_unusable(message, help, "the sequences of a batch go through the layers together"))
        if mistakes or not found:
            raise CompileError(mistakes or [_unusable("there is no prompt", 'give one: `--prompt "1 15 7"`')])
        return found

    def text(self, tokens: Sequence[int]) -> str:
        """What the tokens say; without a tokenizer their numbers."""
        return self._loaded().decode(list(tokens)) if self.has_tokenizer else " ".join(map(str, tokens))

    def _one(self, prompt: Prompt) -> list[int]:
        if not isinstance(prompt, str):
            return [int(token) for token in prompt]
        words = prompt.replace(",", " ").split()
        if all(word.lstrip("-").isdigit() for word in words):
            return [int(word) for word in words]
        if not self.has_tokenizer:
            raise CompileError([self._no_tokenizer()])
        return list(self._loaded().encode(prompt).ids)

    def _loaded(self) -> Any:
        if self._tokenizer is None:
            tokenizers = package("tokenizers", "reading a tokenizer")
            path = self.folder / TOKENIZER
            try:
                self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
            except Exception as error:  # the library has no class of its own for this
                help = 'fetch the file again, or give the prompt as tokens: `--prompt "1 15 7"`'
                raise CompileError([Diagnostic("RDF310", f"`{path}` is no tokenizer: {error}", help=help)]) from None
        return self._tokenizer

    def _no_tokenizer(self) -> Diagnostic:
        other = (self.folder / SENTENCEPIECE).is_file()
        note = f"it has `{SENTENCEPIECE}`, of another library" if other else "without one a prompt is numbers"
        save = f"save it as `{TOKENIZER}` with transformers: `AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)`; or "
        help = f'{save if other else ""}give the prompt as tokens: `--prompt "1 15 7"`'
        return _unusable(f"the prompt is text, and `{self.folder}` has no `{TOKENIZER}`", help, note)


def _unusable(message: str, help: str, *notes: str) -> Diagnostic:
    return Diagnostic("RDF318", message, (), notes, help)


def _mistakes(prompt: Prompt, tokens: list[int], vocabulary: int) -> list[Diagnostic]:
    if not tokens:
        return [_unusable("the prompt is empty", "give at least one token: models begin with one, often number 1")]
    strange = [token for token in tokens if not 0 <= token < vocabulary]
    if not strange:
        return []
    message = f"the prompt has the token {strange[0]}, the model has 0 to {vocabulary - 1}"
    note = "the row of a token is read from the table of embeddings, which has one for each of the vocabulary"
    return [
        _unusable(message, "is the tokenizer that of this model?" if isinstance(prompt, str) else "leave it out", note)
    ]
