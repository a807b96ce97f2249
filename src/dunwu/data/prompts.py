"""Problems in their template, tokenised."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from dunwu.data.surrogates import refuse_surrogates
from dunwu.errors import DataError
from dunwu.tasks.templates import render
from dunwu.types import Problem, Prompt


def make_prompts(problems: Sequence[Problem], template: str, tokenizer: PreTrainedTokenizerBase, max_prompt_tokens: int) -> list[Prompt]:
    """Render and encode. A prompt that is too long is refused with ``DataError``: cut, it would be another problem."""
    prompts = encode_prompts(problems, template, tokenizer)
    for prompt in prompts:
        if len(prompt.token_ids) > max_prompt_tokens:
            raise DataError(
                f"the prompt of {prompt.problem.id} has {len(prompt.token_ids)} tokens, over max_prompt_tokens={max_prompt_tokens}:"
                " raise it or drop it"
            )
    return prompts


def encode_prompts(problems: Sequence[Problem], template: str, tokenizer: PreTrainedTokenizerBase) -> list[Prompt]:
    """Render and encode, however long the prompts become."""

    def apply_chat(text: str) -> str:
        return str(tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True))

    prompts = []
    for problem in problems:
        refuse_surrogates(problem.text, f"problem {problem.id}")
        text, prefill = render(problem, template, apply_chat if tokenizer.chat_template else None)
        ids = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
        prompts.append(Prompt(problem, text, ids, prefill))
    return prompts
