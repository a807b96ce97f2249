"""The pages in Chromium: no console error, nothing wider than the window, no text over the edge of its box. Needs playwright.

``SCREENSHOTS=FOLDER`` keeps a picture of each page, width and colour scheme, to look at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dunwu.analysis.comparison import write_comparison
from dunwu.analysis.report import write_report
from dunwu.analysis.stage_table import write_stage_page
from dunwu.config.zero import ZeroConfig
from dunwu.jobs.zero import run_zero
from dunwu.run.directory import RunDirectory
from tests.analysis.browser.make_rollouts import write_step
from tests.analysis.test_stage_table import table

pytestmark = pytest.mark.slow
WIDTHS = (390, 1400)

TOO_WIDE = """() => {
  const wide = document.documentElement.scrollWidth - window.innerWidth;
  const scrolls = element => element.closest('.scroll, .graph, pre, .question') !== null;
  const cut = [...document.querySelectorAll('main *')].filter(
    element => !scrolls(element) && element.getBoundingClientRect().right > window.innerWidth + 1
  ).map(element => element.outerHTML.slice(0, 80));
  const boxes = [...document.querySelectorAll('.graph g')].filter(group => group.querySelector('rect')).flatMap(group => {
    const box = group.querySelector('rect').getBoundingClientRect();
    return [...group.querySelectorAll('text')].filter(text => {
      const found = text.getBoundingClientRect();
      return found.left < box.left || found.right > box.right;
    }).map(text => text.textContent);
  });
  const narrow = [...document.querySelectorAll('td, th')].filter(cell => cell.textContent.trim().length > 3 && cell.clientWidth > 0 &&
    cell.clientWidth < 30).map(cell => cell.textContent);
  const scrolled = window.innerWidth < 800 ? [] : [...document.querySelectorAll('.scroll, .graph')].filter(
    element => element.scrollWidth > element.clientWidth + 1).map(element => element.className);
  const labels = [...document.querySelectorAll('figure svg')].flatMap(svg => {
    const frame = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('[id*="-text_"]')].filter(text => {
      const found = text.getBoundingClientRect();
      return found.left < frame.left - 1 || found.right > frame.right + 1;
    }).map(() => svg.getAttribute('aria-label'));
  });
  return {wide, cut, boxes, narrow, scrolled, labels};
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, zero_config: Callable[..., ZeroConfig]) -> dict[str, Path]:
    """A report, the page of a running run, a comparison, and the stages of a pipeline."""
    folder = tmp_path_factory.mktemp("pages")
    run = run_zero(zero_config("evaluate_every=2", "dump_rollouts_every=1"), folder / "run")
    other = run_zero(zero_config("grpo.steps=4", "seed=1"), folder / "other")
    with RunDirectory.create(folder / "live", "zero", {"grpo": {"steps": 30}}, 0) as running:
        running.note({"steps": 30})
        for step in range(1, 11):
            running.log(step, {"reward": step / 10, "rewards/accuracy": step / 10, "completions/mean_length": 10.0 * step})
        write_step(folder / "live", 10, [["right\n" * 9, "wrong " * 99]], characters=True)
        live = write_report(folder / "live")
    comparison = write_comparison([run, other], folder / "comparison.html")
    stages = write_stage_page([_pipeline(folder)], folder / "stages.html")
    return {"report": run / "report.html", "live": live, "comparison": comparison, "stages": stages}


def _pipeline(folder: Path) -> Path:
    """A pipeline of many stages with long names, one of them stopped, and the table of its checkpoints."""
    run, identity = folder / "pipeline", "0123456789abcdef" * 4
    data, names = "a_very_long_name_of_a_stage_of_data", [f"measured-checkpoint-number-{i}" for i in range(6)]
    stages: dict[str, Any] = {data: {"work": "rejection_sampling"}, "tuned": {"work": "sft", "inputs": {"data": data}}}
    stages |= {name: {"work": "rejection_sampling", "inputs": {"model": "tuned", "data": data}} for name in names}
    stages["table"] = {"work": "stage_table", "inputs": {f"rows.{i}.path": name for i, name in enumerate(names)}}
    for name in ("tuned", "table"):
        made = run / "stages" / name / identity[:16]
        (made / "output").mkdir(parents=True)
        artefact = {"makes": "evaluation", "payload": "output", "cost": {"seconds": 90.0, "trained_tokens": 10**9, "flops": 1e18}}
        (made / "artefact.json").write_text(json.dumps(artefact), encoding="utf-8")
    (made / "output" / "stages.json").write_text(json.dumps(table().as_json()), encoding="utf-8")
    (run / "recipe.yaml").write_text(json.dumps({"name": "pipeline", "stages": stages}), encoding="utf-8")
    journal = {name: {"state": "done", "identity": identity} for name in ("tuned", "table")}
    message = "no space left on a device with a very long path " + "/folder" * 30
    journal[names[0]] = {"state": "failed", "identity": identity, "message": message}
    (run / "progress.json").write_text(json.dumps(journal), encoding="utf-8")
    return run


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["report", "live", "comparison", "stages"])
def test_a_page_fits_its_window_and_has_no_error(name: str, width: int, scheme: str, browser: Any, pages: dict[str, Path]) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, errors = context.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(pages[name].resolve().as_uri())
    if name in ("report", "comparison"):
        page.wait_for_function("() => Bokeh.documents[0].is_idle")
    found = page.evaluate(TOO_WIDE)
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png", full_page=True)
    context.close()
    assert errors == []
    assert found == {"wide": 0, "cut": [], "boxes": [], "narrow": [], "scrolled": [], "labels": []}


SHOWN = """() => {
  const plot = Bokeh.documents[0].roots()[0], {data} = plot.renderers.at(-1).data_source, of = name => Array.from(data[name]);
  const level = ['none', 'light', 'medium', 'strong'].filter(name => of('shown').every((value, i) => value === of(name)[i]));
  return {axis: plot.below[0].axis_label, x: of('x'), hours: of('hours'), tokens: of('tokens'), level};
}"""


def test_the_axis_and_the_smoothing_can_be_chosen(browser: Any, tmp_path: Path, make: Any) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    for name in (hostile, "$$x$$"):
        (tmp_path / name).mkdir()
        rows = [row | {"num_tokens": 5, "reward": row["step"] % 7, "rewards/</script>\ud800\u2028": 1.0} for row in make.metrics(30)]
        make.write_metrics(tmp_path / name, rows)
    path = write_comparison([tmp_path / hostile, tmp_path / "$$x$$"], tmp_path / "page.html")
    page, errors = browser.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: (errors.append(dialog.message), dialog.dismiss()))
    page.goto(path.resolve().as_uri())
    page.wait_for_function("() => Bokeh.documents[0].is_idle")
    page.get_by_text("tokens", exact=True).first.click()
    page.get_by_text("none", exact=True).first.click()
    found = page.evaluate(SHOWN)
    assert (found["axis"], found["x"]) == ("tokens", [5 * step for step in range(1, 31)])
    assert "none" in found["level"]
    assert "strong" not in found["level"]
    assert page.get_by_text(hostile, exact=True).count() > 0
    assert page.evaluate("document.images.length") == 0
    assert errors == []
    page.close()


STYLED = """() => [...document.querySelectorAll('#browse-completion [data-place]')].map(
  token => [token.textContent, getComputedStyle(token).textDecorationLine + ' ' + getComputedStyle(token).textDecorationStyle])"""


def test_completions_can_be_chosen_and_their_tokens_read(browser: Any, tmp_path: Path) -> None:
    hostile = "</script><img src=x onerror=alert(1)>\ud800😀"
    write_step(tmp_path, 1, [["ab\nright", hostile + "z" * 50_000], ["<b>second", "cd"]], characters=True, problem=hostile + "{}")
    write_step(tmp_path, 2, [["later"]])
    page, errors = browser.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: (errors.append(dialog.message), dialog.dismiss()))
    page.goto(write_report(tmp_path).resolve().as_uri())
    rows, shown, readout = page.locator("#browse-list button"), page.locator("#browse-completion"), page.locator("#browse-readout")
    assert rows.count() == 5
    assert shown.text_content() == "<think>later"  # the newest, without values of tokens
    assert readout.text_content() != ""
    page.select_option("#browse-verdict", "=wrong")
    assert rows.count() == 2
    page.fill("#browse-text", "ONERROR=ALERT(1)>?😀")
    page.fill("#browse-tokens-low", "4")
    assert rows.count() == 0
    page.fill("#browse-tokens-low", "3")
    page.fill("#browse-reward-high", "0.5")
    rows.first.click()
    assert shown.text_content().startswith("<think></")  # what is left of a text whose third token is 50,000 characters long
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("() => document.querySelectorAll('#browse-list button').length === 5")
    page.fill("#browse-text", "right")
    rows.first.click()
    styled = page.evaluate(STYLED)
    assert [token for token, _ in styled] == ["a", "b", "\nright"]
    assert len({style for _, style in styled}) == 3  # told apart without colour: probabilities 1, 0.6 and 0.4
    shown.locator("[data-place='1']").hover()
    assert "−0.50 (61 %)" in readout.text_content()
    assert "+0.75" in readout.text_content()
    page.get_by_role("button", name="advantage").click()
    assert {style for _, style in page.evaluate(STYLED)} == {"underline solid"}
    page.reload()
    assert (page.input_value("#browse-text"), rows.count()) == ("right", 1)  # what was chosen stays
    assert page.evaluate("document.images.length") == 0
    assert errors == []
    page.close()


def test_one_problem_can_be_seen_at_all_steps(browser: Any, pages: dict[str, Path]) -> None:
    page = browser.new_page()
    page.goto(pages["report"].resolve().as_uri())
    page.select_option("#browse-source", index=2)
    page.select_option("#browse-step", "=0")
    page.locator("#browse-list button").first.click()
    problem, steps = page.locator("#browse-problem").text_content(), []
    for _ in range(3):
        steps.append(page.locator("#browse-tags .tag").nth(1).text_content().rpartition(" ")[2])
        assert page.locator("#browse-problem").text_content() == problem
        page.locator("#browse-on").click()
    assert steps == ["0", "2", "4"]
    page.locator("#browse-only").click()
    assert page.locator("#browse-list button").count() == 2  # at the step that is chosen
    page.select_option("#browse-step", "")
    assert page.locator("#browse-list button").count() == 4 * 2  # two completions at each of four steps
    page.close()
