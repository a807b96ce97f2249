"""`auto` in supervised fine-tuning: the tokenizer's own chat template, or what takes its place."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest

from dunwu.models.chat import AUTO, FORMATS, PROBE, fitting_template
from tests.models.tokenizers_of_kinds import byte_level, llama_like

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DELETES = CHATML.replace("{{ m['content'] }}", "{{ m['content'].split('</think>')[-1] }}")
OTHER = DELETES.replace("<|im_start|>{{", "<|im_start|>The {{")


def adopted(tokenizer: Any) -> tuple[str, str | None, str]:
    """The template's name, the tokenizer's chat template and its end token after training."""
    tokenizer = copy.deepcopy(tokenizer)
    template = fitting_template(AUTO, tokenizer)
    model: Any = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=[2]), config=SimpleNamespace(eos_token_id=2))
    template.adopt(tokenizer, model)
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert template.note.startswith("auto: ")
    assert template.render(PROBE)[-1].text.endswith(template.end)
    return template.name, tokenizer.chat_template, tokenizer.eos_token


@pytest.mark.parametrize(
    ("own", "name", "kept"),
    [(CHATML, "auto", CHATML), (DELETES, "chatml", DELETES), (OTHER, "chatml", FORMATS["chatml"]), (None, "chatml", FORMATS["chatml"])],
    ids=["its own", "drops reasoning", "drops it and prompts otherwise", "none"],
)
def test_the_chat_template_stays_unless_another_form_is_trained(own: str | None, name: str, kept: str) -> None:
    tokenizer = byte_level()
    tokenizer.chat_template = own
    assert adopted(tokenizer) == (name, kept, "<|im_end|>")


def test_a_base_model_without_the_tokens_of_a_form_has_r1_zeros() -> None:
    tokenizer = llama_like()
    tokenizer.add_tokens(["x"])
    vocabulary = tokenizer.get_vocab
    tokenizer.get_vocab = lambda: {token: index for token, index in vocabulary().items() if "im_" not in token}
    name, template, end = adopted(tokenizer)
    assert (name, end) == ("r1-zero", "</s>")
    assert template is not None
    assert "reasoning process" in template
