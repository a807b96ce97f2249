import pytest

from dunwu.config.load import load_config
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError
from dunwu.rewards.make import make_reward, own_files, refuse_unknown_tasks
from dunwu.types import Problem

PROBLEM = Problem("p", "countdown", "用3,8算出24。", "expression", language="zh", data={"numbers": [3, 8], "target": 24})
TEXT = "<think>三乘八 is 二十四</think>So it is all done: <answer>3 * 8</answer>"


def config(*overrides):
    return load_config(ZeroConfig, None, overrides)


def reward(*overrides):
    found = config(*overrides)
    return make_reward(found.reward, found.tripwire)


def test_every_kind_of_part():
    kinds = (
        "accuracy, format, {kind: format, form: summary}, {kind: format, form: boxed}, {kind: format, form: reply}"
        ", {kind: language, weight: 0.5}, repetition"
    )
    found = reward(f"reward=[{kinds}, {{kind: words, free: 2, limit: 22}}]")(PROBLEM, TEXT)
    parts = dict(found.parts)
    words = parts.pop("words")
    assert parts == {
        "accuracy": 1.0,
        "format": 0.0,
        "format-summary": 1.0,
        "format-boxed": 0.0,
        "format-reply": 1.0,
        "language": 6 / 7,
        "repetition": 0.0,
    }
    assert -1.0 < words < 0.0
    assert found.total == pytest.approx(1.0 + 1.0 + 1.0 + 0.5 * 6 / 7 + words)


def test_the_default_is_the_papers():
    found = reward()(PROBLEM, TEXT)
    assert (found.total, dict(found.parts)) == (1.0, {"accuracy": 1.0, "format": 0.0})


def test_a_weight_of_0_only_measures():
    found = reward("reward=[accuracy, {kind: language, weight: 0}]")(PROBLEM, TEXT)
    assert (found.total, found.parts["language"]) == (1.0, 6 / 7)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["reward=[format, format]"], "two parts named 'format'"),
        (["reward=[accuracy, accuracy]"], "accuracy twice"),
        (["reward=[accuracy, {kind: language, target: xx}]"], "'xx'"),
        (["reward=[accuracy, nowhere.py:f]"], "there is no file nowhere.py"),
        (["reward=[{kind: own, function: nowhere.py:f, name: hidden}]"], "there is no file nowhere.py"),
        (["tripwire={part: language}"], "'language' is not a part of the reward: choose from accuracy, format"),
        (["tripwire={function: nowhere.py:f}"], "there is no file nowhere.py"),
        (["reward=[{kind: words, free: 9, limit: 9}]"], "free = 9 is not below limit = 9"),
        (["reward=[accuracy, {kind: safety, model: a}, {kind: safety, model: b}]"], "two parts named 'safety'"),
        (["reward=[{kind: safety, model: a}]", "tripwire={part: safety}"], "set tripwire.mode to divergence"),
        (["reward=[{kind: helpfulness, model: a, after: 1.0}]"], "reward.0.*after"),
        (["reward=acuracy"], "did you mean accuracy?"),
        (["reward=[{kind: own, function: nowhere.py:f, sees: group}]"], "there is no file nowhere.py"),
        (["reward=[{kind: format, weight: 0}]"], "reward: .*weight 0"),
        (["reward=[{kind: accuracy, weight: 0.0}, {kind: language, weight: -0.0}]"], "reward: .*weight 0"),
    ],
)
def test_mistakes_are_told_before_the_run_begins(overrides, told):
    with pytest.raises(ConfigError, match=told):
        reward(*overrides)


PARTS = [
    "accuracy",
    "format",
    "language",
    "repetition",
    "words, free: 1, limit: 2",
    "own, function: a.py:f",
    "own, function: a.py:f, sees: group",
    "environment, function: a.py:f",
    "helpfulness, model: m",
    "safety, model: m",
]


@pytest.mark.parametrize("kind", PARTS)
def test_a_part_for_a_task_the_run_does_not_have_is_refused(kind):
    def parts(*tasks):
        return config(f"reward=[{{kind: {kind}, tasks: [{', '.join(tasks)}]}}]").reward

    for wrong in (["nosuch"], ["countdown", "nosuch"]):
        with pytest.raises(ConfigError, match=r"reward\.0\.tasks: 'nosuch' .*: choose from countdown, chat, math$"):
            refuse_unknown_tasks(parts(*wrong), ["countdown", "chat"], lambda: ["countdown", "math"])
    refuse_unknown_tasks(parts("chat", "math"), ["countdown", "chat"], lambda: ["countdown", "math"])
    refuse_unknown_tasks(config("reward=[accuracy]").reward, ["countdown"])


def test_a_users_file_is_an_input_of_the_run(tmp_path):
    (tmp_path / "mine.py").write_text("def f(prompts, completions, **c): return [1.0]\n")
    found = config(f"reward=[accuracy, {tmp_path}/mine.py:f]", f"tripwire={{function: {tmp_path}/mine.py:f}}")
    assert own_files(found.reward, found.tripwire) == {"reward.1": tmp_path / "mine.py", "tripwire": tmp_path / "mine.py"}
    assert make_reward(found.reward, found.tripwire).part_names == ("accuracy", "f", "hidden")


def test_models_are_the_trainers_and_their_folders_inputs_of_the_run(tmp_path):
    part = f"{{kind: helpfulness, model: {tmp_path}}}"
    found = config(f"reward=[format, {part}, {{kind: safety, model: owner/hub-id}}]", "tripwire={part: helpfulness, mode: divergence}")
    made = make_reward(found.reward, found.tripwire)
    assert made.part_names == ("accuracy", "format", "hidden")
    assert own_files(found.reward, found.tripwire) == {"reward.1": tmp_path}
    alone = make_reward(found.reward[1:])(Problem("c", "chat", "Hi", "none"), TEXT)
    assert (alone.total, alone.verdict.reason) == (None, "unverified")  # until the trainer adds the models' scores
