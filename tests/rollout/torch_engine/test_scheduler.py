"""Requests that come one by one get what they would get alone, whatever runs beside them, leaves, or was read before."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from dunwu.errors import ModelError, UserError
from dunwu.rollout.requests import Progress
from dunwu.rollout.torch_engine.engine import TorchEngine
from dunwu.rollout.torch_engine.native.decoder import NativeDecoder
from dunwu.rollout.torch_engine.room import Room
from dunwu.rollout.torch_engine.scheduler import Scheduler
from dunwu.types import Prompt, Request, SamplingParams

LENGTHS = [3, 11, 1, 7, 20, 5, 2, 33]
KINDS = [
    SamplingParams(24, stop_token_ids=(1, 5, 9, 40, 41, 42)),
    SamplingParams(20, temperature=0.0, stop_token_ids=(1,)),
    SamplingParams(24, temperature=0.6, top_p=0.95, stop_token_ids=(1, 5)),
    SamplingParams(1),
    SamplingParams(9, temperature=1.3, top_k=5, min_p=0.02),
]
MakeModel = Callable[[str], Any]
MakePrompts = Callable[..., list[Prompt]]
MakeEngine = Callable[..., TorchEngine]
Answer = tuple[tuple[int, ...], tuple[float, ...], str | None]


def answers(found: Sequence[Progress]) -> dict[int, Answer]:
    """The tokens, log-probabilities and end of each request, put together from what the steps told."""
    told: dict[int, Answer] = {}
    for each in found:
        ids, logprobs, finish = told.get(each.id, ((), (), None))
        assert finish is None, "nothing is told of a request that has ended"
        assert len(each.token_ids) == len(each.logprobs)
        told[each.id] = (ids + each.token_ids, logprobs + each.logprobs, each.finish)
    return told


def finish(scheduler: Scheduler) -> list[Progress]:
    """All that is told until nothing runs or waits."""
    found: list[Progress] = []
    for _ in range(2000):
        if not scheduler.running and not scheduler.waiting:
            return found + scheduler.step()
        found += scheduler.step()
    raise AssertionError("the scheduler does not come to an end")


def mixed(prompts: Sequence[Prompt], count: int = 16) -> list[Request]:
    return [Request(prompts[i % len(prompts)].token_ids, KINDS[i % len(KINDS)], 100 + i) for i in range(count)]


def near(found: Answer, expected: Answer, bits: bool) -> bool:
    """Equal; of torch the tokens, as its logits may differ in the last bits."""
    if bits:
        return found == expected
    return (found[0], found[2]) == (expected[0], expected[2]) and found[1] == pytest.approx(expected[1], abs=1e-4)


def alone(engine: TorchEngine, requests: Sequence[Request]) -> list[Answer]:
    """What ``generate`` gives each request by itself."""
    completions = [engine.generate([request])[0] for request in requests]
    return [(each.tokens.ids, each.tokens.behaviour_logprobs, each.finish_reason) for each in completions]


@pytest.fixture
def prompts(make_prompts: MakePrompts) -> list[Prompt]:
    return make_prompts(LENGTHS)


def is_native(engine: TorchEngine) -> bool:
    return engine.decoder.startswith("native")


@pytest.mark.parametrize("room", [Room(slots=16), Room(slots=3, steps_per_call=1, read_per_step=5), Room(slots=2, prompts_kept=0)])
def test_requests_get_in_company_what_they_get_alone(
    room: Room, make_model: MakeModel, prompts: list[Prompt], tokenizer: Any, make_engine: MakeEngine
) -> None:
    engine, requests = make_engine(make_model("qwen2"), tokenizer), mixed(prompts)
    expected = alone(engine, requests)
    scheduler = engine.requests(room)
    found: list[Progress] = []
    for i, request in enumerate(requests):
        assert scheduler.submit(request) == i
        for _ in range(i % 3):  # some come together, some while others run
            found += scheduler.step()
            assert scheduler.running <= room.slots
    told = answers(found + finish(scheduler))
    assert len(told) == len(requests)
    assert all(near(told[i], expected[i], is_native(engine)) for i in range(len(requests)))


def test_the_order_of_arrival_changes_nothing(
    make_model: MakeModel, prompts: list[Prompt], tokenizer: Any, make_engine: MakeEngine
) -> None:
    engine, requests = make_engine(make_model("qwen3"), tokenizer), mixed(prompts)
    by_request: list[dict[Request, Answer]] = []
    for seed in range(3):
        order = random.Random(seed).sample(requests, len(requests))
        scheduler = engine.requests(Room(slots=5))
        ids = {scheduler.submit(request): request for request in order}
        by_request.append({ids[id]: answer for id, answer in answers(finish(scheduler)).items()})
    for other in by_request[1:]:
        assert all(near(other[request], answer, is_native(engine)) for request, answer in by_request[0].items())


def test_generate_runs_all_kinds_together(make_model: MakeModel, prompts: list[Prompt], tokenizer: Any, native_decoder: None) -> None:
    requests = mixed(prompts, 40)
    found = TorchEngine(make_model("qwen2"), tokenizer, 7).generate(requests)
    expected = alone(TorchEngine(make_model("qwen2"), tokenizer), requests)
    assert [(each.tokens.ids, each.tokens.behaviour_logprobs, each.finish_reason) for each in found] == expected


def test_cancelled_requests_leave_at_once_and_without_a_trace(
    make_model: MakeModel, prompts: list[Prompt], tokenizer: Any, make_engine: MakeEngine
) -> None:
    engine, requests = make_engine(make_model("qwen2"), tokenizer), mixed(prompts)
    expected = alone(engine, requests)
    scheduler = engine.requests(Room(slots=6, steps_per_call=1, read_per_step=4))
    ids = [scheduler.submit(request) for request in requests]
    found = scheduler.step() + scheduler.step()
    ended = {each.id for each in found if each.finish}
    running = scheduler.running
    leaving = [id for id in ids if id % 3 == 0 and id not in ended]
    for id in leaving:
        scheduler.cancel(id)
        scheduler.cancel(id)  # a second time, and of one that is unknown: nothing
    scheduler.cancel(999)
    assert scheduler.running < running
    found += scheduler.step()
    assert {each.id for each in found if each.finish == "cancelled"} == set(leaving)
    told = answers(found + finish(scheduler))
    assert all(near(told[id], expected[id], is_native(engine)) for id in set(ids) - set(leaving))
    assert not scheduler.running
    assert not scheduler.waiting


def test_one_request_after_the_other_finds_all_room_free(
    make_model: MakeModel, prompts: list[Prompt], tokenizer: Any, make_engine: MakeEngine
) -> None:
    engine = make_engine(make_model("qwen2"), tokenizer)
    scheduler = engine.requests(Room(slots=2, prompts_kept=1))
    for i in range(12):
        id = scheduler.submit(Request(prompts[i % 8].token_ids, KINDS[0], i))
        if i % 4 == 1:
            scheduler.step()
            scheduler.cancel(id)
        assert finish(scheduler)[-1].finish in {"stop", "length", "cancelled"}


def test_a_request_that_cannot_be_answered_is_refused_and_hurts_none(
    make_model: MakeModel, prompts: list[Prompt], tokenizer: Any, make_engine: MakeEngine
) -> None:
    engine = make_engine(make_model("qwen2"), tokenizer)
    good = Request(prompts[1].token_ids, KINDS[0], 3)
    [expected] = alone(engine, [good])
    scheduler = engine.requests(Room(slots=4, context=40))
    id = scheduler.submit(good)
    found = scheduler.step()
    fits = replace(good, params=SamplingParams(29))
    for bad in (replace(good, params=SamplingParams(30)), replace(good, token_ids=())):
        with pytest.raises(UserError):
            scheduler.submit(bad)
    with pytest.raises(ModelError):
        scheduler.submit(replace(good, token_ids=(3, 100)))
    other = scheduler.submit(fits)
    told = answers(found + finish(scheduler))
    assert near(told[id], expected, is_native(engine))
    assert len(told[other][0]) == 29
    assert set(told) == {id, other}


def test_broken_weights_end_requests_and_poison_nothing(
    make_model: MakeModel, prompts: list[Prompt], tokenizer: Any, make_engine: MakeEngine
) -> None:
    model = make_model("qwen2")
    engine, requests = make_engine(model, tokenizer), mixed(prompts, 8)
    expected = alone(engine, requests)
    scheduler = engine.requests(Room(slots=3))
    weight = model.model.layers[0].self_attn.v_proj.weight
    saved = weight.detach().clone()
    with torch.no_grad():
        weight[0, 0] = math.nan
    for request in requests:
        scheduler.submit(request)
    assert {answer[2] for answer in answers(finish(scheduler)).values()} == {"error"}
    with torch.no_grad():
        weight.copy_(saved)
    ids = [scheduler.submit(request) for request in requests]
    told = answers(finish(scheduler))
    assert all(near(told[id], answer, is_native(engine)) for id, answer in zip(ids, expected, strict=True))


def test_new_weights_are_taken_up_when_nothing_runs(
    make_model: MakeModel, prompts: list[Prompt], tokenizer: Any, make_engine: MakeEngine
) -> None:
    model = make_model("qwen2")
    engine, request = make_engine(model, tokenizer), Request(prompts[4].token_ids, KINDS[1], 0)
    scheduler = engine.requests(Room(slots=3))
    first = answers([*finish(scheduler), *(scheduler.submit(request), finish(scheduler))[1]])
    with torch.no_grad():
        model.model.norm.weight.mul_(torch.linspace(-1, 1, 48))
    [expected] = alone(TorchEngine(model, tokenizer, native=is_native(engine)), [request])
    id = scheduler.submit(request)
    told = finish(scheduler)
    assert near(answers(told)[id], expected, is_native(engine))
    assert all(each.cached_tokens == 0 for each in told), "what was known belongs to other weights"
    assert answers(told)[id][0] != first[0][0]


def test_neighbours_share_a_prompt(
    make_model: MakeModel, prompts: list[Prompt], tokenizer: Any, native_decoder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = count_reads(monkeypatch)
    scheduler = TorchEngine(make_model("qwen2"), tokenizer).requests(Room(slots=3))
    for seed in range(7):
        scheduler.submit(Request(prompts[4].token_ids, KINDS[0], seed))
    assert len(answers(finish(scheduler))) == 7
    assert read == [20]


def test_what_was_read_is_read_no_more_and_tokens_stay_the_same(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, native_decoder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system prompt, a conversation that grows, the same again: bits as without a cache."""
    engine = TorchEngine(make_model("qwen3"), tokenizer)
    system, *turns = (each.token_ids for each in make_prompts([17, 6, 4, 5, 3], seed=5))
    asked = [system + turns[0], system + turns[1], system + turns[0] + turns[2], system + turns[0] + turns[2] + turns[3]]
    asked += [asked[-1], system + turns[0], asked[2][:17]]
    requests = [Request(ids, KINDS[i % 3], i) for i, ids in enumerate(asked)]
    expected = alone(engine, requests)
    read = count_reads(monkeypatch)
    known = [0, 17, 23, 28, 30, 22, 16]
    for room in (Room(slots=2), Room(slots=2, prompts_kept=2, read_per_step=5, steps_per_call=1)):
        scheduler = engine.requests(room)
        read.clear()
        for i, request in enumerate(requests):
            id = scheduler.submit(request)
            told = finish(scheduler)
            assert answers(told)[id] == expected[i]
            assert {each.cached_tokens for each in told} == {known[i]}
        assert sum(read) == sum(map(len, asked)) - sum(known)


def test_requests_that_come_together_share_their_beginning(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, native_decoder: None
) -> None:
    engine = TorchEngine(make_model("qwen3"), tokenizer)
    system, *turns = (each.token_ids for each in make_prompts([20, *[3] * 9], seed=6))
    requests = [Request(system + turn, KINDS[0], i) for i, turn in enumerate(turns)]
    expected = alone(engine, requests)
    scheduler = engine.requests(Room(slots=9, read_per_step=20))
    for request in requests:
        scheduler.submit(request)
    told = finish(scheduler)
    assert [answers(told)[i] for i in range(9)] == expected
    assert sum({each.id: each.cached_tokens for each in told}.values()) >= 7 * 20


def test_a_long_prompt_does_not_hold_up_the_others(
    make_model: MakeModel, make_prompts: MakePrompts, tokenizer: Any, native_decoder: None
) -> None:
    short, long = make_prompts([4, 40])
    scheduler = TorchEngine(make_model("qwen2"), tokenizer).requests(Room(slots=2, read_per_step=8, steps_per_call=1))
    first = scheduler.submit(Request(short.token_ids, SamplingParams(24), 1))
    scheduler.step()
    second = scheduler.submit(Request(long.token_ids, SamplingParams(4), 2))
    for _ in range(4):
        assert [(each.id, len(each.token_ids)) for each in scheduler.step()] == [(first, 1)]
    assert {each.id for each in scheduler.step()} == {first, second}


def test_room_is_cut_to_the_memory() -> None:
    room = Room(slots=8, context=100, prompts_kept=10, memory=40 * 100 * 7)
    assert room.within(1000, 7) == room, "8 slots, 9 prompts of theirs and 10 more are 27 of 40"
    assert (room.within(50, 7).context, room.within(50, 7).slots) == (50, 8)
    assert room.within(1000, 14) == replace(room, prompts_kept=3), "20 - 17"
    assert room.within(1000, 70) == replace(room, slots=1, prompts_kept=1), "3 slots' worth of 4"
    assert room.within(1000, 10**9) == replace(room, slots=1, prompts_kept=0)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    read: list[int] = []
    unwatched = NativeDecoder.read

    def watched(decoder: NativeDecoder, prompts: Any, places: Any, parts: Sequence[range]) -> torch.Tensor:
        read.extend(map(len, parts))
        return unwatched(decoder, prompts, places, parts)

    monkeypatch.setattr(NativeDecoder, "read", watched)
    return read
