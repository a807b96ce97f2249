"""The built-in engine against transformers, against the trainer's log-probabilities, and against itself."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from dunwu.errors import ModelError, TrainingError, UserError
from dunwu.models.logprobs import token_logprobs
from dunwu.rollout.base import group_requests
from dunwu.rollout.torch_engine import generation, scheduler
from dunwu.rollout.torch_engine.cache import KVCache
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.rollout.torch_engine.forward import decode, prefill
from dunwu.rollout.torch_engine.native.decoder import NativeDecoder
from dunwu.rollout.torch_engine.weights import decoder_weights, rope_table
from dunwu.types import Completion, Prompt, Request, SamplingParams

LENGTHS = [3, 11, 1, 7, 20, 5, 2]
GREEDY = SamplingParams(max_tokens=24, temperature=0.0, stop_token_ids=(1,))
SAMPLED = SamplingParams(max_tokens=24, stop_token_ids=(1, 5, 9, 40, 41, 42))

MakeModel = Callable[[str], Any]
MakePrompts = Callable[..., list[Prompt]]
MakeEngine = Callable[..., TorchEngine]


def reference(model: Any, prompt: Prompt, params: SamplingParams) -> tuple[int, ...]:
    """Greedy tokens by transformers' own generate."""
    ids = torch.tensor([prompt.token_ids])
    stops = list(params.stop_token_ids) or None
    output = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=params.max_tokens, do_sample=False, eos_token_id=stops, pad_token_id=0
    )
    return tuple(output[0, ids.shape[1] :].tolist())


def tokens_of(completions: Sequence[Completion]) -> list[tuple[int, ...]]:
    return [completion.tokens.ids for completion in completions]


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama", "yarn"])
def test_greedy_equals_transformers_token_by_token(
    family: str, make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    model, prompts = make_model(family), make_prompts(LENGTHS)
    # a frequent token as stop, so that rollouts end at different times and slots are reused
    stop = reference(model, prompts[0], GREEDY)[4]
    params = SamplingParams(max_tokens=24, temperature=0.0, stop_token_ids=(1, stop))
    expected = [reference(model, prompt, params) for prompt in prompts]
    assert len({len(tokens) for tokens in expected}) > 1
    for max_batch in (2, 3, 512):
        completions = make_engine(model, tokenizer, max_batch).generate(group_requests(prompts, params, 1, [0] * len(prompts)))
        assert tokens_of(completions) == expected
        assert all((c.finish_reason == "stop") == (c.tokens.ids[-1] in (1, stop)) for c in completions)


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama", "yarn"])
def test_prefill_and_decode_logits_equal_transformers(family: str, make_model: MakeModel) -> None:
    model = make_model(family)
    lengths = torch.tensor([9, 4, 1])
    ids = torch.randint(2, 100, (3, 16), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        weights, rope = decoder_weights(model), rope_table(model, 24)
        cache = KVCache(2, 3, 2, 24, weights.head_dim, device=torch.device("cpu"), dtype=torch.float32)
        kv, logits = prefill(weights, ids[:, :9], lengths, rope)
        cache.place(torch.arange(3), kv, torch.arange(3))
        held = lengths.clone()
        for _ in range(6):
            for row in range(3):
                expected = model(ids[row : row + 1, : int(held[row])]).logits[0, -1]
                torch.testing.assert_close(logits[row], expected, atol=1e-4, rtol=0)
            fed = ids[torch.arange(3), held]
            logits = decode(weights, fed, held, int(held.max()) + 1, cache, rope)
            held = held + 1


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama"])
def test_behaviour_logprobs_are_those_of_the_trainer(
    family: str, temperature: float, make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    model, prompts = make_model(family), make_prompts(LENGTHS)
    params = SamplingParams(max_tokens=24, temperature=temperature, stop_token_ids=(1, 5, 9, 40))
    completions = make_engine(model, tokenizer, 4).generate(group_requests(prompts, params, 2, range(14)))
    rows = [(prompts[i // 2].token_ids, completion) for i, completion in enumerate(completions)]
    width = max(len(ids) + len(completion.tokens.ids) for ids, completion in rows)
    inputs, attention = torch.zeros(14, width, dtype=torch.int64), torch.zeros(14, width, dtype=torch.int64)
    scored, behaviour = torch.zeros(14, width, dtype=torch.bool), torch.zeros(14, width)
    for i, (ids, completion) in enumerate(rows):
        start, end = len(ids), len(ids) + len(completion.tokens.ids)
        inputs[i, :end] = torch.tensor([*ids, *completion.tokens.ids])
        attention[i, :end] = 1
        scored[i, start:end] = True
        behaviour[i, start:end] = torch.tensor(completion.tokens.behaviour_logprobs)
    logprobs, _ = token_logprobs(model, inputs, attention, scored, temperature)
    torch.testing.assert_close(logprobs, behaviour, atol=1e-4, rtol=0)


def test_a_rollout_depends_on_its_seed_and_not_on_the_batch_around_it(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    model, prompts = make_model("qwen2"), make_prompts(LENGTHS)
    seeds = [1000 + 17 * i for i in range(21)]
    whole = tokens_of(make_engine(model, tokenizer).generate(group_requests(prompts, SAMPLED, 3, seeds)))
    for max_batch in (1, 4, 13):
        assert tokens_of(make_engine(model, tokenizer, max_batch).generate(group_requests(prompts, SAMPLED, 3, seeds))) == whole
    alone = make_engine(model, tokenizer).generate(group_requests(prompts[4:5], SAMPLED, 1, [seeds[13]]))
    assert alone[0].tokens.ids == whole[13]
    backwards = make_engine(model, tokenizer, 5).generate(group_requests(prompts[::-1], SAMPLED, 3, seeds[::-1]))
    assert tokens_of(backwards) == whole[::-1]


def test_group_prefill_equals_separate_prefill(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, prompts = make_model("qwen3"), make_prompts(LENGTHS)
    seeds = list(range(21))
    grouped = tokens_of(make_engine(model, tokenizer, 5).generate(group_requests(prompts, SAMPLED, 3, seeds)))
    repeated = [prompt for prompt in prompts for _ in range(3)]
    monkeypatch.setattr(scheduler, "PREFILL_TOKENS", 1)
    assert tokens_of(make_engine(model, tokenizer, 5).generate(group_requests(repeated, SAMPLED, 1, seeds))) == grouped


def test_each_prompt_is_read_once(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(weights: Any, token_ids_PT: torch.Tensor, lengths_P: torch.Tensor, rope: Any) -> Any:
        read.extend(lengths_P.tolist())
        return prefill(weights, token_ids_PT, lengths_P, rope)

    def counted_natively(decoder: NativeDecoder, prompts: Any, places: Sequence[int], parts: Sequence[range]) -> torch.Tensor:
        read.extend(map(len, parts))
        return read_natively(decoder, prompts, places, parts)

    read_natively = NativeDecoder.read
    monkeypatch.setattr(generation, "prefill", counted)
    monkeypatch.setattr(NativeDecoder, "read", counted_natively)
    monkeypatch.setattr(scheduler, "PREFILL_TOKENS", 30)
    make_engine(make_model("qwen2"), tokenizer, 3).generate(group_requests(make_prompts(LENGTHS), SAMPLED, 4, range(28)))
    assert read == LENGTHS


def test_seeds_decide_the_sample(make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine) -> None:
    engine = make_engine(make_model("qwen2"), tokenizer)
    prompts = make_prompts([6])
    drawn = tokens_of(engine.generate(group_requests(prompts, SamplingParams(max_tokens=12), 16, range(16))))
    assert len(set(drawn)) == 16
    assert tokens_of(engine.generate(group_requests(prompts, SamplingParams(max_tokens=12), 16, [3] * 16))) == [drawn[3]] * 16
    assert tokens_of(engine.generate(group_requests(prompts, SamplingParams(max_tokens=12), 1, [2**64 + 3]))) == [drawn[3]]
    assert tokens_of(engine.generate(group_requests(prompts, SamplingParams(max_tokens=12), 1, [-1]))) != [drawn[3]]


def test_threads_take_turns(make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine) -> None:
    engine = make_engine(make_model("qwen2"), tokenizer)
    requests = group_requests(make_prompts([6]), SamplingParams(max_tokens=30), 4, range(4))
    alone = tokens_of(engine.generate(requests))
    with ThreadPoolExecutor(2) as threads:
        together = threads.map(lambda _: tokens_of(engine.generate(requests)), range(12))
    assert list(together) == [alone] * 12


def test_first_tokens_follow_the_models_distribution(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    model, prompts = make_model("llama"), make_prompts([6])
    draws = 8000
    completions = make_engine(model, tokenizer).generate(group_requests(prompts, SamplingParams(max_tokens=1), draws, range(draws)))
    with torch.no_grad():
        expected = draws * model(torch.tensor([prompts[0].token_ids])).logits[0, -1].softmax(0)
    counts = torch.bincount(torch.tensor([c.tokens.ids[0] for c in completions]), minlength=100)
    common = expected >= 5
    chi2 = ((counts - expected)[common] ** 2 / expected[common]).sum().item()
    freedom = int(common.sum()) - 1
    assert freedom > 5
    assert chi2 < freedom + 4 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("name", ["self_attn.k_proj.weight", "self_attn.q_proj.bias", "mlp.up_proj.weight", "input_layernorm.weight"])
def test_updates_in_place_are_seen_without_any_call(
    name: str, make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    model, prompts = make_model("qwen2"), make_prompts(LENGTHS)
    engine = make_engine(model, tokenizer)
    before = tokens_of(engine.generate(group_requests(prompts, GREEDY, 1, [0] * 7)))
    with torch.no_grad():
        # drawn anew for each parameter: a constant added to a key bias, say, would cancel in the softmax
        parameter = model.model.layers[1].get_parameter(name)
        parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    after = tokens_of(engine.generate(group_requests(prompts, GREEDY, 1, [0] * 7)))
    assert after != before
    assert after == [reference(model, prompt, GREEDY) for prompt in prompts]


def test_an_update_between_two_tokens_is_seen(make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any) -> None:
    model = make_model("qwen2")
    engine = TorchEngine(model, tokenizer, native=False)

    def silence(_rollout: int, _completion: Completion) -> None:
        with torch.no_grad():
            model.model.norm.weight.zero_()

    # The second rollout is alone after the first has ended; all logits equal then.
    params = SamplingParams(max_tokens=24, stop_token_ids=(2,))
    seeds = next(
        [s, s + 1]
        for s in range(500)
        if len({len(c.tokens.ids) for c in engine.generate(group_requests(make_prompts([4]), params, 2, [s, s + 1]))}) > 1
    )
    first, second = sorted(engine.generate(group_requests(make_prompts([4]), params, 2, seeds), silence), key=lambda c: len(c.tokens.ids))
    later = second.tokens.behaviour_logprobs[len(first.tokens.ids) + 1 :]
    assert later == pytest.approx([-math.log(100)] * len(later), abs=1e-5)
    assert later


def test_on_completion_hears_of_each_rollout_once(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    heard: list[tuple[int, Completion]] = []
    gradients: list[bool] = []

    def listen(rollout: int, completion: Completion) -> None:
        heard.append((rollout, completion))
        gradients.append(torch.ones(1, requires_grad=True).mul(2).requires_grad)

    completions = make_engine(make_model("qwen2"), tokenizer, 4).generate(
        group_requests(make_prompts(LENGTHS), SAMPLED, 2, range(14)), listen
    )
    assert sorted(rollout for rollout, _ in heard) == list(range(14))
    assert all(completions[rollout] is completion for rollout, completion in heard)
    assert [rollout for rollout, _ in heard] != list(range(14)), "rollouts leave when they finish, not in order"
    assert all(gradients), "the callback may compute with gradients"


def test_checking_seldom_changes_nothing(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, prompts = make_model("qwen2"), make_prompts(LENGTHS)
    often = TorchEngine(model, tokenizer, 4, native=False).generate(group_requests(prompts, SAMPLED, 2, range(14)))
    monkeypatch.setattr(generation, "STEPS_BETWEEN_CHECKS", {"cpu": 7})
    assert tokens_of(TorchEngine(model, tokenizer, 4, native=False).generate(group_requests(prompts, SAMPLED, 2, range(14)))) == tokens_of(
        often
    )


def test_text_leaves_out_stop_and_padding(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    completions = make_engine(make_model("qwen2"), tokenizer).generate(group_requests(make_prompts([5]), SAMPLED, 64, range(64)))
    for completion in completions:
        stopped = completion.tokens.ids[-1] in SAMPLED.stop_token_ids
        assert completion.finish_reason == ("stop" if stopped else "length")
        assert all(token not in SAMPLED.stop_token_ids for token in completion.tokens.ids[:-1])
        shown = completion.tokens.ids[:-1] if stopped else completion.tokens.ids
        assert completion.text == " ".join(f"w{token}" for token in shown if token > 1)
        assert len(completion.tokens.behaviour_logprobs) == len(completion.tokens.ids) <= SAMPLED.max_tokens
    assert any(0 in completion.tokens.ids for completion in completions), "the case of padding inside is covered"


def test_policy_version_is_recorded_and_state_is_copied(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    model, other = make_model("qwen2"), make_model("qwen2")
    engine = make_engine(model, tokenizer)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.5)
    engine.load_weights(3)
    assert engine.generate(group_requests(make_prompts([4]), GREEDY, 1, [0]))[0].tokens.versions == {3}
    engine.load_weights(4, other.state_dict())
    completion = engine.generate(group_requests(make_prompts([4]), GREEDY, 1, [0]))[0]
    assert completion.tokens.versions == {4}
    assert completion.tokens.ids == reference(other, make_prompts([4])[0], GREEDY)
    partial = {name: value for name, value in other.state_dict().items() if "norm" not in name}
    with pytest.raises(ModelError, match=r"lacks 5 parameters.*model\.layers\.0\.input_layernorm\.weight"):
        engine.load_weights(5, partial)
    assert engine.policy_version == 4


def test_too_long_prompts_are_refused(make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine) -> None:
    engine = make_engine(make_model("qwen2"), tokenizer)
    assert len(engine.generate(group_requests(make_prompts([40]), GREEDY, 1, [0]))) == 1
    with pytest.raises(UserError, match=r"request 1 has 41 tokens; with max_tokens 24 .* 64 positions"):
        engine.generate(group_requests(make_prompts([3, 41]), GREEDY, 1, [0, 0]))
    with pytest.raises(UserError, match="no tokens"):
        engine.generate(group_requests(make_prompts([0]), GREEDY, 1, [0]))
    alien = Prompt(make_prompts([1])[0].problem, "", (100,))
    with pytest.raises(ModelError, match="token id 100 is outside"):
        engine.generate(group_requests([alien], GREEDY, 1, [0]))


def test_nothing_to_do_gives_nothing(make_model: MakeModel, tokenizer: Any, make_engine: MakeEngine) -> None:
    assert make_engine(make_model("qwen2"), tokenizer).generate(group_requests([], GREEDY, 4, [])) == []


def test_broken_weights_raise_and_do_not_poison_later_calls(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    model, prompts = make_model("qwen2"), make_prompts(LENGTHS)
    engine = make_engine(model, tokenizer)
    expected = tokens_of(engine.generate(group_requests(prompts, SAMPLED, 2, range(14))))
    weight = model.model.layers[0].self_attn.v_proj.weight
    saved = weight.detach().clone()
    with torch.no_grad():
        weight[0, 0] = math.nan
    with pytest.raises(TrainingError, match="not finite"):
        engine.generate(group_requests(prompts, SAMPLED, 2, range(14)))
    with torch.no_grad():
        weight.copy_(saved)
    assert tokens_of(engine.generate(group_requests(prompts, SAMPLED, 2, range(14)))) == expected


def test_a_kept_cache_serves_smaller_and_larger_calls(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    model = make_model("qwen2")
    engine = make_engine(model, tokenizer)
    for lengths, group in ((LENGTHS, 2), ([4], 1), ([30, 2, 9], 6)):
        prompts, seeds = make_prompts(lengths), range(len(lengths) * group)
        fresh = make_engine(model, tokenizer).generate(group_requests(prompts, SAMPLED, group, seeds))
        assert tokens_of(engine.generate(group_requests(prompts, SAMPLED, group, seeds))) == tokens_of(fresh)


def test_training_mode_and_gradients_do_not_matter(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    model, prompts = make_model("qwen2"), make_prompts(LENGTHS)
    engine = make_engine(model, tokenizer)
    expected = tokens_of(engine.generate(group_requests(prompts, SAMPLED, 1, range(7))))
    model.train()
    assert tokens_of(engine.generate(group_requests(prompts, SAMPLED, 1, range(7)))) == expected
    loss = model(torch.tensor([prompts[1].token_ids])).logits.square().mean()
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_requests_of_one_call_may_draw_in_different_ways(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    engine, prompts = make_engine(make_model("qwen2"), tokenizer, 3), make_prompts(LENGTHS)
    greedy, sampled = group_requests(prompts, GREEDY, 2, range(14)), group_requests(prompts, SAMPLED, 2, range(14))
    expected = tokens_of(engine.generate(greedy)), tokens_of(engine.generate(sampled))
    mixed = [request for pair in zip(greedy, sampled, strict=True) for request in pair]
    heard: list[int] = []
    found = tokens_of(engine.generate(mixed, lambda place, completion: heard.append(place)))
    assert (found[::2], found[1::2]) == expected
    assert sorted(heard) == list(range(28))


def test_groups_of_any_size_share_their_prompt(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, make_engine: MakeEngine
) -> None:
    prompts = make_prompts([9, 3, 14])
    uneven = [Request(prompts[p].token_ids, SAMPLED, seed) for seed, p in enumerate([0, 1, 1, 1, 1, 1, 2, 2, 0])]
    engine = make_engine(make_model("qwen2"), tokenizer, 2)
    assert tokens_of(engine.generate(uneven)) == [tokens_of(engine.generate([request]))[0] for request in uneven]
