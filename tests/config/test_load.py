"""Configuration from files and overrides: what is taken, and how each mistake is told."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dunwu.config.base import Config
from dunwu.config.data_replies import ColdStartConfig, RejectionConfig
from dunwu.config.load import dump_config, load_config, validate
from dunwu.config.overrides import parse_overrides
from dunwu.config.pretrain import PretrainConfig
from dunwu.config.reward_model import RewardModelConfig
from dunwu.config.sft import SftConfig
from dunwu.config.tasks import ArithmeticTask, CountdownTask, DatasetTask, Game24Task, ReasoningGymTask
from dunwu.config.yaml_text import parse_yaml, write_yaml
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.errors import ConfigError
from tests.config.named_task import parse_task


def zero(*overrides: str, text: str | None = None, folder: Path | None = None) -> ZeroConfig:
    file = None
    if text is not None:
        assert folder is not None
        file = folder / "recipe.yaml"
        file.write_text(text, encoding="utf-8")
    return load_config(ZeroConfig, file, overrides)


def complaint(*overrides: str, text: str | None = None, folder: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        zero(*overrides, text=text, folder=folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_without_sources_the_defaults_hold() -> None:
    assert load_config(ZeroConfig, None, []) == ZeroConfig()


DOUBLING = "\n".join(["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40))])


@pytest.mark.parametrize(
    "text", ["a: &a [*a]", "a: &a {b: *a}", "&a [*a]", "a: &a [[[*a]]]", "a: &a {<<: *a}", DOUBLING, "a: " + "[" * 100_000]
)
def test_aliases_that_stand_for_themselves_or_for_too_much_and_deep_nests_are_refused(text: str, tmp_path: Path) -> None:
    assert "YAML" in complaint(text=text, folder=tmp_path)


def test_an_alias_may_be_used_often() -> None:
    assert parse_yaml("a: &a [1, 2]\nb: [*a, *a]\nc: {<<: &m {x: 1}, y: 2}\nd: {<<: *m}")["b"] == [[1, 2], [1, 2]]


@pytest.mark.parametrize("override", ["grpo.max_grad_norm=.inf", "grpo.clip_high=.inf", "grpo.tis_clip=.inf"])
def test_a_bound_may_be_infinite_and_is_read_back(override: str) -> None:
    config = zero(override)
    assert load_config(ZeroConfig, None, [], parse_yaml(dump_config(config))) == config


@pytest.mark.parametrize(
    "tokens",
    [["grpo.learning_rate=1e-6"], ["--grpo.learning_rate=1e-6"], ["--grpo.learning_rate", "1e-6"], ["grpo.learning_rate=.000_001"]],
)
def test_every_way_to_write_an_override(tokens: list[str]) -> None:
    assert load_config(ZeroConfig, None, tokens).grpo.learning_rate == 1e-6


@pytest.mark.parametrize("text", ["1e-6", "1E-6", "1.e-6", "1.0e-06", "+1e-6", "0.000001"])
def test_exponents_are_numbers_in_a_file(text: str, tmp_path: Path) -> None:
    assert zero(text=f"grpo: {{learning_rate: {text}}}", folder=tmp_path).grpo.learning_rate == 1e-6


@pytest.mark.parametrize("text", ["1e", "e5", "1e-", "v1e5", "0x1e5z", "1.2.3"])
def test_what_only_looks_like_an_exponent_stays_text(text: str) -> None:
    assert parse_yaml(text) == text


@pytest.mark.parametrize("text", ["1:30", "1:30.5", "2024-01-02", "2024-01-02 10:00:00+02:00", "0o16", "12:30:45"])
def test_what_yaml_1_1_turns_into_something_else_stays_text(text: str) -> None:
    assert parse_yaml(text) == text
    assert parse_yaml(write_yaml({"a": text})) == {"a": text}


@pytest.mark.parametrize("text", ["on", "Off", "yes", "no"])
def test_yes_and_no_are_no_numbers_and_no_words_unless_in_quotes(text: str) -> None:
    assert isinstance(parse_yaml(text), bool)
    assert "expected a valid string" in complaint(f"model={text}")
    assert "expected a valid integer" in complaint(f"grpo.steps={text}")
    assert parse_yaml(write_yaml({"a": text})) == {"a": text}


@pytest.mark.parametrize("text", ["016", "0016", "00", "+07", "-012", "08", "0_16"])
def test_a_number_with_a_leading_zero_is_refused(text: str, tmp_path: Path) -> None:
    message = complaint(text=f"seed: 1\ngrpo: {{steps: {text}}}", folder=tmp_path)
    assert "line 2" in message
    assert f"{text} may be octal" in message
    assert "grpo.steps" in complaint(f"grpo.steps={text}")
    assert parse_yaml(write_yaml({"a": text})) == {"a": text}


@pytest.mark.parametrize("value", [0, 7, -3, 1e-6, 1e22, 2.5, True, None, "1e-6", "0x1F", "true", "null", "~", "12", "1_000", ".inf"])
def test_what_is_written_is_read_back(value: object) -> None:
    found = parse_yaml(write_yaml({"a": value}))["a"]
    assert (found, type(found)) == (value, type(value))


def test_a_number_beyond_all_bounds_is_one_line(tmp_path: Path) -> None:
    assert "is not a number" in complaint(text=f"seed: {'9' * 5000}", folder=tmp_path)


@pytest.mark.parametrize("kind", [ZeroConfig, SftConfig, PretrainConfig, RewardModelConfig, EvalConfig, RejectionConfig])
def test_every_seed_is_below_2_to_the_63(kind: type[Config]) -> None:
    more = {"data": "x"} if kind is SftConfig else {}
    good = validate(kind, {"seed": 2**63 - 1, **more})
    assert good.model_dump()["seed"] == 2**63 - 1
    for seed in (-1, 2**63, 2**64, 10**30):
        with pytest.raises(ConfigError, match=f"seed = {seed}"):
            validate(kind, {"seed": seed, **more})


def test_each_source_lies_over_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("preset: r1-zero-v1\ngrpo: {group_size: 4, steps: 7}\n", encoding="utf-8")
    config = load_config(ZeroConfig, file, ["grpo.steps=9"], base={"seed": 3, "grpo": {"beta": 0.5, "warmup_steps": 2}})
    assert config.grpo.steps == 9  # override over file
    assert config.grpo.group_size == 4  # file over preset (16)
    assert config.grpo.beta == 0.001  # preset over base
    assert config.grpo.warmup_steps == 2  # base over default
    assert config.seed == 3


def test_a_preset_can_be_an_override(tmp_path: Path) -> None:
    assert zero("preset=deepseekmath").grpo.group_size == 64
    text = "preset: r1-zero-v1\ngrpo: {group_size: 4, beta: 0.5}"
    asked = zero("grpo.beta=0.2", "preset=deepseekmath", text=text, folder=tmp_path)
    assert (asked.grpo.group_size, asked.grpo.beta) == (64, 0.2)  # over the file, beneath what is asked for by name
    assert "r1-zero-v1" in complaint("preset=r1-zero-v2")


def test_lists_are_indexed_also_where_they_are_defaults() -> None:
    config = zero("evaluations.0.problems=7", "grpo.adam_betas.1=0.5", "tasks.0.weight=2")
    assert config.evaluations[0].problems == 7
    assert config.evaluations[0].samples == EvalConfig().samples
    assert config.grpo.adam_betas == (0.9, 0.5)
    assert config.tasks[0].weight == 2.0


def test_another_kind_drops_the_keys_of_the_old_one() -> None:
    assert zero("evaluations.0.task.kind=game24").evaluations[0].task == Game24Task()
    config = zero("tasks.0.task.kind=arithmetic", "tasks.0.task.max_terms=3")
    assert config.tasks[0].task == ArithmeticTask(max_terms=3)


def test_json_values_and_null() -> None:
    config = zero('tasks=[{"task": {"kind": "countdown", "levels": [2]}, "weight": 3}]')
    assert config.tasks[0].task == CountdownTask(levels=(2,))
    assert load_config(PretrainConfig, None, ["sources={facts: 1.0}", "sources=null"]).sources is None


@pytest.mark.parametrize(
    ("override", "nearest"),
    [
        ("grpo.learning_rat=1", "grpo.learning_rate"),
        ("learning_rate=1", "grpo.learning_rate"),
        ("lr=1", "grpo.learning_rate"),
        ("grpo.lr=1", "grpo.learning_rate"),
        ("grpo.max_tokens=1", "sampling.max_tokens"),
        ("gropo.steps=1", "grpo"),
        ("evaluations.0.problem=1", "evaluations.0.problems"),
        ("tasks.0.task.level=[1]", "tasks.0.task.levels"),
        ("--grpo.learning-rate=1", "grpo.learning_rate"),
    ],
)
def test_an_unknown_key_names_the_nearest(override: str, nearest: str) -> None:
    message = complaint(override)
    assert message.startswith(f"unknown key {override.removeprefix('--').partition('=')[0].partition('.steps')[0]}")
    assert message.endswith(f"did you mean {nearest}?")


def test_an_unknown_key_unlike_any_lists_the_keys() -> None:
    assert "the keys are model, template" in complaint("zzzzqqq=1")


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("grpo.learning_rate=fast", ("grpo.learning_rate = 'fast'", "a valid number")),
        ('grpo.learning_rate="1e-5"', ("grpo.learning_rate = '1e-5'", "a valid number")),
        ("grpo.learning_rate=-1", ("grpo.learning_rate = -1", "greater than 0")),
        ("grpo.learning_rate=.nan", ("grpo.learning_rate", "a finite number")),
        ("grpo.learning_rate=.inf", ("grpo.learning_rate", "a finite number")),
        ("grpo.weight_decay=.inf", ("grpo.weight_decay", "a finite number")),
        ("grpo.max_grad_norm=.nan", ("grpo.max_grad_norm",)),
        ("reward_timeout=.inf", ("reward_timeout", "a finite number")),
        ("tasks.0.weight=.inf", ("tasks.0.weight", "a finite number")),
        ("reward=[{kind: accuracy, weight: .nan}]", ("reward.0.weight", "a finite number")),
        ("sampling.temperature=1e999", ("sampling.temperature", "a finite number")),
        ("sampling.temperature=0", ("sampling", "temperature = 0")),
        ("grpo.adam_betas=[0.9, 1]", ("grpo.adam_betas.1", "less than 1")),
        ("grpo.adam_betas=[-0.1, 0.9]", ("grpo.adam_betas.0",)),
        ("grpo.steps=1.5", ("grpo.steps = 1.5", "a valid integer")),
        ("grpo.steps=yes", ("grpo.steps = True", "a valid integer")),
        ("grpo=5", ("grpo = 5",)),
        ("model=7", ("model = 7", "a valid string")),
        ("template=tinny", ("template = 'tinny'", "tiny, r1-zero", "did you mean tiny?")),
        ("tasks.0.task.kind=countdow", ("tasks.0.task.kind = 'countdow'", "did you mean countdown?")),
        ("tasks.0={task: {path: x}}", ("tasks.0.task.kind is missing", "countdown or ", " or dataset")),
        ("tasks.0.task.kind=dataset", ("tasks.0.task.path is missing",)),
        ("tasks.1.weight=1", ("tasks is a list", "0 to 0")),
        ("tasks.x=1", ("tasks is a list",)),
        ("seed.deep=1", ("seed = {'deep': 1}", "a valid integer")),
    ],
)
def test_a_wrong_value_is_told_with_key_value_and_expectation(override: str, parts: tuple[str, ...]) -> None:
    message = complaint(override)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["grpo.tis_clip=0.5"], ("tis_clip = 0.5", "set it to 1 or more")),
        (["grpo.tis_mode=output"], ("tis_mode = 'output'", "set tis_clip too")),
        (["grpo.entropy_target=0.3"], ("entropy_target = 0.3", "set entropy_bonus too")),
        (["grpo.covariance_share=0.01"], ("covariance_share = 0.01", "such as 'clip-cov'")),
        (["grpo.covariance_control=kl-cov"], ("'kl-cov'", "set minibatches or inner_epochs to 2")),
        (["grpo.covariance_control=klcov", "grpo.minibatches=2"], ("'klcov'", "did you mean kl-cov?")),
        (["overlong_tokens=400", "sampling.max_tokens=320"], ("overlong_tokens = 400", "sampling.max_tokens = 320")),
        (["grpo.max_sampling_rounds=0"], ("grpo.max_sampling_rounds = 0", "greater than or equal to 1")),
        (["grpo.beta=-1"], ("grpo.beta = -1", "greater than or equal to 0")),
    ],
)
def test_options_that_do_nothing_or_harm_are_refused_with_the_remedy(overrides: list[str], parts: tuple[str, ...]) -> None:
    message = complaint(*overrides)
    for part in parts:
        assert part in message


def test_what_is_left_out_is_the_algorithms_own() -> None:
    grpo = zero().grpo
    assert {grpo.clip_low, grpo.clip_high, grpo.beta, grpo.reference_every, grpo.max_sampling_rounds} == {None}
    assert zero("grpo.covariance_control=kl-cov", "grpo.inner_epochs=2").grpo.covariance_control == "kl-cov"


@pytest.mark.parametrize("token", ["grpo.steps", "--grpo.steps", "grpo.steps=", "=5", "grpo..steps=1", ".steps=1", "-x=1", "--"])
def test_a_torn_override_is_refused(token: str) -> None:
    complaint(token)


def test_a_negative_value_may_follow_its_key() -> None:
    assert parse_overrides(["--seed", "-1"])[0].value == -1


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("grpo: {steps: 5", "in line 1"),
        ("grpo:\n  steps: 5\n grpo: 3", "in line 3"),
        ("seed: 1\nseed: 2", "'seed' is given twice"),
        ("{? [a, b] : 1}", "key is a list or mapping"),
        ("", "found nothing"),
        ("- 1\n- 2", "found a list"),
        ("just words", "found a str"),
        ("1: 2", "expected lines"),
        ("!!python/object/apply:os.system ['true']", "YAML in line 1"),
        ("seed: \x00", "YAML"),
    ],
)
def test_a_torn_file_is_told_in_one_line(text: str, part: str, tmp_path: Path) -> None:
    message = complaint(text=text, folder=tmp_path)
    assert part in message
    assert "recipe.yaml" in message


def test_a_missing_file_a_folder_and_bytes(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00seed")
    for file, part in ((tmp_path / "no.yaml", "no.yaml"), (tmp_path, "cannot be read"), (binary, "not UTF-8")):
        with pytest.raises(ConfigError, match=part):
            load_config(ZeroConfig, file, [])


def test_a_mistake_in_a_file_names_the_file(tmp_path: Path) -> None:
    assert complaint(text="sede: 1", folder=tmp_path).startswith(f"{tmp_path / 'recipe.yaml'}: unknown key sede")


def test_the_resolved_configuration_reads_back_equal(tmp_path: Path) -> None:
    config = zero("grpo.learning_rate=3e-7", "preset=r1-zero-nature", "model=Qwen/Qwen2.5-0.5B", "evaluations.0.task.kind=game24")
    (tmp_path / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    assert load_config(ZeroConfig, tmp_path / "config.yaml", []) == config


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_any_positive_number_survives_the_command_line(value: float) -> None:
    assert zero("grpo.max_learning_rate=.inf", f"grpo.learning_rate={value!r}").grpo.learning_rate == value


@given(st.lists(st.text(max_size=12), max_size=3))
def test_any_arguments_are_taken_or_refused_in_one_line(tokens: list[str]) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(zero(*tokens), ZeroConfig)


def test_tasks_by_name(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("{}\n", encoding="utf-8")
    assert parse_task("countdown") == CountdownTask()
    assert parse_task("game24") == Game24Task()
    assert parse_task("arithmetic") == ArithmeticTask()
    assert parse_task("gsm8k") == DatasetTask(path="gsm8k")
    assert parse_task("reasoning-gym:chain_sum") == ReasoningGymTask(name="chain_sum")
    assert parse_task(str(tmp_path / "mine.jsonl")) == DatasetTask(path=str(tmp_path / "mine.jsonl"))
    assert parse_task("someone/problems") == DatasetTask(path="someone/problems")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("countdwn", "did you mean countdown?"),
        ("GAME24", "did you mean game24?"),
        ("reasoning-gym:", "did you mean reasoning-gym:<name>?"),
        ("nowhere.jsonl", "'nowhere.jsonl'"),
        ("", "expected countdown"),
        ("qqqq", "expected countdown"),
    ],
)
def test_an_unknown_task_names_the_nearest(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_task(text)
    assert part in str(caught.value)


def test_a_missing_kind_names_those_that_can_stand_there() -> None:
    with pytest.raises(ConfigError, match=r"judge\.generator\.kind is missing: .*local or endpoint or own$"):
        validate(RejectionConfig, {"judge": {"generator": {"model": "m"}}})
    with pytest.raises(ConfigError, match=r"sources\.a\.kind is missing: .* few_shot or prompted or zero or annotated$"):
        validate(ColdStartConfig, {"sources": {"a": {"data": "x"}}})


@pytest.mark.parametrize(
    ("model", "key", "given"),
    [(ZeroConfig, "grpo.", ()), (ZeroConfig, "grpo.", ("lora={rank: 4}",)), (SftConfig, "", ("data=x",)), (RewardModelConfig, "", ())],
)
def test_a_learning_rate_that_cannot_be_meant_is_refused_with_a_remedy_that_works(
    model: type[Config], key: str, given: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError, match=f"{key}learning_rate: 50 is above") as refused:
        load_config(model, None, [*given, f"{key}learning_rate=50"])
    remedy = str(refused.value).rpartition("set ")[2].removesuffix(" too")
    assert load_config(model, None, [*given, f"{key}learning_rate=50", remedy])


def test_a_dialogue_sampled_ahead_is_refused_as_such_whatever_corrects_staleness() -> None:
    for more in ([], ["grpo.tis_clip=2"]):
        with pytest.raises(ConfigError, match=r"a dialogue cannot be sampled during the update: set grpo\.staleness=0"):
            load_config(ZeroConfig, None, ["dialogue={turns: 2, teacher: tiny}", "grpo.staleness=1", *more])


@pytest.mark.parametrize(
    ("tokens", "block"),
    [
        (["dialogue.turns=2", "dialogue.teacher=tiny", "dialogue.teacher.threads=1"], r"dialogue\.teacher=\{model: tiny, threads: 1\}"),
        (["tasks.0.task.levels.0=2", "device=cpu", "device.x=1"], "device is 'cpu', which has no keys"),
    ],
)
def test_keys_below_a_name_are_written_as_a_block(tokens: list[str], block: str) -> None:
    with pytest.raises(ConfigError, match=block):
        load_config(ZeroConfig, None, tokens)
    taken = ["dialogue.turns=2", "dialogue.teacher={model: tiny, threads: 1}"]
    assert load_config(ZeroConfig, None, taken).dialogue.teacher.threads == 1  # type: ignore[union-attr]
