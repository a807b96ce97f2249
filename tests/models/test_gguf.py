"""Models from GGUF files: what is imported equals the model that the file was made of."""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM
from transformers.convert_slow_tokenizer import bytes_to_unicode

from dunwu.cli.main import main
from dunwu.errors import ModelError
from dunwu.models.gguf import load_gguf, unknown_split
from dunwu.models.gguf_file import find_gguf, read_gguf
from dunwu.models.loading import load_model
from dunwu.run import atomic

gguf = pytest.importorskip("gguf")

WIDTH, HEADS, GROUPS, LAYERS = 32, 4, 2, 2
SPECIAL = ["<|im_start|>", "<|im_end|>"]
TOKENS = [*SPECIAL, *bytes_to_unicode().values(), "ĠĠ", "12"]
CHAT = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}


@pytest.fixture(scope="module")
def original() -> LlamaForCausalLM:
    """A random model with tied embeddings."""
    torch.manual_seed(0)
    heads = {"num_attention_heads": HEADS, "num_key_value_heads": GROUPS}
    shape = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": LAYERS, **heads}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(TOKENS), tie_word_embeddings=True, max_position_embeddings=128, **shape))


def write(
    path: Path,
    model: LlamaForCausalLM,
    architecture: str = "llama",
    tokenizer: str = "gpt2",
    pre: str = "smollm",
    layers: int = LAYERS,
    width: int = WIDTH,
    tokens: Sequence[str] = TOKENS,
    chat: str = CHAT,
    end: int = 1,
    context: int = 128,
    epsilon: float = 1e-6,
    more: Callable[[Any], None] = lambda writer: None,
    without: str = "",
    base: float = 10_000.0,
) -> Path:
    """The model as a GGUF file in float32, with ``more`` facts and tensors and without the tensor of that name."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("Small")
    writer.add_license("apache-2.0")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(model.config.intermediate_size)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(GROUPS)
    writer.add_layer_norm_rms_eps(epsilon)
    writer.add_rope_freq_base(base)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model(tokenizer)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, *[1] * (len(tokens) - 2)])
    writer.add_token_merges(["Ġ Ġ", "1 2"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(end)
    writer.add_chat_template(chat)
    more(writer)
    for name, tensor in model.state_dict().items():
        if name != "lm_head.weight" and _name(name) != without:
            writer.add_tensor(_name(name), (_stored(name, tensor) if architecture == "llama" else tensor).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _name(name: str) -> str:
    if name in NAMES:
        return NAMES[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{NAMES[rest]}"


def _stored(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """llama.cpp keeps the two halves of a rotated pair beside each other."""
    heads = {"q_proj": HEADS, "k_proj": GROUPS}.get(name.split(".")[-2])
    if heads is None:
        return tensor
    return tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, WIDTH).swapaxes(1, 2).reshape(tensor.shape).contiguous()


@pytest.fixture(scope="module")
def imported(original: LlamaForCausalLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    write(folder / "small.gguf", original)
    assert main(["import", str(folder / "small.gguf"), "--out", str(folder / "model")]) == 0
    return folder / "model"


def test_logits_tokens_and_template_are_those_of_the_file(imported: Path, original: LlamaForCausalLM) -> None:
    model, tokenizer = load_model(str(imported))
    ids = torch.tensor([[5, 9, 100, 42]])
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=ids, use_cache=False).logits, original(input_ids=ids).logits)
    assert (tokenizer.eos_token, tokenizer.chat_template, len(tokenizer)) == ("<|im_end|>", CHAT, len(TOKENS))
    assert model.config.tie_word_embeddings


def test_digits_are_split_as_in_smollm(imported: Path) -> None:
    """Every digit is a token of its own, and what stands before a number is split without it."""
    tokenizer: Any = load_model(str(imported))[1]
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode("a  12", add_special_tokens=False)) == ["a", "ĠĠ", "1", "2"]


def test_the_card_names_file_and_licence(imported: Path) -> None:
    card = (imported / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: apache-2.0\n---\n")
    assert "small.gguf" in card
    assert "F32" in card


def facts(**values: Any) -> Callable[[Any], None]:
    """Adds facts; two underscores in a name stand for a dot."""

    def add(writer: Any) -> None:
        for name, value in values.items():
            kind = {str: writer.add_string, int: writer.add_uint32, float: writer.add_float32}[type(value)]
            kind(name.replace("__", "."), value)

    return add


def factors(values: Any) -> Callable[[Any], None]:
    return lambda writer: writer.add_tensor("rope_freqs.weight", np.asarray(values, np.float32))


LLAMA3 = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
BASE = 500_000.0
# As llama.cpp writes them for heads of 8 and the base 500,000: wavelengths of 6, 167, 4,443 (between 2,048 and 8,192) and 118,140.
LLAMA3_FACTORS = [1.0, 1.0, 3.2922626, 32.0]
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
LINEAR = {"rope_type": "linear", "factor": 4.0}
SCALINGS: dict[str, tuple[dict[str, Any], Callable[[Any], None]]] = {
    "linear": (LINEAR, facts(llama__rope__scaling__type="linear", llama__rope__scaling__factor=4.0)),
    "linear, older files": (LINEAR, facts(llama__rope__scale_linear=4.0)),
    "none": ({"rope_type": "default"}, facts(llama__rope__scaling__type="none")),
    "yarn": (
        YARN,
        facts(llama__rope__scaling__type="yarn", llama__rope__scaling__factor=4.0, llama__rope__scaling__original_context_length=32),
    ),
    "llama3": (LLAMA3, factors(LLAMA3_FACTORS)),
    "no factors": ({"rope_type": "default"}, factors([1.0, 1.0, 1.0, 1.0])),
}


@pytest.mark.parametrize("name", SCALINGS)
def test_scaled_positions_are_those_of_the_file(name: str, original: LlamaForCausalLM, tmp_path: Path) -> None:
    scaling, more = SCALINGS[name]
    base = BASE if name == "llama3" else 10_000.0
    config = LlamaConfig.from_dict({**original.config.to_dict(), "rope_parameters": {"rope_theta": base, **scaling}})
    scaled = LlamaForCausalLM(config).eval()
    scaled.load_state_dict(original.state_dict())
    file = tmp_path / "a.gguf"
    write(file, original, more=more, base=base)
    model, _ = load_gguf(read_gguf(file))
    ids = torch.randint(2, 200, (1, 100), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model(input_ids=ids).logits
        torch.testing.assert_close(logits, scaled(input_ids=ids).logits, atol=1e-5, rtol=0)
        plain = original(input_ids=ids).logits
    assert torch.allclose(logits, plain, atol=1e-4) == (scaling["rope_type"] == "default")


@pytest.mark.parametrize(
    "more",
    [
        facts(llama__rope__scaling__type="longrope"),
        facts(llama__rope__scaling__type="yarn", llama__rope__scaling__attn_factor=2.0),
        factors([1.0, 1.0, 2.0, 9.0]),
        lambda writer: writer.add_tensor("blk.0.attn_q.bias", np.ones(WIDTH, np.float32)),
        lambda writer: writer.add_tensor("rope_factors_long.weight", np.ones(4, np.float32)),
        lambda writer: writer.add_tensor("cls.weight", np.ones((2, WIDTH), np.float32)),
    ],
    ids=["longrope", "attention factor", "factors", "bias", "long factors", "classifier"],
)
def test_what_the_model_would_compute_without_is_refused(more: Callable[[Any], None], original: LlamaForCausalLM, tmp_path: Path) -> None:
    """transformers drops these silently, and the model would answer worse."""
    with pytest.raises(ModelError, match="Hugging Face folder"):
        load_gguf(read_gguf(write(tmp_path / "a.gguf", original, more=more)))


@pytest.mark.parametrize(("more", "part"), [(facts(general__type="adapter"), "adapter"), (facts(llama__expert_count=8), "experts")])
def test_what_is_no_dense_model(more: Callable[[Any], None], part: str, original: LlamaForCausalLM, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=part):
        read_gguf(write(tmp_path / "a.gguf", original, more=more))


DECODED = (
    *("F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "TQ1_0", "TQ2_0", "MXFP4"),
    *("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS"),
)


def blocks(kind: str, rows: int, columns: int) -> tuple[Any, Any]:
    """Random blocks of a quantisation, and their values: a quantised matrix (rows, columns)."""
    quantisation = gguf.GGMLQuantizationType[kind]
    size, stored = gguf.GGML_QUANT_SIZES[quantisation]
    rng, number = np.random.default_rng(0), rows * columns // size
    drawn = np.empty((0, stored), np.uint8)
    with np.errstate(all="ignore"):
        while len(drawn) < number:  # scales of other bytes are not finite, or too large for the model's sums
            drawn = np.concatenate([drawn, rng.integers(0, 256, (number, stored), np.uint8)])
            drawn = drawn[np.abs(gguf.dequantize(drawn, quantisation).reshape(len(drawn), -1)).max(axis=1) < 1e3]
    matrix = drawn[:number].reshape(rows, -1)
    return matrix, gguf.dequantize(matrix, quantisation)


@pytest.mark.parametrize("kind", DECODED)
def test_quantised_weights(kind: str, wide: LlamaForCausalLM, tmp_path: Path) -> None:
    """Values as the package `gguf` dequantises them, in the place of the transformers model where they belong."""
    matrix, values = blocks(kind, WIDTH, 256)

    def add(writer: Any) -> None:
        writer.add_tensor("blk.0.ffn_down.weight", matrix, raw_dtype=gguf.GGMLQuantizationType[kind])

    model, _ = load_gguf(read_gguf(write(tmp_path / "a.gguf", wide, more=add, without="blk.0.ffn_down.weight")))
    assert np.array_equal(model.model.layers[0].mlp.down_proj.weight.detach().numpy(), values)


@pytest.mark.parametrize("kind", ["Q8_1", "Q8_K", "F64"])
def test_weights_that_cannot_be_dequantised(kind: str, wide: LlamaForCausalLM, tmp_path: Path) -> None:
    size, stored = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    matrix = np.zeros((WIDTH, 256 // size * stored), np.uint8)

    def add(writer: Any) -> None:
        writer.add_tensor("blk.0.ffn_down.weight", matrix, raw_dtype=gguf.GGMLQuantizationType[kind])

    with pytest.raises(ModelError, match=f"{kind}.*another quantisation"):
        read_gguf(write(tmp_path / "a.gguf", wide, more=add, without="blk.0.ffn_down.weight"))


def test_weights_of_a_type_that_is_not_known(original: LlamaForCausalLM, tmp_path: Path) -> None:
    """Types 31 to 33 were llama.cpp's for ARM in 2024, and are gone."""
    file = write(tmp_path / "a.gguf", original)
    content = bytearray(file.read_bytes())
    name = b"blk.0.ffn_down.weight"
    struct.pack_into("<I", content, content.index(name) + len(name) + 4 + 2 * 8, 31)
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"31.*another quantisation"):
        read_gguf(file)


@pytest.fixture(scope="module")
def wide(original: LlamaForCausalLM) -> LlamaForCausalLM:
    """A model whose MLP has the 256 columns that blocks of quantised weights need."""
    return LlamaForCausalLM(LlamaConfig.from_dict({**original.config.to_dict(), "intermediate_size": 256}))


def test_heads_of_qwen3_have_the_size_of_the_file(original: LlamaForCausalLM, tmp_path: Path) -> None:
    config = Qwen3Config.from_dict({**original.config.to_dict(), "model_type": "qwen3", "head_dim": 16})
    qwen = Qwen3ForCausalLM(config).eval()
    file = write(tmp_path / "a.gguf", qwen, architecture="qwen3", more=facts(qwen3__attention__key_length=16))
    model, _ = load_gguf(read_gguf(file))
    ids = torch.tensor([[5, 9, 100, 42]])
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=ids).logits, qwen(input_ids=ids).logits)


def test_a_text_of_megabytes_is_refused_at_once(original: LlamaForCausalLM, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="2,000,000 bytes"):
        read_gguf(write(tmp_path / "a.gguf", original, chat="x" * 2_000_000))


def test_a_template_longer_than_the_context_is_said(original: LlamaForCausalLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "a.gguf", original, chat="x" * 500 + CHAT)
    assert main(["import", str(file), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert "128 positions" in printed.out + printed.err


def test_the_unfinished_folder_of_a_killed_import_is_named(
    original: LlamaForCausalLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, mark in (("out.ab12cd_9.tmp", ".dunwu-writing"), ("out.notes.tmp", "notes"), ("output.ab12cd_9.tmp", ".dunwu-writing")):
        (tmp_path / name).mkdir()
        (tmp_path / name / mark).touch()
    assert main(["import", str(write(tmp_path / "a.gguf", original)), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    assert "out.ab12cd_9.tmp" in said
    assert "notes" not in said
    assert "output." not in said


def test_an_unknown_split_is_named(original: LlamaForCausalLM, tmp_path: Path) -> None:
    assert unknown_split(read_gguf(write(tmp_path / "a.gguf", original))) is None
    assert unknown_split(read_gguf(write(tmp_path / "b.gguf", original, pre="chaotic"))) == "chaotic"


def test_another_architecture_is_refused(original: LlamaForCausalLM, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'mamba'"):
        read_gguf(write(tmp_path / "a.gguf", original, architecture="mamba"))


@pytest.mark.parametrize("kept", [3, 100, 0.5, 0.98])
def test_a_file_that_was_cut_is_refused(
    kept: float, original: LlamaForCausalLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write(tmp_path / "whole.gguf", original).read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    assert main(["import", str(cut), "--out", str(tmp_path / "out")]) == 2
    assert "download it again" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.gguf", "whole.gguf"]


def test_a_file_cut_at_any_byte_is_refused(original: LlamaForCausalLM, tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.gguf", original).read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in (*range(0, 900, 7), *range(900, len(whole) - 32, 1997)):
        cut.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="download it again"):
            read_gguf(cut)


def test_a_flipped_bit_in_the_header_is_refused_or_harmless(original: LlamaForCausalLM, tmp_path: Path) -> None:
    """Counts, types and names among them: whatever they say now, there is one line or a model."""
    whole = write(tmp_path / "whole.gguf", original).read_bytes()
    corrupt, rng, refused = tmp_path / "corrupt.gguf", random.Random(0), 0
    for place in rng.sample(range(1400), 50):
        content = bytearray(whole)
        content[place] ^= 1 << rng.randrange(8)
        corrupt.write_bytes(content)
        try:
            load_gguf(read_gguf(corrupt))
        except ModelError:
            refused += 1
    assert refused > 15


@pytest.mark.parametrize("place", ["tensors", "facts", "tokens", "name"])
def test_an_absurd_count_is_refused_at_once(place: str, original: LlamaForCausalLM, tmp_path: Path) -> None:
    """Neither memory nor time for what a corrupt count says."""
    file = write(tmp_path / "a.gguf", original)
    content = bytearray(file.read_bytes())
    places = {"tensors": 8, "facts": 16, "name": 24, "tokens": content.index(b"tokenizer.ggml.tokens") + 29}
    struct.pack_into("<Q", content, places[place], 2**62)
    file.write_bytes(content)
    with pytest.raises(ModelError, match="download it again"):
        read_gguf(file)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"layers": 2**31}, "2147483648"),
        ({"width": 2**31}, "2147483648"),
        ({"tokens": [*TOKENS, "more"]}, f"{len(TOKENS) + 1} tokens"),
        ({"end": 10**6}, ""),
        ({"context": 0}, "context_length"),
        ({"epsilon": float("nan")}, "no finite numbers"),
        ({"tokens": [*TOKENS[:-1], TOKENS[5]]}, "'gpt2'"),
        ({"chat": "{{ raise_exception('no') }}"}, None),
    ],
    ids=["layers", "width", "tokens", "end", "context", "epsilon", "colliding", "chat"],
)
def test_metadata_that_do_not_fit_the_weights(
    changes: dict[str, Any], part: str | None, original: LlamaForCausalLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A chat template that fails is no reason to refuse the weights, but is said."""
    file = write(tmp_path / "a.gguf", original, **changes)
    code = main(["import", str(file), "--out", str(tmp_path / "out")])
    printed = capsys.readouterr()
    assert code == (0 if part is None else 2)
    assert (part or "") in printed.err
    assert (tmp_path / "out").exists() == (part is None)
    assert part is not None or "chat template" in printed.out + printed.err


def test_weights_that_are_not_numbers(original: LlamaForCausalLM, tmp_path: Path) -> None:
    model = LlamaForCausalLM(original.config)
    model.model.norm.weight.data[3] = torch.nan
    with pytest.raises(ModelError, match=r"model\.norm\.weight"):
        load_gguf(read_gguf(write(tmp_path / "a.gguf", model)))


@pytest.mark.parametrize("content", [b"", b"GGUF", b"PK\x03\x04 not a model", bytes(4000)])
def test_another_file_by_that_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(content)
    with pytest.raises(ModelError, match=r"a\.gguf is not"):
        read_gguf(tmp_path / "a.gguf")


def test_a_tokenizer_that_cannot_be_rebuilt(original: LlamaForCausalLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "a.gguf", original, tokenizer="secret")
    assert main(["import", str(file), "--out", str(tmp_path / "out")]) == 2
    assert "'secret'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_no_source(tmp_path: Path) -> None:
    for source, part in (("no-such-package", "no-such-package"), ("json", "no GGUF"), (str(tmp_path), "no file"), ("__main__", "no file")):
        with pytest.raises(ModelError, match=part):
            find_gguf(source)


def test_the_file_of_a_package_is_found_without_running_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_model").mkdir()
    (tmp_path / "a_model/__init__.py").write_text("raise SystemExit(3)", encoding="utf-8")
    (tmp_path / "a_model/weights.gguf").write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_gguf("a-model") == tmp_path / "a_model/weights.gguf"
    assert "a_model" not in sys.modules


def test_an_existing_folder_stays(original: LlamaForCausalLM, tmp_path: Path) -> None:
    file = write(tmp_path / "a.gguf", original)
    (tmp_path / "out").mkdir()
    assert main(["import", str(file), "--out", str(tmp_path / "out")]) == 2
    assert not list((tmp_path / "out").iterdir())


def test_a_disk_without_room_is_refused_before_the_weights_are_read(
    original: LlamaForCausalLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "a.gguf", original)
    room = 4 * sum(parameter.numel() for parameter in original.parameters())
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda _: SimpleNamespace(free=room - 1))
    assert main(["import", str(file), "--out", str(tmp_path / "new" / "out")]) == 2
    assert "free space" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda _: SimpleNamespace(free=room))
    assert main(["import", str(file), "--out", str(tmp_path / "new" / "out")]) == 0


def test_a_gguf_file_as_a_model_names_the_command(original: LlamaForCausalLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "a.gguf", original)
    assert main(["eval", "--model", str(file)]) == 2
    assert f"dunwu import {file}" in capsys.readouterr().err
