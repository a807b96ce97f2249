"""The C scorer against the model's own passes in float32: bfloat16 products may differ by their rounding, float32 ones may not."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from dunwu.errors import ModelError
from dunwu.models.layer_states import layer_states
from dunwu.models.logprobs import token_logprobs
from dunwu.models.native import NativeUnavailable
from dunwu.models.native_library import native_precision
from dunwu.models.native_logprobs import NativeScorer
from dunwu.models.native_packing import pack

VOCAB = 100
SHAPE = {
    "vocab_size": VOCAB, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 512,
}  # fmt: skip
MODELS: dict[str, Callable[[], Any]] = {
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE, tie_word_embeddings=True)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=False)),
    "llama, several panels of logits": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE | {"vocab_size": 2100})),
    "llama-64": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE | {"head_dim": 64, "num_key_value_heads": 1})),
}
# Groups with a prompt in common; completions of one token, of more than a block of queries, and about the sizes of tiles.
GROUPS = ((7, (1, 2, 16, 17)), (33, (31, 32, 33)), (1, (1,)), (20, (200, 5, 129)), (16, (15, 90)))


def make_model(name: str) -> Any:
    torch.manual_seed(5)
    model = MODELS[name]()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_((0.15 if parameter.ndim == 2 else 0.3) * torch.randn_like(parameter))
    return model


def make_rows(
    groups: Sequence[tuple[int, Sequence[int]]], seed: int = 0, vocabulary: int = VOCAB
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    generator = torch.Generator().manual_seed(seed)

    def some(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(2, vocabulary, (count,), generator=generator).tolist())

    pairs = [(prompt, some(length)) for prompt, lengths in [(some(size), lengths) for size, lengths in groups] for length in lengths]
    return [prompt for prompt, _ in pairs], [completion for _, completion in pairs]


def native(model: Any) -> NativeScorer:
    try:
        return NativeScorer(model)
    except NativeUnavailable as reason:
        if "AVX2" in str(reason) or "AMX" in str(reason) or "compiler" in str(reason):
            pytest.skip(f"no native scorer: {reason}")
        raise


def near(ours: Tensor, theirs: Tensor, bfloat16: float) -> bool:
    """Within a share of the norm of ``theirs``: that for bfloat16 products, or float32's rounding."""
    share = bfloat16 if native_precision() == "bfloat16" else 2e-5
    return bool((ours - theirs).norm() <= share * theirs.norm())


def reference(model: Any, prompts: Any, completions: Any, temperature: float, entropy_gradient: bool) -> tuple[Tensor, Tensor]:
    scores = []
    for prompt, completion in zip(prompts, completions, strict=True):
        ids = torch.tensor([prompt + completion])
        scored = torch.arange(ids.shape[1])[None] >= len(prompt)
        found = token_logprobs(model, ids, torch.ones_like(ids), scored, temperature, entropy_gradient=entropy_gradient)
        scores.append((found[0][scored], found[1][scored]))
    return torch.cat([logprobs for logprobs, _ in scores]), torch.cat([entropies for _, entropies in scores])


def gradients(model: Any, logprobs: Tensor, entropies: Tensor, with_entropy: bool) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(9)
    loss = (logprobs * torch.randn(len(logprobs), generator=generator)).sum()
    if with_entropy:
        loss = loss + (entropies * torch.randn(len(entropies), generator=generator)).sum()
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("with_entropy", [False, True])
@pytest.mark.parametrize("name", list(MODELS))
def test_scores_and_every_gradient_are_the_models(name: str, with_entropy: bool) -> None:
    model = make_model(name)
    prompts, completions = make_rows(GROUPS, vocabulary=model.config.vocab_size)
    expected = reference(model, prompts, completions, 0.8, with_entropy)
    exact = gradients(model, *expected, with_entropy)
    found = native(model).logprobs(prompts, completions, 0.8, entropy_gradient=with_entropy)
    assert found[1].requires_grad == with_entropy
    for ours, theirs in zip(found, expected, strict=True):
        assert near(ours, theirs, 0.02)
        assert (ours - theirs).abs().max() < 0.2
    ours_by_name = gradients(model, *found, with_entropy)
    for parameter, theirs in exact.items():
        ours = ours_by_name[parameter]
        # bfloat16 keeps 8 bits: errors of a per cent or two, in no common direction
        assert near(ours, theirs, 0.04), parameter
        assert torch.nn.functional.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) > 0.999, parameter


def test_a_shared_prompt_gets_the_gradient_of_all_its_completions() -> None:
    """One group of three beside the same rows with prompts that differ in nothing but being scored on their own."""
    model = make_model("llama")
    scorer = native(model)
    prompts, completions = make_rows(((12, (9, 20, 3)),))
    together = gradients(model, *scorer.logprobs(prompts, completions), False)
    weights = torch.randn(sum(map(len, completions)), generator=torch.Generator().manual_seed(9))
    model.zero_grad()
    for prompt, completion, weight in zip(prompts, completions, torch.split(weights, [*map(len, completions)]), strict=True):
        (scorer.logprobs([prompt], [completion])[0] * weight).sum().backward()
    for name, parameter in model.named_parameters():
        assert near(parameter.grad, together[name], 0.02), name


@pytest.mark.parametrize("wrong", [-1, VOCAB, 2**31])
def test_ids_outside_the_vocabulary_never_reach_c(wrong: int) -> None:
    scorer = native(make_model("qwen2"))
    for prompts, completions in (([(3, wrong)], [(4, 5)]), ([(3,)], [(4, wrong)])):
        with pytest.raises(ModelError, match=f"token id {wrong} is outside the model's vocabulary of {VOCAB}"):
            scorer.logprobs(prompts, completions)


def test_updates_are_seen_and_gradients_do_not_pile_up() -> None:
    model = make_model("qwen2")
    scorer = native(model)
    rows = make_rows(GROUPS)
    first = gradients(model, *scorer.logprobs(*rows), False)
    again = gradients(model, *scorer.logprobs(*rows), False)
    assert all(torch.equal(first[name], again[name]) for name in first)
    for parameter in model.parameters():
        with torch.no_grad():
            before = scorer.logprobs(*rows)[0]
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
            after = scorer.logprobs(*rows)[0]
        assert not torch.equal(before, after)
        assert near(after, reference(model, *rows, 1.0, False)[0], 0.03)


def test_a_fused_optimisers_update_is_seen() -> None:
    """It leaves the tensors' version counters as they were."""
    model = make_model("qwen2")
    scorer, rows = native(model), make_rows(GROUPS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, fused=True)
    for _ in range(2):
        optimizer.zero_grad()
        scorer.logprobs(*rows)[0].sum().backward()
        optimizer.step()
        with torch.no_grad():
            assert near(scorer.logprobs(*rows)[0], reference(model, *rows, 1.0, False)[0], 0.02)


def test_weights_are_packed_once_for_each_change() -> None:
    model, rows = make_model("qwen2"), make_rows(GROUPS)
    scorer = native(model)
    with torch.no_grad():
        before = scorer.logprobs(*rows)[0]
        model.model.norm.weight.data.mul_(2)  # not counted by torch
        assert torch.equal(scorer.logprobs(*rows)[0], before)
        model.model.norm.weight.mul_(1)
        assert not torch.equal(scorer.logprobs(*rows)[0], before)


def test_a_frozen_model_has_the_same_scores() -> None:
    model, rows = make_model("llama, several panels of logits"), make_rows(GROUPS)
    expected = native(model).logprobs(*rows)
    found = native(model.requires_grad_(False)).logprobs(*rows)
    assert not found[0].requires_grad
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))


def test_more_rows_than_before_and_fewer() -> None:
    model = make_model("qwen2")
    scorer = native(model)
    for groups in (((3, (2,)),), ((300, (150, 40)), (5, (60,) * 9)), ((3, (1,)),), GROUPS):
        rows = make_rows(groups, seed=len(groups))
        with torch.no_grad():
            assert near(scorer.logprobs(*rows)[0], reference(model, *rows, 1.0, False)[0], 0.02)


def test_one_forward_pass_at_a_time() -> None:
    model = make_model("qwen2")
    scorer = native(model)
    logprobs, _ = scorer.logprobs(*make_rows(GROUPS))
    scorer.logprobs(*make_rows(GROUPS, seed=1))
    with pytest.raises(AssertionError, match="one forward pass at a time"):
        logprobs.sum().backward()


def test_packing_by_hand() -> None:
    packed = pack([(5, 6), (7,), (5, 6)], [(8, 9, 10), (11,), (12, 13)], threads=2)
    # group (5, 6) has 7 tokens and goes to the first thread, group (7) to the second
    assert packed.tokens.tolist() == [5, 6, 8, 9, 12, 7]
    assert packed.positions.tolist() == [0, 1, 2, 3, 2, 0]
    assert packed.sequences.tolist() == [[0, 2, 0, 0], [2, 4, 0, 2], [4, 5, 0, 2], [5, 6, 5, 5]]
    assert packed.at.tolist() == [1, 2, 3, 1, 4, 5]
    assert packed.targets.tolist() == [8, 9, 10, 12, 13, 11]
    assert packed.order.tolist() == [0, 1, 2, 4, 5, 3]
    assert (packed.row_parts.tolist(), packed.sequence_parts.tolist(), packed.scored_parts.tolist()) == ([0, 5, 6], [0, 3, 4], [0, 5, 6])
    assert packed.longest == 5


def refused(model: Any) -> str:
    native(make_model("qwen2"))  # skips where nothing is native
    with pytest.raises(NativeUnavailable) as reason:
        NativeScorer(model)
    return str(reason.value)


def test_what_it_cannot_compute_is_refused() -> None:
    assert "qwen3" in refused(Qwen3ForCausalLM(Qwen3Config(**SHAPE)))
    assert "hidden_size 48" in refused(LlamaForCausalLM(LlamaConfig(**SHAPE | {"hidden_size": 48})))
    assert "of other kinds" in refused(LlamaForCausalLM(LlamaConfig(**SHAPE, attention_bias=True)))
    window = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
    assert "8 tokens" in refused(Qwen2ForCausalLM(Qwen2Config(**SHAPE, **window)))
    assert "SiLU" in refused(LlamaForCausalLM(LlamaConfig(**SHAPE, hidden_act="gelu")))
    frozen = make_model("llama")
    frozen.model.norm.weight.requires_grad_(False)
    assert "some are not" in refused(frozen)
    assert "float32" in refused(make_model("llama").bfloat16())


SEQUENCE_LENGTHS = (1, 31, 200, 32, 129, 17)
LAYERS, ATTENTION = (0, 1, 2), (1, 2)


def make_sequences(vocabulary: int = VOCAB) -> list[tuple[int, ...]]:
    generator = torch.Generator().manual_seed(2)
    return [tuple(torch.randint(0, vocabulary, (length,), generator=generator).tolist()) for length in SEQUENCE_LENGTHS]


def padded(sequences: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
    mask_BT = torch.arange(max(SEQUENCE_LENGTHS)) < torch.tensor(SEQUENCE_LENGTHS)[:, None]
    ids_BT = torch.zeros(mask_BT.shape, dtype=torch.long)
    ids_BT[mask_BT] = torch.tensor([token for sequence in sequences for token in sequence])
    return ids_BT, mask_BT


def torch_states(model: Any, sequences: Sequence[tuple[int, ...]]) -> dict[str, Tensor]:
    """Of the tokens alone, without padding."""
    ids_BT, mask_BT = padded(sequences)
    found = layer_states(model, ids_BT, ATTENTION)
    states = {f"hidden {layer}": found.hidden[layer][mask_BT] for layer in LAYERS}
    for layer in ATTENTION:
        read = found.attention[layer]
        parts = [heads.transpose(1, 2).flatten(2) for heads in (read.query_BHTd, read.key_BKTd, read.value_BKTd)]
        states[f"qkv {layer}"] = torch.cat(parts, dim=-1)[mask_BT]
    return states


def native_states(scorer: NativeScorer, sequences: Sequence[tuple[int, ...]]) -> dict[str, Tensor]:
    found, (_, mask_BT) = scorer.states(sequences, LAYERS, ATTENTION), padded(sequences)
    states = {f"hidden {layer}": found.hidden[layer][mask_BT] for layer in LAYERS}
    return states | {f"qkv {layer}": found.qkv[layer][mask_BT] for layer in ATTENTION}


def state_gradients(model: Any, states: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of a loss on all of them; unused weights have a gradient of 0."""
    generator = torch.Generator().manual_seed(9)
    model.zero_grad()
    sum((state * torch.randn(state.shape, generator=generator)).sum() for state in states.values()).backward()  # type: ignore[union-attr]
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("name", list(MODELS))
def test_inner_states_and_the_gradients_of_a_loss_on_them_are_the_models(name: str) -> None:
    model, sequences = make_model(name), make_sequences()
    expected, found = torch_states(model, sequences), native_states(native(model), sequences)
    for state, theirs in expected.items():
        assert near(found[state], theirs, 0.02), state
    exact, ours_by_name = state_gradients(model, expected), state_gradients(model, found)
    for parameter, theirs in exact.items():
        assert near(ours_by_name[parameter], theirs, 0.04), parameter


@pytest.mark.parametrize("wanted", [{"hidden": (1,)}, {"hidden": (2,)}, {"qkv": (2,)}, {"hidden": (0, 2), "qkv": (1,)}])
def test_states_that_are_not_wanted_change_nothing(wanted: dict[str, tuple[int, ...]]) -> None:
    """A loss on some states has the gradient that it has beside all others with a weight of 0; several threads give what one does."""
    model, sequences = make_model("qwen2"), make_sequences()
    scorer = native(model)

    def gradient(found: Any) -> dict[str, Tensor]:
        chosen = [found.hidden[layer] for layer in wanted.get("hidden", ())] + [found.qkv[layer] for layer in wanted.get("qkv", ())]
        model.zero_grad()
        sum(state.square().sum() for state in chosen).backward()  # type: ignore[union-attr]
        return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}

    alone, among_all = gradient(scorer.states(sequences, **wanted)), gradient(scorer.states(sequences, LAYERS, ATTENTION))
    assert all(torch.equal(alone[name], among_all[name]) for name in alone)


def test_a_padded_position_repeats_the_last_of_its_sequence() -> None:
    found = native(make_model("llama")).states([(3, 4), (5, 6, 7, 8)], (1,), (2,))
    for state_BTW in (found.hidden[1], found.qkv[2]):
        assert torch.equal(state_BTW[0, 2:], state_BTW[0, 1].expand(2, -1))


def test_a_frozen_model_gives_states_without_gradient() -> None:
    model, sequences = make_model("llama"), make_sequences()
    trained = native_states(native(model), sequences)
    frozen = native_states(native(model.requires_grad_(False)), sequences)
    assert all(torch.equal(frozen[name], trained[name]) and not frozen[name].requires_grad for name in trained)


@pytest.mark.parametrize("wrong", [-1, VOCAB])
def test_ids_outside_the_vocabulary_have_no_states(wrong: int) -> None:
    with pytest.raises(ModelError, match=f"token id {wrong} is outside the model's vocabulary of {VOCAB}"):
        native(make_model("qwen2")).states([(3, wrong)], (1,))
