"""Named suites: every entry is a valid eval set, and finds its data."""

from pathlib import Path

import pytest

from dunwu.config.load import load_config, validate
from dunwu.config.suites import DATA_VARIABLE, named_suite, suites
from dunwu.config.zero import EvalConfig, ZeroConfig
from dunwu.errors import ConfigError


@pytest.mark.parametrize("name", suites())
def test_every_suite_is_an_eval_set(name: str, tmp_path: Path) -> None:
    suite, rows = suites()[name], tmp_path / "rows.jsonl"
    rows.write_text("{}\n", encoding="utf-8")
    config = validate(EvalConfig, {"suite": name} if suite.generated else {"suite": name, "data": str(rows)})
    assert (config.problems, config.samples, config.split) == (suite.problems, suite.samples, suite.split)
    assert getattr(config.task, "path", str(rows)) == str(rows)
    assert suite.generated or (suite.licence and (suite.hub or suite.source))
    assert validate(EvalConfig, config.model_dump(mode="json")) == config


def test_k_is_the_papers_where_it_states_one() -> None:
    stated = {name: suite.samples for name, suite in suites().items() if suite.stated}
    assert stated == {"aime2024": 64, "aime2025": 64, "gpqa": 64, "math500": 16, "codecontests": 16, "livecodebench": 8}
    assert {suite.samples for suite in suites().values()} == {64, 16, 8}


def test_the_data_is_found_in_a_folder_of_data_sets_in_its_own_or_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gsm8k" / "test.jsonl"
    file.parent.mkdir()
    file.write_text("{}\n", encoding="utf-8")
    for data in (tmp_path, file.parent, file):
        assert validate(EvalConfig, {"suite": "gsm8k", "data": str(data)}).task.path == str(file)  # type: ignore[union-attr]
    assert validate(EvalConfig, {"suite": "gsm8k"}).task.path == "openai/gsm8k:main"  # type: ignore[union-attr]
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert validate(EvalConfig, {"suite": "gsm8k"}).task.path == str(file)  # type: ignore[union-attr]


def test_what_is_missing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean aime2024"):
        named_suite("aime204")
    with pytest.raises(ConfigError, match="XiaoMi"):
        validate(EvalConfig, {"suite": "cmath"})
    with pytest.raises(ConfigError, match="no data of suite gpqa"):
        validate(EvalConfig, {"suite": "gpqa", "data": str(tmp_path)})
    with pytest.raises(ConfigError, match="does not exist"):
        validate(EvalConfig, {"suite": "gpqa", "data": str(tmp_path / "none")})
    with pytest.raises(ConfigError, match="data"):
        validate(EvalConfig, {"data": str(tmp_path)})


def test_own_keys_stand_over_the_suites_and_sets_of_a_run_may_name_one() -> None:
    config = validate(EvalConfig, {"suite": "gsm8k", "samples": 3, "task": {"kind": "dataset", "path": "own.jsonl"}})
    assert (config.samples, config.problems, config.task.path, config.task.verifier) == (3, 1319, "own.jsonl", "number")  # type: ignore[union-attr]
    zero = load_config(ZeroConfig, None, ["evaluations=[{suite: game24, protocol: r1}]", "sampling.max_tokens=50"])
    assert (zero.evaluations[0].samples, zero.evaluations[0].sampling.max_tokens) == (16, 32768)


def test_any_data_set_of_reasoning_gym() -> None:
    config = validate(EvalConfig, {"suite": "reasoning-gym:chain_sum"})
    assert (config.task.kind, config.task.name) == ("reasoning_gym", "chain_sum")  # type: ignore[union-attr]


def test_the_page_has_the_table() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    for name, suite in suites().items():
        k = f"{suite.samples} (paper)" if suite.stated else str(suite.samples)
        assert f"| `{name}` | {suite.problems:,} | {k} |" in page
