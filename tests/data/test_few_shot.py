"""Few-shot examples from files of rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dunwu.config.template import Shot, ShotFile, TemplateConfig
from dunwu.config.zero import ZeroConfig
from dunwu.data.few_shot import examples, with_examples
from dunwu.errors import UserError


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def read(**source: Any) -> tuple[Shot, ...]:
    return examples(TemplateConfig(few_shot=ShotFile(**source)))


def test_the_first_rows_or_rows_drawn_by_a_seed(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", [{"question": f"{n}+1?", "answer": f"It is {n + 1}.\n#### {n + 1}"} for n in range(9)])
    assert read(file=file, count=2) == (
        Shot(question="0+1?", answer="It is 1.\n#### 1"),
        Shot(question="1+1?", answer="It is 2.\n#### 2"),
    )
    drawn = read(file=file, count=4, seed=1)
    assert drawn == read(file=file, count=4, seed=1) != read(file=file, count=4, seed=2)
    assert len({each.question for each in drawn}) == 4


def test_rows_of_every_form_with_one_question_and_its_answer(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2", "reasoning_content": "One more."}]
    assert read(file=write(tmp_path / "a.jsonl", [{"messages": turns}]), count=1)[0].answer == "<think>\nOne more.\n</think>\n\n2"
    file = write(tmp_path / "b.jsonl", [{"extra": {"q": "1+1?"}, "said": "2"}])
    assert read(file=file, count=1, columns={"prompt": "extra.q", "completion": "said"}) == (Shot(question="1+1?", answer="2"),)


def test_a_configuration_gets_the_examples_themselves(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", [{"problem": "1+1?", "answer": "2"}])
    config = ZeroConfig(template=TemplateConfig(system="r1", few_shot=ShotFile(file=file, count=1)))
    found = with_examples(config)
    assert found.template == TemplateConfig(system="r1", few_shot=(Shot(question="1+1?", answer="2"),))
    assert with_examples(found) is found
    assert with_examples(ZeroConfig()) == ZeroConfig()


@pytest.mark.parametrize(
    ("rows", "source", "said"),
    [
        (None, {}, "does not exist"),
        ([{"problem": "a", "answer": "b"}], {"count": 2}, "count to 1"),
        ([{"x": "a", "y": "b"}], {"count": 1}, "columns: x, y"),
        ([{"x": "a", "y": "b"}], {"count": 1, "columns": {"prompt": "z"}}, "no column z"),
        ([{"messages": [{"role": r, "content": "a"} for r in ("system", "user", "assistant")]}], {"count": 1}, "one question"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    rows: list[dict[str, Any]] | None, source: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = str(tmp_path / "none.jsonl") if rows is None else write(tmp_path / "rows.jsonl", rows)
    with pytest.raises(UserError, match=r"^template\.few_shot: ") as caught:
        read(file=file, **source)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
