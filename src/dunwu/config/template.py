"""How a problem becomes a prompt: the name of a template, or a block that puts one together, which a file may hold.

Files are read with the configuration, and what they hold is part of it: a run resumes without them, and a file that has changed is another
configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BeforeValidator, Discriminator, Field, Tag, TypeAdapter, ValidationError, model_validator

from dunwu.config.base import Config, Positive, Seed, as_tuples
from dunwu.config.references import DataRef
from dunwu.config.yaml_text import parse_yaml
from dunwu.text.answer_forms import DEFAULT, form_in
from dunwu.text.r1_wording import SYSTEMS
from dunwu.types import AnswerForm

TrainingName = Literal["plain", "tiny", "r1-zero", "chatml", "llama3", "deepseek", "auto"]
"""`dunwu.models.chat`: our forms, and `auto`, the tokenizer's own chat template."""
PromptName = Literal["tiny", "r1-zero", "r1-zero-prefilled", "plain", "chatml", "llama3", "deepseek", "chat", "auto"]
"""`dunwu.data.prompts`: the text templates of `dunwu.tasks.templates`, the forms of `dunwu.models.chat`, and the tokenizer's own chat
template, `chat` or, as in supervised fine-tuning, `auto`."""
_WITH_TAGS = ("tiny", "r1-zero", "r1-zero-prefilled")
"""Templates that ask for tags, or whose model was made to answer in them."""
SHOWN = 40
"""Characters shown of a text."""
MOST_CHARACTERS = 200_000
"""Characters of a file of a template."""
ASKS = "answer_form"
"""The suffix that asks for the answer where `answer_form` reads it."""
LAYOUT = ("template.jinja", "template.before", "template.after")
"""Keys that lay out a prompt in place of `base`."""
JINJA_FILES, BLOCK_FILES = (".jinja", ".jinja2", ".j2"), (".yaml", ".yml")


def _file_text(value: Any) -> Any:
    """The text of `{file: PATH}`, without its last line end, and none for null; other values unchanged."""
    if value is None:
        return ""
    if not isinstance(value, dict) or value.keys() != {"file"}:
        return value
    return _read(str(value["file"])).removesuffix("\n")


def _read(path: str) -> str:
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"{path} cannot be read ({reason}): give a text file") from None
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"{path} has {len(text):,} characters: no prompt has room for them")
    return text


Text = Annotated[str, BeforeValidator(_file_text)]
"""A text, or `{file: PATH}`."""


class Shot(Config):
    """An example for the model: a question and its answer."""

    question: str
    """The question."""
    answer: str
    """The whole answer, with its reasoning if it has some."""


class ShotFile(Config):
    """Examples from a file of rows, in any form of docs/data.md with one question and one answer."""

    file: DataRef
    """The file."""
    count: Positive = 4
    """Number of examples."""
    seed: Seed | None = None
    """Seed to draw them at random. null: the first rows."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Columns of the file, which may be nested, by our names: {prompt: query, completion: extra.response}."""


def _kind_of_shots(value: Any) -> str:
    return "(file)" if isinstance(value, dict | ShotFile) else "(list)"


Shots = Annotated[Annotated[ShotFile, Tag("(file)")] | Annotated[tuple[Shot, ...], Tag("(list)")], Discriminator(_kind_of_shots)]


class TemplateConfig(Config):
    """A template of your own. A prompt is a conversation: the system prompt, the examples, and the problem with its suffix, laid out by
    `base`, by `jinja` or by `before` and `after`; the answer starts with the prefill. A text may be `{file: PATH}`."""

    base: TrainingName = "auto"
    """Template that lays out the turns. auto: the tokenizer's chat template, or r1-zero if it has none."""
    jinja: Text = ""
    """Chat template to use instead of `base`, with the variables of transformers (`messages`, `add_generation_prompt`, special tokens). In
    prompts also `problem`, the text of the last turn."""
    before: Text = ""
    """Text before each question; with `after` instead of `base`."""
    after: Text = ""
    """Text between each question and its answer."""
    system: Text = ""
    """System prompt of conversations that have none. r1: the wording of DeepSeek-R1-Zero."""
    suffix: Text = ""
    """Text on a line of its own after each problem. answer_form: asks for the answer where `answer_form` reads it, unless the problem
    does."""
    prefill: Text = ""
    """Start of each answer, which is given to the model and not trained on."""
    few_shot: Shots = ()
    """Examples before the problem, such as {file: train.jsonl, count: 4}, or a list of {question, answer}."""

    @model_validator(mode="after")
    def _one_layout(self) -> Self:
        given = (("base", self.base != "auto"), ("jinja", self.jinja), ("before and after", self.before or self.after))
        layouts = [name for name, there in given if there]
        if len(layouts) > 1:
            raise ValueError(f"{layouts[0]} and {layouts[1]} both lay out the prompt: leave one of them out")
        return self

    @property
    def own(self) -> bool:
        """True if it is laid out by the user's texts or Jinja."""
        return bool(self.jinja or self.before or self.after)

    @property
    def system_text(self) -> str:
        """The system prompt, a ready one by its name."""
        return SYSTEMS.get(self.system, self.system)

    @property
    def words(self) -> str:
        """All that is said to the model in every prompt."""
        return "\n".join((self.system_text, self.before, self.after, self.jinja, "" if self.suffix == ASKS else self.suffix))

    @property
    def layout(self) -> str:
        """What lays out the prompt, in words."""
        return "your Jinja" if self.jinja else "your texts" if self.own else self.base

    def added(self) -> Iterator[str]:
        """What it adds to a conversation, in words."""
        count = self.few_shot.count if isinstance(self.few_shot, ShotFile) else len(self.few_shot)
        if self.system:
            yield f"system prompt {_start(self.system)}"
        if count:
            yield f"{count} few-shot examples"
        if self.suffix:
            yield "asked for the answer in its form" if self.suffix == ASKS else f"suffix {_start(self.suffix)}"
        if self.prefill:
            yield f"prefill {_start(self.prefill)}"


def _start(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]} ...")


def block_of(text: str) -> dict[str, Any]:
    """The keys of the block that a name, a file or Jinja stands for. Raises `ValueError` for a file that cannot be read."""
    if text.endswith(BLOCK_FILES):
        return _block_in(text)
    if (jinja := _jinja(text)) is not None:
        return {"jinja": jinja}
    if text == "r1-zero-prefilled":
        return {"base": "r1-zero", "prefill": " <think>\n"}
    return {"base": "auto" if text == "chat" else text}


def _jinja(text: str) -> str | None:
    """The Jinja that a text is, or that is in the file it names; ``None`` for any other text."""
    return text if "{{" in text or "{%" in text else _read(text) if text.endswith(JINJA_FILES) else None


def _block_in(path: str) -> dict[str, Any]:
    try:
        block = parse_yaml(_read(path))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML ({' '.join(str(error).split())[:120]}): fix it") from None
    if not isinstance(block, dict):
        raise ValueError(f"{path} holds no block: write {', '.join(TemplateConfig.model_fields)} as lines of `key: value`")
    return block


def _spelled_out(value: Any) -> Any:
    """A name as it is; a block for a file or for Jinja."""
    is_name = isinstance(value, str) and not value.endswith(BLOCK_FILES) and not value.endswith(JINJA_FILES) and _jinja(value) is None
    return as_tuples(block_of(value) if isinstance(value, str) and not is_name else value)


def _kind(value: Any) -> str:
    return "(block)" if isinstance(value, dict | TemplateConfig) else "(name)"


_ONE_OF = (Discriminator(_kind), BeforeValidator(_spelled_out))
PromptTemplate = Annotated[Annotated[PromptName, Tag("(name)")] | Annotated[TemplateConfig, Tag("(block)")], *_ONE_OF]
"""The template of prompts: a name, a file, Jinja or a block."""
SftTemplate = Annotated[Annotated[TrainingName, Tag("(name)")] | Annotated[TemplateConfig, Tag("(block)")], *_ONE_OF]
"""The template of conversations to learn."""
Template = str | TemplateConfig
"""A template that has been validated."""
AnyTemplate = Template | Mapping[str, Any] | None
"""What Python functions take."""


def plain(template: Template) -> Any:
    """A template as YAML data, without what is not set."""
    return template.model_dump(mode="json", exclude_defaults=True) if isinstance(template, TemplateConfig) else template


_PROMPTS: TypeAdapter[Template] = TypeAdapter(PromptTemplate)


def form_asked(template: Any) -> AnswerForm | None:
    """The form of answers that a template asks for, which may not be validated yet; ``None`` if it asks for none or for the run's."""
    try:
        found = _PROMPTS.validate_python(template)
    except ValidationError:  # for whoever validates the configuration
        return None
    if isinstance(found, TemplateConfig):
        return None if found.suffix == ASKS else form_in(found.words) or (None if found.own else form_asked(found.base))
    return DEFAULT if found in _WITH_TAGS else None
