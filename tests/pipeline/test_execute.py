"""A pipeline brought to its end: once each, from wherever it was left, and never with anything that is not whole."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dunwu.config.pipeline import FileConfig, OwnConfig
from dunwu.config.zero import ZeroConfig
from dunwu.errors import ConfigError, DataError, Interrupted, RunError
from dunwu.pipeline import execute
from dunwu.pipeline.execute import run_pipeline
from dunwu.pipeline.graph import Pipeline, Stage
from dunwu.pipeline.journal import read_journal
from dunwu.pipeline.lineage import facts
from dunwu.pipeline.recipe_file import dump_pipeline
from dunwu.pipeline.status import read_status
from dunwu.run.atomic import WRITING
from dunwu.run.directory import RunDirectory
from dunwu.run.usage import ARTEFACT
from tests.recorder import Recorder

TextOf = Callable[[Mapping[str, Any], str], str]


def test_each_stage_gets_what_it_takes_and_runs_once(workshop: Any, text_of: TextOf) -> None:
    made = run_pipeline(workshop.diamond(), workshop.run)
    assert text_of(made, "d") == "a b a c d"
    assert workshop.calls() == ["a", "b", "c", "d"]
    again = run_pipeline(workshop.diamond(), workshop.run)
    assert workshop.calls() == []
    assert {name: artefact.hash for name, artefact in again.items()} == {name: artefact.hash for name, artefact in made.items()}


def test_a_change_runs_again_what_depends_on_it_alone(workshop: Any, text_of: TextOf) -> None:
    run_pipeline(workshop.diamond(), workshop.run)
    workshop.calls()
    made = run_pipeline(workshop.diamond(c="C"), workshop.run)
    assert workshop.calls() == ["c", "d"]
    assert text_of(made, "d") == "a b a C d"
    assert read_journal(workshop.run)["d"].state == "done"
    run_pipeline(workshop.diamond(), workshop.run)
    assert workshop.calls() == [], "what was made before the change was kept"


def test_a_changed_stage_with_the_same_output_ends_there(workshop: Any) -> None:
    run_pipeline(workshop.diamond(), workshop.run)
    workshop.calls()
    first, *others = workshop.diamond().stages
    renamed = Stage("a", first.work.model_copy(update={"parameters": {"text": "a", "name": "A"}}))
    run_pipeline(Pipeline("diamond", (renamed, *others)), workshop.run)
    assert workshop.calls() == ["A"]


def test_a_changed_file_of_functions_runs_all_again_and_says_why(workshop: Any, recorder: Recorder) -> None:
    run_pipeline(workshop.diamond(), workshop.run)
    workshop.calls()
    original = workshop.file.read_text(encoding="utf-8")
    workshop.file.write_text(f"{original}\n# a comment\n", encoding="utf-8")
    run_pipeline(workshop.diamond(), workshop.run)
    assert workshop.calls() == []
    workshop.file.write_text(f"{original}\nMORE = 1\n", encoding="utf-8")
    run_pipeline(workshop.diamond(), workshop.run, reporter=recorder)
    # The output of `a` is the same as before, and yet `b` runs: its own code is the file that changed.
    assert workshop.calls() == ["a", "b", "c", "d"]
    assert [text for text in recorder.of("say") if text.startswith("stage a: ") and "functions.py has changed" in text]


def test_changed_code_can_be_accepted_for_what_is_finished(workshop: Any, text_of: TextOf) -> None:
    run_pipeline(workshop.diamond(), workshop.run, last="b")
    workshop.calls()
    workshop.file.write_text(workshop.file.read_text(encoding="utf-8") + "\nMORE = 1\n", encoding="utf-8")
    made = run_pipeline(workshop.diamond(), workshop.run, accept_code=True)
    assert workshop.calls() == ["c", "d"]
    assert text_of(made, "d") == "a b a c d"
    assert made["a"].manifest["code"]["functions.py"] != made["d"].manifest["code"]["functions.py"]
    assert read_journal(workshop.run)["a"].identity == made["a"].manifest["identity"]
    run_pipeline(workshop.diamond(), workshop.run)
    assert workshop.calls() == [], "accepted once, accepted from now on"
    assert {stage.state for stage in read_status(workshop.run, check_code=True).stages} == {"done"}
    run_pipeline(workshop.diamond(c="C"), workshop.run, accept_code=True)
    assert workshop.calls() == ["c", "d"], "another change than of code is not accepted"
    workshop.file.write_text(workshop.file.read_text(encoding="utf-8") + "\nMORE = 2\n", encoding="utf-8")
    found = read_status(workshop.run, check_code=True).stages
    assert [(stage.state, "functions.py" in stage.message) for stage in found] == [("waiting", True)] * 4
    assert {stage.state for stage in read_status(workshop.run).stages} == {"done"}, "a live view does not read the code"


def test_half_done_work_goes_on_under_accepted_code_and_the_manifest_says_so(workshop: Any, text_of: TextOf) -> None:
    first = run_pipeline(workshop.diamond(), workshop.run)["a"]
    (first.folder / ARTEFACT).unlink()  # its output is there, its manifest was not written: it counts as half done
    workshop.calls()
    workshop.file.write_text(workshop.file.read_text(encoding="utf-8") + "\nMORE = 1\n", encoding="utf-8")
    made = run_pipeline(workshop.diamond(), workshop.run, accept_code=True)
    assert workshop.calls() == []
    assert not first.folder.exists()
    (note,) = made["a"].manifest["accepted_code"]
    assert note["changed"] == {"functions.py": [first.manifest["code"]["functions.py"], made["a"].manifest["code"]["functions.py"]]}
    assert made["b"].manifest["accepted_code"] == []
    assert any(line.startswith("resumed under changed code") and "functions.py" in line for line in facts(made["a"]))


def test_training_with_a_reward_of_the_users_own_goes_on_under_accepted_code(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text("def f(prompts, completions, **columns):\n    return [0.5 for _ in completions]\n", encoding="utf-8")
    config = ZeroConfig.model_validate_json(
        json.dumps(
            {
                "reward": ["accuracy", f"{own}:f"],
                "grpo": {"steps": 1, "prompts_per_step": 2, "group_size": 2},
                "sampling": {"max_tokens": 16},
                "evaluations": [],
                "reward_workers": 0,
            }
        )
    )
    pipeline = Pipeline("p", (Stage("zero", config),))
    first = run_pipeline(pipeline, tmp_path / "run")["zero"]
    for change, accept in (("# a comment\n", False), ("MORE = 1\n", True)):
        artefact = next((tmp_path / "run").glob("stages/zero/*/artefact.json"))
        artefact.unlink()  # as if it had been killed after its last step
        own.write_text(own.read_text(encoding="utf-8") + change, encoding="utf-8")
        again = run_pipeline(pipeline, tmp_path / "run", accept_code=accept)["zero"]
        assert again.hash == first.hash
        assert (again.folder == first.folder) is not accept
    assert [list(note["changed"]) for note in again.manifest["accepted_code"]] == [["own.py"]]


def test_a_file_from_outside_counts_by_its_content(workshop: Any, text_of: TextOf, tmp_path: Path) -> None:
    def pipeline(path: Path) -> Pipeline:
        return Pipeline("outside", (Stage("corpus", FileConfig(path=str(path))), workshop.stage("b", "corpus")))

    corpus = tmp_path / "corpus.txt"
    corpus.write_text("one", encoding="utf-8")
    assert text_of(run_pipeline(pipeline(corpus), workshop.run), "b") == "one b"
    moved = corpus.rename(tmp_path / "moved.txt")
    workshop.calls()
    run_pipeline(pipeline(moved), workshop.run)
    assert workshop.calls() == []
    moved.write_text("two", encoding="utf-8")
    assert text_of(run_pipeline(pipeline(moved), workshop.run), "b") == "two b"
    moved.unlink()
    with pytest.raises(DataError, match=r"stage corpus: .*moved\.txt does not exist"):
        run_pipeline(pipeline(moved), workshop.run)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(bytes(content))


def test_foreign_files_in_an_artefact_are_no_damage_and_stay(workshop: Any) -> None:
    made = run_pipeline(workshop.diamond(), workshop.run)
    workshop.calls()
    foreign = [made["a"].payload / name for name in (".DS_Store", ".nfs0001", "notes.txt", "model.gguf")]
    for path in foreign:
        path.write_text("mine", encoding="utf-8")
    run_pipeline(workshop.diamond(b="B"), workshop.run)
    assert "a" not in workshop.calls()
    assert [path.read_text(encoding="utf-8") for path in foreign] == ["mine"] * 4


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda output: flip(output / "text"), "text is corrupted"),
        (lambda output: (output / "text").write_text("longer"), "text has 6 bytes"),
        (lambda output: (output / "text").unlink(), "text is missing"),
        (lambda output: (output / "more.jsonl").write_text(""), "more.jsonl is not from this stage"),
        (lambda output: shutil.rmtree(output), "text is missing"),
        (lambda output: flip(output.parent / ARTEFACT), "is corrupt"),
    ],
)
def test_a_damaged_artefact_is_noticed_before_it_is_used(workshop: Any, text_of: TextOf, harm: Callable[[Path], Any], said: str) -> None:
    made = run_pipeline(workshop.diamond(), workshop.run)
    workshop.calls()
    harm(made["a"].payload)
    with pytest.raises(RunError, match=said) as caught:
        run_pipeline(workshop.diamond(b="B"), workshop.run)
    assert f"delete {made['a'].folder} and run again" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert workshop.calls() == []
    shutil.rmtree(made["a"].folder)
    assert text_of(run_pipeline(workshop.diamond(b="B"), workshop.run), "d") == "a B a c d"
    assert workshop.calls() == ["a", "b", "d"], "c was not touched"


def test_a_missing_tracker_is_refused_before_the_first_stage(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dunwu.trainers.trackers.find_spec", lambda name: None)
    train = Stage("train", ZeroConfig(report_to=("wandb",)))
    with pytest.raises(ConfigError, match="stage train: report_to = wandb"):
        run_pipeline(Pipeline("tracked", (workshop.stage("a"), train)), workshop.run)
    assert workshop.calls() == []


def test_a_stage_that_fails_loses_nothing(workshop: Any, text_of: TextOf) -> None:
    with pytest.raises(ValueError, match="asked to fail"):
        run_pipeline(workshop.diamond(c="fail"), workshop.run)
    assert workshop.calls() == ["a", "b", "c"]
    empty = Pipeline("diamond", (workshop.stage("a"), workshop.stage("b", "a", function="nothing")))
    with pytest.raises(DataError, match="wrote nothing into its folder"):
        run_pipeline(empty, workshop.run)
    entry = read_journal(workshop.run)["b"]
    assert entry.state == "failed"
    assert "wrote nothing" in entry.message
    workshop.calls()
    assert text_of(run_pipeline(workshop.diamond(), workshop.run), "d") == "a b a c d"
    assert workshop.calls() == ["c", "d"]


def test_until_does_what_a_stage_needs_and_from_what_follows(workshop: Any, text_of: TextOf) -> None:
    run_pipeline(workshop.diamond(), workshop.run, last="b")
    assert workshop.calls() == ["a", "b"]
    run_pipeline(workshop.diamond(), workshop.run, first="c", last="c")
    assert workshop.calls() == ["c"]
    run_pipeline(workshop.diamond(), workshop.run, first="b")
    assert workshop.calls() == ["d"]
    with pytest.raises(ConfigError, match="--until a does not follow from --from b"):
        run_pipeline(workshop.diamond(), workshop.run, first="b", last="a")
    with pytest.raises(ConfigError, match=r"has no stage 'bb': did you mean b\?"):
        run_pipeline(workshop.diamond(), workshop.run, first="bb")


def test_from_takes_earlier_artefacts_as_they_are_and_refuses_where_there_are_none(
    workshop: Any, text_of: TextOf, recorder: Recorder
) -> None:
    with pytest.raises(RunError, match="--from d: the artefact of stage b is needed"):
        run_pipeline(workshop.diamond(), workshop.run, first="d")
    run_pipeline(workshop.diamond(), workshop.run)
    workshop.calls()
    made = run_pipeline(workshop.diamond(a="A", d="D"), workshop.run, first="d", reporter=recorder)
    assert workshop.calls() == ["d"]
    assert text_of(made, "d") == "a b a c D"
    assert sum("used as it is" in text for text in recorder.of("say")) == 2


def test_a_run_belongs_to_one_process_and_one_pipeline(workshop: Any, tmp_path: Path) -> None:
    with RunDirectory.create(workshop.run, "pipeline", {"name": "diamond"}, 0), pytest.raises(RunError, match="in use by another"):
        run_pipeline(workshop.diamond(), workshop.run)
    with pytest.raises(RunError, match="has name = 'diamond', not 'other'"):
        run_pipeline(Pipeline("other", (workshop.stage("a"),)), workshop.run)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("Dear", encoding="utf-8")
    with pytest.raises(RunError, match="is not empty and not a run"):
        run_pipeline(workshop.diamond(), tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_what_a_killed_stage_left_is_no_part_of_its_output(workshop: Any) -> None:
    first = run_pipeline(workshop.diamond(), workshop.run)["a"]
    (first.folder / ARTEFACT).unlink()
    shutil.rmtree(first.payload)
    killed = first.folder / "output.k3_x9z0a.tmp"
    (killed / "output").mkdir(parents=True)
    (killed / WRITING).touch()
    (killed / "output" / "half").write_text("ha", encoding="utf-8")
    (first.folder / "output.tmp").mkdir()
    (first.folder / "output.tmp" / "draft").write_text("mine", encoding="utf-8")
    assert run_pipeline(workshop.diamond(), workshop.run)["a"].hash == first.hash
    assert sorted(path.name for path in first.folder.iterdir()) == [
        "artefact.json",
        "identity.json",
        "output",
        "output.tmp",
        "seconds.json",
    ]
    assert (first.folder / "output.tmp" / "draft").read_text(encoding="utf-8") == "mine"


def test_a_manifest_of_the_users_beside_his_recipe_is_not_replaced(workshop: Any) -> None:
    recipe = dump_pipeline(workshop.diamond())
    workshop.run.mkdir()
    (workshop.run / "recipe.yaml").write_text(recipe, encoding="utf-8")
    (workshop.run / "manifest.json").write_text('{"name": "an extension"}', encoding="utf-8")
    with pytest.raises(RunError):
        run_pipeline(workshop.diamond(), workshop.run)
    assert (workshop.run / "manifest.json").read_text(encoding="utf-8") == '{"name": "an extension"}'
    assert (workshop.run / "recipe.yaml").read_text(encoding="utf-8") == recipe


def test_an_output_that_was_whole_before_the_kill_is_not_made_again(workshop: Any) -> None:
    first = run_pipeline(workshop.diamond(), workshop.run)["a"]
    workshop.calls()
    (first.folder / ARTEFACT).unlink()
    assert run_pipeline(workshop.diamond(), workshop.run)["a"].hash == first.hash
    assert workshop.calls() == []


def test_a_stage_does_not_see_what_another_left_in_the_process(tmp_path: Path) -> None:
    """A stage that runs after a kill does not find it there: it would make something else."""
    (tmp_path / "f.py").write_text(
        "import random, numpy, torch\n"
        "def draw(out, files, name):\n"
        "    drawn = [random.random(), numpy.random.random(), float(torch.rand(())), torch.get_num_threads()]\n"
        "    torch.set_num_threads(3)\n"
        "    (out / 'drawn').write_text(repr(drawn))\n",
        encoding="utf-8",
    )
    stages = tuple(Stage(name, OwnConfig(function=f"{tmp_path / 'f.py'}:draw", parameters={"name": name})) for name in ("a", "b"))
    threads = torch.get_num_threads()
    made = run_pipeline(Pipeline("p", stages), tmp_path / "run")
    assert made["a"].hash == made["b"].hash
    assert torch.get_num_threads() == threads
    random.seed()
    np.random.seed()


def test_asked_to_stop_it_says_so_and_goes_on(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make_whole = execute._make_complete

    def stop_at_c(function: Any, config: Any, folder: Path, reporter: Any) -> Any:
        if "/c/" in folder.as_posix() and not made:
            made.append("stopped")
            raise Interrupted("SIGINT: stopped")
        return make_whole(function, config, folder, reporter)

    monkeypatch.setattr(execute, "_make_complete", stop_at_c)
    with pytest.raises(Interrupted):
        run_pipeline(workshop.diamond(), workshop.run)
    assert {name: entry.state for name, entry in read_journal(workshop.run).items()} == {
        "a": "done",
        "b": "done",
        "c": "stopped",
        "d": "waiting",
    }
    workshop.calls()
    run_pipeline(workshop.diamond(), workshop.run)
    assert workshop.calls() == ["c", "d"]


def test_the_manifest_tells_what_when_and_at_what_cost(workshop: Any) -> None:
    made = run_pipeline(workshop.diamond(), workshop.run)
    manifest = json.loads((made["b"].folder / ARTEFACT).read_text(encoding="utf-8"))
    assert manifest["stage"] == "b"
    assert manifest["kind"] == "own"
    assert manifest["inputs"]["files.a"] == made["a"].hash
    assert manifest["sources"]["files.a"] == {"stage": "a", "identity": made["a"].manifest["identity"]}
    assert manifest["config"]["files"] == {"a": None}, "where it lay is no part of what it is"
    assert {"functions.py", "jobs/own.py", "process/own_code.py"} <= manifest["code"].keys()
    assert not {"jobs/zero.py", "trainers/grpo.py"} & manifest["code"].keys()
    assert manifest["environment"]["packages"]["torch"] == torch.__version__
    assert manifest["cost"]["seconds"] >= 0
