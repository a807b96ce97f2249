"""`run_zero` with a teacher in the reward: nothing is asked twice, and what cannot work is refused in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.load import load_config
from dunwu.config.rewards import TeacherPart
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError, ModelError, UserError
from dunwu.jobs.reward_checks import check_parts, check_reward, teacher_facts
from dunwu.jobs.zero import run_zero
from dunwu.pipeline.recipe_file import make_pipeline
from dunwu.run.directory import read_manifest, read_metrics
from dunwu.run.tables import read_rollouts
from dunwu.tasks.make import make_mixture
from dunwu.types import Problem, Prompt
from tests.openai_server import Body, Raw, Teacher, serving


def right(body: Body) -> str:
    """Names the number that the problem names."""
    (number,) = re.findall(r"\d", body["messages"][-1]["content"])
    return f"<think>ok</think><answer>{number}</answer>"


def test_an_endpoint_that_goes_down_stops_the_run_which_resumes(
    zero_config: Callable[..., ZeroConfig], tmp_path: Path, timeless: Callable[[Path], Any], same_files: Callable[[Path, Path], None]
) -> None:
    def until_down(body: Body) -> str | Raw:
        return (503, b"down") if teacher.answered.total() >= 4 and teacher.down else right(body)

    with serving(Teacher(until_down)) as teacher:
        part = f"kind: teacher, teacher: {{url: '{teacher.url}', model: m, retries: 0, concurrency: 1}}"
        config = zero_config(f"reward=[accuracy, {{{part}}}, {{{part}, closeness: overlap, weight: 0.5}}]", "save_every=1")
        teacher.down = True
        with pytest.raises(UserError, match="make sure that it works and run the same command again"):
            run_zero(config, tmp_path / "run")
        teacher.down = False
        run_zero(config, tmp_path / "run", resume=True)
        asked = dict(teacher.answered)
        run_zero(config, tmp_path / "whole")
    assert len(asked) == 5  # the data set has five problems
    assert set(asked.values()) == {1}
    assert timeless(tmp_path / "run") == timeless(tmp_path / "whole")
    same_files(tmp_path / "run" / "checkpoints" / "step-000006", tmp_path / "whole" / "checkpoints" / "step-000006")
    rows = read_metrics(tmp_path / "run")
    assert rows[0]["teacher_generated_tokens"] > 0 == rows[-1]["teacher_generated_tokens"]
    assert all(row["rewards/teacher-answer"] == row["rewards/accuracy"] for row in rows)  # the teacher is always right


def test_a_local_teacher_is_an_input_of_the_run(
    zero_config: Callable[..., ZeroConfig], taught_base: str, tmp_path: Path, timeless: Callable[[Path], Any]
) -> None:
    overrides = f"reward={{kind: teacher, teacher: {taught_base}}}", "grpo.steps=2", "evaluations=[]"
    runs = [run_zero(zero_config(*overrides), tmp_path / name) for name in ("one", "two")]
    assert timeless(runs[0]) == timeless(runs[1])
    assert "reward.0.teacher.model" in read_manifest(runs[0])["inputs"]
    lines = [json.loads(line) for line in (runs[0] / "teacher-0.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len({line["key"] for line in lines}) == len(lines) == 5


@pytest.mark.parametrize("reply", ["hint", "conversation"])
def test_a_dialogue_resumes_as_if_it_was_not_stopped(
    reply: str,
    zero_config: Callable[..., ZeroConfig],
    tmp_path: Path,
    timeless: Callable[[Path], Any],
    same_files: Callable[[Path, Path], None],
) -> None:
    def until_down(body: Body) -> str | Raw:
        if teacher.answered.total() >= 6 - 3 * (reply == "hint") and teacher.down:
            return 503, b"down"
        return right(body) if body["messages"][-1]["content"].startswith("Say ") and "```" not in body["messages"][-1]["content"] else "No."

    with serving(Teacher(until_down)) as teacher:
        answering = f"{{url: '{teacher.url}', model: m, retries: 0, concurrency: 1}}"
        config = zero_config(
            f"reward=[accuracy, {{kind: teacher, teacher: {answering}, closeness: overlap}}]",
            f"dialogue={{reply: {reply}, share: 1, discount: 0.5, max_tokens: 40}}",
            "save_every=1",
            "dump_rollouts_every=1",
            "grpo.steps=3",
            "evaluations=[]",
        )
        teacher.down = True
        with pytest.raises(UserError, match="run the same command again"):
            run_zero(config, tmp_path / "run")
        teacher.down = False
        run_zero(config, tmp_path / "run", resume=True)
        assert set(teacher.answered.values()) == {1}
        run_zero(config, tmp_path / "whole")
    assert timeless(tmp_path / "run") == timeless(tmp_path / "whole")
    same_files(tmp_path / "run" / "checkpoints" / "step-000003", tmp_path / "whole" / "checkpoints" / "step-000003")
    rows = read_rollouts(tmp_path / "run" / "rollouts" / "step-00001.parquet")
    assert all(row["earlier"].endswith("[teacher] No.\n" if reply == "conversation" else "[teacher] ok\n") for row in rows)
    assert all(0 <= row["reward"] <= 3 for row in rows)
    assert read_metrics(tmp_path / "run")[0]["dialogue/answers"] == 2.0


def test_a_dialogue_that_cannot_work_is_refused(zero_config: Callable[..., ZeroConfig], taught_base: str) -> None:
    for more, match in (
        ((), "dialogue has no teacher"),
        (("reward=[accuracy, {kind: teacher, teacher: tiny}]", "grpo.staleness=1", "grpo.tis_clip=2"), "staleness"),
        (("reward=[accuracy, {kind: teacher, teacher: tiny}]", "cosine_length_weight=1"), "cosine_length_weight"),
    ):
        with pytest.raises(ConfigError, match=match):
            zero_config("dialogue={}", *more)
    config = zero_config(f"dialogue={{teacher: {taught_base}, turns: 8}}", "sampling.max_tokens=30")
    with pytest.raises(ConfigError, match=r"256 positions; set sampling\.max_tokens to"):
        run_zero(config, Path("never"))


def test_a_teacher_is_an_input_of_a_stage() -> None:
    keys = {"reward": ["accuracy", {"kind": "teacher"}], "dialogue": {"teacher": {"kind": "local"}}}
    inputs = {"reward.1.teacher.model": "r1", "dialogue.teacher.model": "r1"}
    stages = {"r1": {"work": "file", "path": "models/r1", "holds": "model"}, "student": {"work": "zero", "inputs": inputs, **keys}}
    work = make_pipeline({"stages": stages})["student"].work
    assert isinstance(work, ZeroConfig)
    assert isinstance(work.reward[1], TeacherPart)
    assert work.dialogue is not None
    assert work.reward[1].teacher.model == work.dialogue.teacher.model == "@r1"  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="must be of the kind model"):
        make_pipeline({"stages": {**stages, "r1": {"work": "file", "path": "rows.jsonl", "holds": "data"}}})


def test_what_cannot_work_is_refused(zero_config: Callable[..., ZeroConfig], tmp_path: Path) -> None:
    url = "{url: 'http://localhost:1/v1', model: m}"
    with pytest.raises(ConfigError, match="closeness"):
        zero_config(f"reward={{kind: teacher, teacher: {url}, closeness: likelihood}}")
    for parts in ("{kind: teacher}", f"[{{kind: teacher, teacher: {url}}}, {{kind: teacher, teacher: tiny}}]"):
        with pytest.raises(ConfigError, match="teacher"):
            check_parts(zero_config(f"reward={parts}"))
    with pytest.raises(ConfigError, match="KEY_THAT_IS_NOT_SET"):
        check_parts(zero_config("reward={kind: teacher, teacher: {url: 'http://localhost:1/v1', model: m, key_env: KEY_THAT_IS_NOT_SET}}"))
    with pytest.raises(ConfigError, match="nowhere"):
        check_parts(zero_config(f"reward={{kind: teacher, teacher: '{tmp_path}/nowhere.py:f'}}"))
    with pytest.raises(ModelError):
        check_parts(zero_config(f"reward={{kind: teacher, teacher: {tmp_path}/nowhere}}"))


def test_agreement_is_refused_where_no_problem_has_a_short_answer(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("".join(f'{{"prompt": "Hello {n}!"}}\n' for n in range(40)), encoding="utf-8")
    task = f"tasks=[{{task: {{kind: chat, path: {tmp_path}/prompts.jsonl}}}}]"
    config = load_config(ZeroConfig, None, [task, "evaluations=[]", "reward={kind: teacher, teacher: tiny}"])
    with pytest.raises(ConfigError, match="applies to none"):
        check_reward(config, make_mixture(config.tasks))
    check_reward(
        config.model_copy(
            update={"reward": load_config(ZeroConfig, None, ["reward={kind: teacher, teacher: tiny, closeness: overlap}"]).reward}
        ),
        make_mixture(config.tasks),
    )


def test_the_cost_of_a_teacher_is_said_before_it_is_asked(zero_config: Callable[..., ZeroConfig], world_tokenizer: Any) -> None:
    prompts = [Prompt(Problem("p", "t", text, "number"), text, (1,)) for text in ("Say 3.", "Say.")]
    read = len(world_tokenizer.encode("Say 3.", add_special_tokens=False)) * 6 * 4  # steps x prompts
    part = "kind: teacher, teacher: {url: 'http://localhost:1/v1', model: m, prompt_price: 1e6, completion_price: 2e6}"
    config = zero_config(f"reward=[{{{part}}}, {{{part}, closeness: overlap}}]")
    ((name, text),) = teacher_facts(config, prompts, world_tokenizer)
    assert name == "teacher"
    assert text.startswith("m, at most 24 answers:")
    assert text.endswith(f"at most {read + 2 * 24 * 10:,}.00")
    (talking,) = teacher_facts(zero_config("dialogue={teacher: tiny, reply: conversation, turns: 3}"), prompts, world_tokenizer)
    assert talking[1].startswith(f"tiny, at most {24 * 4 * 2} answers:")
    scored = "reward={kind: teacher, teacher: tiny, closeness: likelihood}"
    assert not [*teacher_facts(zero_config(scored), prompts, world_tokenizer)]


def test_the_rate_of_an_endpoint_may_change_when_a_run_resumes(zero_config: Callable[..., ZeroConfig]) -> None:
    config = zero_config("reward={kind: teacher, teacher: {url: 'http://localhost:1/v1', model: m}}")
    assert config.resume_may_change("reward.0.teacher.concurrency", 8, 4)
    assert not config.resume_may_change("reward.0.teacher.model", "m", "n")
