"""Templates in configurations: names, blocks, files and Jinja, all read when the configuration is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dunwu.config.load import dump_config, load_config, read_mapping
from dunwu.config.sft import SftConfig
from dunwu.config.template import Shot, ShotFile, TemplateConfig, form_asked
from dunwu.config.zero import PromptedEvalConfig, ZeroConfig
from dunwu.errors import ConfigError
from dunwu.text.answer_forms import DEFAULT, FORMS, form_in


def template(*overrides: str, base: dict[str, Any] | None = None) -> Any:
    return load_config(ZeroConfig, None, overrides, base).template


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    texts = {
        "system.txt": "Be brief.\n",
        "chat.jinja": "{% for m in messages %}{{ m['content'] }}{% endfor %}",
        "block.yaml": f"system: {{file: {tmp_path}/system.txt}}\nsuffix: answer_form\nfew_shot: [{{question: 1+1, answer: '2'}}]\n",
        "list.yaml": "- a\n",
        "broken.yaml": "a: [\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return {name: str(tmp_path / name) for name in (*texts, "none.jinja")}


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "system.txt").write_text("Be brief.\n", encoding="utf-8-sig")
    assert template(f"template.system={{file: {tmp_path}/system.txt}}").system == "Be brief."


def test_a_file_that_no_prompt_has_room_for(tmp_path: Path) -> None:
    (tmp_path / "system.txt").write_text("word " * 50_000, encoding="utf-8")
    with pytest.raises(ConfigError, match="250,000"):
        template(f"template.system={{file: {tmp_path}/system.txt}}")


def test_a_name_stays_a_name_and_a_block_is_read_back_equal(tmp_path: Path) -> None:
    assert template() == "tiny"
    assert template("template=r1-zero") == "r1-zero"
    config = load_config(ZeroConfig, None, ["template.system=r1", "template.few_shot=[{question: 1+1, answer: '2'}]"])
    (tmp_path / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    assert load_config(ZeroConfig, None, [], read_mapping(tmp_path / "config.yaml")) == config


@pytest.mark.parametrize("kind", [ZeroConfig, SftConfig, PromptedEvalConfig])
def test_files_are_read_into_the_configuration(kind: Any, files: dict[str, str]) -> None:
    expected = TemplateConfig(system="Be brief.", suffix="answer_form", few_shot=(Shot(question="1+1", answer="2"),))
    assert load_config(kind, None, [f"template={files['block.yaml']}"]).template == expected
    jinja = TemplateConfig(jinja=Path(files["chat.jinja"]).read_text(encoding="utf-8"))
    assert load_config(kind, None, [f"template={files['chat.jinja']}"]).template == jinja
    assert load_config(kind, None, [f"template={jinja.jinja}"]).template == jinja
    assert load_config(kind, None, [f"template.jinja.file={files['chat.jinja']}"]).template == jinja


def test_single_keys_are_set_over_a_name_a_file_and_an_earlier_block(files: dict[str, str]) -> None:
    assert template("template.prefill=<think>", base={"template": "r1-zero"}) == TemplateConfig(base="r1-zero", prefill="<think>")
    assert template("template=chat", "template.system=r1") == TemplateConfig(system="r1")
    prefilled = template("template=r1-zero-prefilled", "template.suffix=x")
    assert (prefilled.base, prefilled.prefill, prefilled.suffix) == ("r1-zero", " <think>\n", "x")
    assert template(f"template={files['block.yaml']}", "template.suffix=null").suffix == ""
    earlier = {"template": {"system": "Old.", "few_shot": [{"question": "a", "answer": "b"}]}}
    changed = template(f"template.system.file={files['system.txt']}", "template.few_shot.file=x.jsonl", base=earlier)
    assert (changed.system, changed.few_shot) == ("Be brief.", ShotFile(file="x.jsonl"))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("Note: be brief", "Note: be brief"),
        ('"a\\nb"', "a\nb"),
        ("42", "42"),
        ("Question: ", "Question: "),
        ("# No.", "# No."),
        ("null", ""),
    ],
)
def test_texts_on_the_command_line_are_texts(given: str, text: str) -> None:
    assert template(f"template.before={given}", "template.after=A:").before == text


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("template.systm=r1", "template.system"),
        ("template=r2", "r1-zero"),
        ("template={files[none.jinja]}", "does not exist"),
        ("template={files[list.yaml]}", "holds no block"),
        ("template={files[broken.yaml]}", "not valid YAML"),
        ("template.system.file={files[none.jinja]}", "does not exist"),
        ("template.few_shot.count=0", "template.few_shot"),
        ("template={{base: chatml, before: x}}", "both lay out"),
        ("template={{jinja: '{{{{ problem }}}}', after: x}}", "both lay out"),
        ("template={{base: r3}}", "template.base"),
    ],
)
def test_a_mistake_is_one_line_with_the_key(override: str, said: str, files: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        template(override.format(files=files))
    assert said in str(caught.value)
    assert str(caught.value).startswith(("template", "unknown key template"))
    assert "\n" not in str(caught.value)


def test_the_form_that_a_template_asks_for(files: dict[str, str]) -> None:
    assert form_asked("r1-zero") == form_asked({"system": "r1"}) == form_asked({"base": "r1-zero", "system": "Hi."}) == DEFAULT
    assert form_asked("auto") is form_asked({"systm": 1}) is form_asked(None) is form_asked({"jinja": "{{ problem }}"}) is None
    assert form_asked({"suffix": r"Put it in \boxed{}."}) == "boxed"
    assert form_asked({"system": 'The answer comes after "####".'}) == "####"
    assert form_asked({"suffix": "answer_form"}) is form_asked(files["block.yaml"]) is None
    for form in FORMS.values():
        assert {form_in(text) for text in form.asks.values()} <= {DEFAULT if form.tagged else form.name.removesuffix("-or-last-number")}
    assert form_in("#### Input\n3\n####") is None
