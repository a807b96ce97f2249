"""`dunwu import`: a GGUF file as a Hugging Face folder with a card that says where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from jinja2 import TemplateError

from dunwu.config.blocks import EngineConfig
from dunwu.errors import RunError
from dunwu.jobs.stopping import stopping_at_once
from dunwu.models.chat_text import apply_chat
from dunwu.models.gguf import import_gguf, unknown_split
from dunwu.models.gguf_file import GgufFile, find_gguf, read_gguf
from dunwu.models.loading import check_folder, load_tokenizer, stop_token_ids
from dunwu.models.protocols import CausalLM, Tokenizer
from dunwu.rollout.build import build_engine
from dunwu.run.atomic import atomic_folder, check_room, unfinished
from dunwu.run.reporter import QUIET, Reporter
from dunwu.types import Request, SamplingParams

QUESTION = "What is the capital of France?"
ANSWER_TOKENS = 32
CARD = "README.md"


@stopping_at_once()
def run_import(source: str, out: Path, reporter: Reporter = QUIET) -> Path:
    """Writes the model of ``source`` (a GGUF file, or an installed package that holds one) to the new folder ``out``.

    Raises ``ModelError`` for what cannot be imported, ``RunError`` if ``out`` is taken.
    """
    if out.exists():
        raise RunError(f"{out} exists: choose another --out, or remove it")
    file = read_gguf(find_gguf(source))
    check_room(out, 4 * file.parameters)  # float32
    for folder in unfinished(out):
        reporter.warn(f"{folder} is the unfinished folder of an earlier import: delete it, unless that is still running")
    reporter.facts(_facts(file))
    if (split := unknown_split(file)) is not None:
        reporter.warn(f"its tokenizer splits texts by rules ({split!r}) that cannot be rebuilt: tokens may differ from those in training")
    reporter.say("reading and dequantising the weights")
    with atomic_folder(out, reporter) as folder:
        model, tokenizer = import_gguf(file, folder)
        (folder / CARD).write_text(_card(file, model, tokenizer), encoding="utf-8")
        check_folder(folder)
        load_tokenizer(str(folder))
    if not stop_token_ids(tokenizer, model):
        reporter.warn(f"the file names no token that ends a completion: name one as eos_token in {out / 'tokenizer_config.json'}")
    if (answer := _answer(model, tokenizer, reporter)) is not None:
        reporter.sample("a greedy answer", answer)
    reporter.say(f"written: {out}; use it by --model {out}")
    return out


def _facts(file: GgufFile) -> Iterator[tuple[str, str]]:
    yield "file", str(file.path)
    yield (
        "model",
        f"{file.facts.get('general.name', file.path.stem)}, {file.facts['general.architecture']}, most weights {file.quantisation}",
    )
    yield "licence", file.licence or "the file names none: ask where you got it"


def _card(file: GgufFile, model: CausalLM, tokenizer: Tokenizer) -> str:
    """The model's card in Markdown; the licence in its head is what the hub reads."""
    licence = f"license: {file.licence}\n" if file.licence else ""
    with file.path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    size = sum(parameter.numel() for parameter in model.parameters())
    chat = "with a chat template" if tokenizer.chat_template else "without a chat template"
    stops = ", ".join(tokenizer.convert_ids_to_tokens(list(stop_token_ids(tokenizer, model))))
    return (
        f"---\n{licence}---\n\n# {file.path.stem}\n\n"
        f"Made by `dunwu import` from `{file.path.name}` (SHA-256 {digest}).\n\n"
        f"- Weights: {size:,} parameters, most of them stored as {file.quantisation}, here dequantised to float32: as exact as the file.\n"
        f"- Tokenizer: {len(tokenizer):,} tokens, {chat}; a completion stops at {stops or 'no token'}.\n"
        f"- Licence of the model: {file.licence or 'not named in the file'}.\n"
    )


def _answer(model: CausalLM, tokenizer: Tokenizer, reporter: Reporter) -> str | None:
    """The imported model's answer to a question, which shows at once whether it works; ``None`` if its context has no room for one."""
    text, chat = QUESTION, bool(tokenizer.chat_template)
    try:
        text = apply_chat(tokenizer, [{"role": "user", "content": QUESTION}], continued=True) if chat else QUESTION
    except TemplateError as error:
        reporter.warn(f"the model's chat template fails ({' '.join(str(error).split())[:200]}): set a template of Dunwu's when you train")
        chat = False
    ids = tuple(tokenizer.encode(text, add_special_tokens=not chat))
    positions = model.config.max_position_embeddings
    if len(ids) + ANSWER_TOKENS > positions:
        reporter.warn(f"the question takes {len(ids):,} tokens in the chat template, and the model has {positions:,} positions")
        return None
    engine = build_engine(EngineConfig(max_batch=1), model, tokenizer)
    params = SamplingParams(max_tokens=ANSWER_TOKENS, temperature=0.0, stop_token_ids=engine.stop_token_ids)
    return engine.generate([Request(ids, params, seed=0)])[0].text
