import pytest

from dunwu.text.boxes import find_boxes, offered_boxes


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        (r"\boxed{8}", ["8"]),
        (r"\boxed{\frac{1}{2}} and \boxed {3}", [r"\frac{1}{2}", "3"]),
        (r"\boxed{\boxed{8}}", [r"\boxed{8}"]),
        (r"\boxed{\{2,5\}}", [r"\{2,5\}"]),
        (r"\boxed{8", []),
        (r"\boxed{7 \boxed{8}", ["8"]),
        (r"}} \boxed{8} }", ["8"]),
        (r"boxed{8}", []),
    ],
)
def test_boxes_are_found_by_balanced_braces(text, contents):
    boxes = find_boxes(text)
    assert [content for _, _, content in boxes] == contents
    assert all(text[start:end].startswith("\\boxed") and text[end - 1] == "}" for start, end, _ in boxes)


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("no box", ()),
        (r"first \boxed{7}, but the correct answer is \boxed{8}.", ("8",)),
        (r"\boxed{5} or \boxed{6}", ("5", "6")),
        (r"\boxed{5}\boxed{6}", ("5", "6")),
        (r"$\boxed{5}$, $\boxed{6}$", ("5", "6")),
        (r"\boxed{5}\text{ or }\boxed{6}", ("5", "6")),
        (r"\boxed{5} 或者 \boxed{6}", ("5", "6")),
        (r"\boxed{4}, \boxed{5}, and \boxed{6}", ("4", "5", "6")),
        (r"\boxed{6} or \boxed{6}", ("6",)),
        (r"\boxed{4} wrong. \boxed{5} or \boxed{6}", ("5", "6")),
    ],
)
def test_boxes_side_by_side_are_all_offered(text, offered):
    assert offered_boxes(text) == offered


def test_hostile_texts_take_linear_time():
    for text in (r"\boxed{" * 20_000, "{" * 100_000, r"\boxed{1}" + " ," * 50_000 + "x" + r"\boxed{2}", r"\boxed{1}" * 5_000):
        assert len(offered_boxes(text)) <= 1
