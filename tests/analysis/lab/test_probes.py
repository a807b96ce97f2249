"""The section of the probes, from figures that the job has recorded."""

import json

import pytest

from dunwu.analysis.lab.laboratory import write_laboratory
from dunwu.analysis.lab.material import Material
from dunwu.analysis.lab.probes import probe_sections
from dunwu.evaluation.ability import Checkpoint, ability_curve


def curve(checkpoints):
    values = [{f"p{i}": [float(i <= place)] for i in range(10)} for place in range(checkpoints)]
    return ability_curve([Checkpoint(f"step {place}", 1e12 * place, each) for place, each in enumerate(values)])


def recorded(out, lines):
    (out / "lab").mkdir(exist_ok=True)
    (out / "lab" / "probes.json").write_text(json.dumps(lines))
    (section,) = probe_sections(out)
    return section


def test_no_probes_no_section(tmp_path):
    assert probe_sections(tmp_path) == ()


def test_a_line_of_training_has_a_figure_and_each_ability_a_row_with_its_forecast(tmp_path):
    section = recorded(tmp_path, {"run": {"knowledge": curve(7), "safety": curve(3), "empty": None}})
    part = section.part(section.analyse(Material()))
    assert [figure.title for figure in part.figures] == ["Abilities over training compute"]
    knowledge, safety = part.tables[0].rows
    assert (knowledge[0], knowledge[1][:6], knowledge[2][:6]) == ("knowledge", "10.0 %", "70.0 %")
    assert knowledge[4] == "20.0 points"  # 40 % stays, and 50, 60 and 70 % come
    assert knowledge[5] == curve(7)["forecast"]["finding"]
    assert safety[3:5] == ("–", "–")


def test_stages_of_a_pipeline_are_told_apart(tmp_path):
    section = recorded(tmp_path, {"zero": {"knowledge": curve(2)}, "r1": {"knowledge": curve(3)}})
    part = section.part(section.analyse(Material()))
    assert [row[0] for row in part.tables[0].rows] == ["zero: knowledge", "r1: knowledge"]
    assert len(part.figures) == 2


def test_names_of_others_are_text(tmp_path):
    section = recorded(tmp_path, {"<script>run</script>": {"<script>a</script>": curve(2)}, "other": {"b": curve(2)}})
    found = {"probes": section.analyse(Material())}
    _, page = write_laboratory(tmp_path, tmp_path, found, Material(), [section])
    assert "<script" not in page.read_text()


CORRUPT = ("{", "[]", '{"run": 1}', '{"run": {"a": {"points": []}}}', '{"run": {"a": {"points": [{}], "forecast": {}}}}')


@pytest.mark.parametrize("content", CORRUPT)
def test_a_corrupt_file_is_said(tmp_path, content):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "probes.json").write_text(content)
    (section,) = probe_sections(tmp_path)
    assert "missing" in section.analyse(Material())
