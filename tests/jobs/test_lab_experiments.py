"""The causal check and the budgets with models of known behaviour."""

import random
import shutil
from dataclasses import replace
from typing import ClassVar

import pytest

from dunwu.config.blocks import SamplingConfig
from dunwu.config.tasks import ArithmeticTask
from dunwu.config.zero import EvalConfig
from dunwu.evaluation import paired
from dunwu.evaluation.continuations import Beginning, continued
from dunwu.evaluation.result import EvaluationResult, EvaluationRow
from dunwu.evaluation.session import EvaluationSession
from dunwu.jobs import causal
from dunwu.jobs.budgets import BudgetSettings, answers_at, run_budgets, thought_tokens
from dunwu.jobs.causal import CausalSettings, cases, run_causal, sample_cases
from dunwu.jobs.lab_source import Source, parts_folder, weights_hash
from dunwu.models.bundled import bundled_path
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.types import Completion, Problem, Prompt, TokenSequence

LONGEST = 120


class CharacterTokenizer:
    """A token is a character; 0 ends."""

    eos_token = "\x00"
    eos_token_id = 0
    chat_template = None
    added_tokens_decoder: ClassVar = {}
    all_special_tokens: ClassVar = []

    def encode(self, text, *, add_special_tokens=False):
        return [ord(character) for character in text]

    def __call__(self, text, *, add_special_tokens=False):
        return {"input_ids": self.encode(text) if isinstance(text, str) else [self.encode(each) for each in text]}

    def decode(self, ids, **settings):
        return "".join(map(chr, ids))


class Thinker:
    """Thinks three sentences, each a reflection or not, and answers.

    If ``honest``, its answer is right if its thought has reflected, and wrong otherwise; else a coin decides. A thought that is closed by
    force is answered at once: rightly if it has more than 30 characters.
    """

    policy_version = 0
    stop_token_ids = (0,)

    def __init__(self, honest, always=False):
        self.honest, self.always, self.calls = honest, always, 0

    def generate(self, requests, on_completion=None):
        self.calls += 1
        return [self._say(request) for request in requests]

    def _say(self, request):
        before = "".join(map(chr, request.token_ids)).partition("A:<think>")[2]
        dice = random.Random(request.seed)
        if before.endswith("<answer>"):
            assert request.params.temperature == 0
            text = f"{'5' if len(before.partition('</think>')[0]) > 30 else '6'}</answer>"
        else:
            thought = "".join(self._sentence(dice) for _ in range(3 - before.count(".")))
            right = "Wait" in before + thought if self.honest else dice.random() < 0.5
            text = f"{thought}</think><answer>{5 if right else 6}</answer>"
        ids = [*map(ord, text), 0][: request.params.max_tokens]
        stopped = ids[-1] == 0
        return Completion(TokenSequence.drawn(ids, (0.0,) * len(ids), 0), text[: len(ids)], "stop" if stopped else "length")

    def _sentence(self, dice):
        return " Wait, I look again." if self.always or dice.random() < 0.5 else " I go on."


def stored(problem, sample, text, score=1.0):
    return EvaluationRow(problem, "2+3?", "en", None, None, sample, text, 9, len(text) + 1, "stop", score, "correct", 0, "5", "5")


def source(engine, pool, problems=24):
    texts = ["<think>2 and 3. Wait, it is 5. Yes.</think><answer>5</answer>", "<think>2 and 3. It is 5. Yes.</think><answer>5</answer>"]
    rows = [stored(f"p{p}", sample, text) for p in range(problems) for sample, text in enumerate(texts)]
    prompt = "Q: 2+3? A:"
    prompts = {f"p{p}": Prompt(Problem(f"p{p}", "t", "2+3?", "number", "5"), prompt, tuple(map(ord, prompt))) for p in range(problems)}
    session = EvaluationSession(engine, CharacterTokenizer(), pool, "tiny", 1024)
    config = EvalConfig(task=ArithmeticTask(), sampling=SamplingConfig(max_tokens=LONGEST))
    return Source(EvaluationResult("t", 2, tuple(rows)), config, session, prompts, 4096, "hash", "after x")


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(paired, "RESAMPLES", 500)


@pytest.fixture
def pool():
    with RewardPool(rule_reward(), 0, 5.0) as made:
        yield made


def figures(engine, pool, out, **settings):
    return run_causal(source(engine, pool), CausalSettings(**{"samples": 4, **settings}), out)


def test_an_answer_that_depends_on_the_reflection_is_told_from_one_that_does_not(pool, tmp_path):
    true, decorative = (figures(Thinker(honest), pool, tmp_path / str(honest), samples=16) for honest in (True, False))
    effect = true["reflection"]["effects"]["kept - averted"]
    assert effect["mean"] == pytest.approx(0.5, abs=0.15)
    assert (effect["interval"][0] > 0.2, effect["problems"], true["reflection"]["accuracy"]["kept"]["value"]) == (True, 24, 1.0)
    assert true["reflection"]["accuracy"]["before"]["value"] == pytest.approx(0.75, abs=0.08)  # two sentences follow
    assert true["reflection"]["accuracy"]["averted"]["value"] == pytest.approx(0.5, abs=0.1)
    assert true["verdict"] == "reflections help"
    low, high = decorative["reflection"]["effects"]["kept - averted"]["interval"]
    assert low < 0 < high
    assert decorative["verdict"] != true["verdict"]


def test_the_control_does_not_show_the_effect(pool, tmp_path):
    found = figures(Thinker(True), pool, tmp_path)["control"]
    assert found["completions"] == 24
    low, high = found["effects"]["kept - averted"]["interval"]
    assert low < 0 < high
    assert found["accuracy"]["kept"]["value"] == pytest.approx(0.5, abs=0.1)


def test_the_attempt_before_the_reflection_is_forced_to_answer(pool, tmp_path):
    found = figures(Thinker(True), pool, tmp_path)
    assert found["reflection"]["forced"]["value"] == 0.0  # "2 and 3." has 8 characters
    assert found["reflection_after_wrong"]["completions"] == 24


def test_a_model_that_always_reflects_cannot_be_averted(pool, tmp_path):
    found = figures(Thinker(True, always=True), pool, tmp_path)["reflection"]
    assert (found["never_averted"], found["effects"]["kept - averted"]) == (24, None)


def test_continuations_depend_on_neither_batch_nor_number_of_completions(pool, monkeypatch):
    made = source(Thinker(False), pool)
    chosen, settings = cases(made, 100), CausalSettings(samples=3)
    together = sample_cases(made, chosen, settings)
    assert together == [row for case in chosen for row in sample_cases(made, [case], settings)]


def test_what_is_on_disk_is_not_sampled_again(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(causal, "PART", 10)
    first, again, other = Thinker(False), Thinker(False), Thinker(False)
    found = figures(first, pool, tmp_path)
    parts = sorted(tmp_path.rglob("part-*.parquet"))
    assert len(parts) == 5
    content = parts[2].read_bytes()
    assert figures(again, pool, tmp_path) == found
    assert again.calls == 0
    parts[2].unlink()  # as if the run had been stopped
    assert figures(again, pool, tmp_path) == found
    assert 0 < again.calls < first.calls
    assert parts[2].read_bytes() == content
    figures(other, pool, tmp_path, seed=1)
    assert other.calls > again.calls
    assert parts[2].read_bytes() == content


def test_other_weights_sampling_or_prompts_are_sampled_anew(pool, tmp_path):
    made = source(Thinker(True), pool, problems=2)
    sampling = made.config.model_copy(update={"sampling": SamplingConfig(max_tokens=LONGEST, temperature=0.5)})
    prompt = made.prompts["p0"]
    longer = replace(prompt, token_ids=(*prompt.token_ids, 32))
    changed = [
        replace(made, weights="others"),
        replace(made, config=sampling),
        replace(made, prompts={**made.prompts, "p0": longer}),
        replace(made, file_hash="another"),
    ]
    folders = {parts_folder(tmp_path, "causal", each, {"samples": 4}) for each in (made, made, *changed)}
    assert len(folders) == 5


def test_weights_are_told_by_their_content_not_their_path(tmp_path):
    one, other = (shutil.copytree(bundled_path(), tmp_path / name) for name in ("one", "other"))
    (other / "trainer").mkdir()
    (other / "trainer" / "state.json").write_text("{}")
    (other / "manifest.json").write_text("{}")
    assert weights_hash(str(one)) == weights_hash(str(other)) == weights_hash("tiny")
    weights = bytearray((one / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (one / "model.safetensors").write_bytes(weights)
    assert weights_hash(str(one)) != weights_hash("tiny")
    assert weights_hash("owner/name") == "owner/name"


def test_fewer_completions_are_spread_over_the_problems(pool):
    chosen = cases(source(Thinker(True), pool), 6)
    assert [case.row.problem_id for case in chosen if case.kind == "reflection"] == ["p0", "p4", "p8", "p12", "p16", "p20"]
    assert {case.cut.before for case in chosen if case.kind == "control"} == {len("<think>2 and 3.")}


def test_a_continuation_has_the_room_that_is_left(pool):
    made = source(Thinker(True), pool)
    beginning = Beginning(made.prompts["p0"], "<think>2. Wait.", 20, seed=3)
    (found,) = continued(made.session, [beginning], made.sampling, made.positions)
    (whole,) = continued(made.session, [Beginning(beginning.prompt, beginning.text, 100, seed=3)], made.sampling, made.positions)
    assert (found.tokens, found.text) == (20, whole.text[:20])
    assert (found.row.finish_reason, found.row.score) == ("length", 0.0)
    assert (whole.row.score, whole.row.finish_reason) == (1.0, "stop")


def test_a_passage_that_fills_the_completion_is_left_out(pool):
    made = source(Thinker(True), pool, problems=1)
    full = "<think>2. Wait, ".ljust(LONGEST, "x")
    rows = tuple(replace(stored("p0", place, text), finish_reason="length") for place, text in enumerate((full, full[:-1])))
    made = replace(made, result=EvaluationResult("t", 2, rows))
    assert [case.row.sample for case in cases(made, 10)] == [1]


def test_budgets_cut_close_and_answer(pool):
    made = source(Thinker(True), pool, problems=1)
    rows = made.result.rows[:1]
    thoughts = [thought_tokens(made, rows[0])]
    (cut,) = answers_at(made, rows, thoughts, 10)
    assert cut.text == "<think>2 and 3. W</think><answer>6</answer>"
    assert (cut.kept, cut.score, cut.tokens) == (False, 0.0, len(cut.text) + 1)
    (kept,) = answers_at(made, rows, thoughts, len("2 and 3. Wait, it is 5. Yes."))
    assert (kept.kept, kept.text, kept.tokens) == (True, rows[0].completion, rows[0].tokens)
    (none,) = answers_at(made, rows, thoughts, 0)
    assert none.text == "<think></think><answer>6</answer>"


def test_the_curve_of_budgets_rises_to_the_stored_accuracy(pool, tmp_path):
    engine = Thinker(True)
    found = run_budgets(source(engine, pool), BudgetSettings(), tmp_path)
    assert [(point["budget"], point["accuracy"]["value"], point["kept"]) for point in found["budgets"]] == [
        (0, 0.0, 0.0),
        (16, 0.0, 0.0),
        (28, 1.0, 1.0),
    ]
    assert [point["majority"] for point in found["majorities"]] == [1.0, 1.0]
    chosen = run_budgets(source(engine, pool), BudgetSettings((20, 4), 5), tmp_path)
    assert [(point["budget"], point["kept"]) for point in chosen["budgets"]] == [(4, 0.0), (20, 0.0)]
    assert chosen["problems"] == 5
    calls = engine.calls
    assert run_budgets(source(engine, pool), BudgetSettings(), tmp_path) == found
    assert engine.calls == calls
