"""The whole evaluation with an engine that knows what it says."""

import re
from typing import ClassVar

from dunwu.config.blocks import SamplingConfig
from dunwu.config.tasks import CountdownTask
from dunwu.config.zero import EvalConfig
from dunwu.data.rollouts import rollout_seeds
from dunwu.evaluation.session import EVALUATION, EvaluationSession
from dunwu.rewards.pool import RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.tasks.make import make_task
from dunwu.types import Completion, TokenSequence


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


class ScriptedEngine:
    """Says an answer that is wrong for the first sample of a problem and the numbers in order for the others; keeps what it was asked."""

    policy_version = 3
    stop_token_ids = (0, 7)

    def generate(self, requests, on_completion=None):
        self.params, self.seeds = requests[0].params, [request.seed for request in requests]
        asked = ["".join(map(chr, request.token_ids)) for request in requests]
        completions = [self._say(text, again=asked[max(0, i - 1)] == text and i > 0) for i, text in enumerate(asked)]
        for place in reversed(range(len(completions))):
            if on_completion is not None:
                on_completion(place, completions[place])
        return completions

    def _say(self, prompt, again):
        answer = re.search(r"\d+(,\d+)+", prompt)[0].replace(",", "+") if again else "1+1"
        text = f"<think>wait</think><answer>{answer}</answer>"
        return Completion(TokenSequence.drawn([*map(ord, text)], (0.0,) * len(text), self.policy_version), text, "stop")

    def load_weights(self, version, state=None):
        raise AssertionError("an evaluation changes no weights")


CONFIG = EvalConfig(
    task=CountdownTask(), problems=12, samples=3, sampling=SamplingConfig(max_tokens=64, temperature=0.6, top_p=0.95), seed=5
)


def run(config=CONFIG):
    engine = ScriptedEngine()
    with RewardPool(rule_reward(), 0, 5.0) as pool:
        return engine, EvaluationSession(engine, CharacterTokenizer(), pool, "tiny", 1024).evaluate(config)


def test_every_problem_gets_its_samples_and_verdicts():
    _, result = run()
    assert (result.name, result.k, len(result.rows)) == ("countdown", 3, 36)
    problems = make_task(CONFIG.task).held_out("test", 12, 5)
    assert [rows[0].problem_id for rows in result.problems] == [problem.id for problem in problems]
    for problem, rows in zip(problems, result.problems, strict=True):
        total = sum(problem.data["numbers"])
        assert [row.sample for row in rows] == [0, 1, 2]
        assert [row.score for row in rows] == [0.0, *[float(total == problem.data["target"])] * 2]
    assert result.summary()["thinking_length"] == 4.0
    assert result.summary()["reflections_per_completion"] == 1.0


def test_the_engine_gets_the_evaluations_sampling_and_the_end_token():
    engine, _ = run()
    assert (engine.params.temperature, engine.params.top_p, engine.params.max_tokens, engine.params.stop_token_ids) == (
        0.6,
        0.95,
        64,
        (0, 7),
    )
    assert engine.seeds == rollout_seeds(5, EVALUATION, 12, 3)


def test_two_evaluations_are_the_same():
    assert run()[1] == run()[1]


def test_seeds_are_distinct_fit_63_bits_and_stay_when_more_is_drawn():
    few, many = rollout_seeds(0, EVALUATION, 3, 2), rollout_seeds(0, EVALUATION, 50, 4)
    assert few == [many[4 * problem + sample] for problem in range(3) for sample in range(2)]
    assert len(set(many)) == 200
    assert all(0 <= seed < 2**63 for seed in many)
    assert set(many).isdisjoint(rollout_seeds(1, EVALUATION, 50, 4))
