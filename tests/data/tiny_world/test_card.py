import hashlib
import json
import math
from pathlib import Path

import pytest

from dunwu.analysis.report import flat_facts
from dunwu.config.pretrain import PretrainConfig
from dunwu.data.builders.certificate import text_shares_multiset
from dunwu.data.tiny_world.card import (
    COUNTED_DOCUMENTS,
    CountedDocument,
    corpus_facts,
    corpus_hash,
    corpus_texts,
    count_documents,
    processor_name,
    rounded,
    weights_hash,
    write_card,
)
from dunwu.data.tiny_world.corpus import DEFAULT_WEIGHTS
from dunwu.errors import ModelError
from dunwu.models.bundled import bundled_path

LARGEST_BUNDLE = 8_000_000
COUNTED = [
    CountedDocument("puzzle_dialogues", 10, {"wait": 2, "等等": 1}),
    CountedDocument("puzzle_dialogues", 30, {}),
    CountedDocument("facts", 10, {}),
    CountedDocument("puzzle_solutions", 50, {"check": 1}),
]


def test_facts_of_hand_counted_documents() -> None:
    assert corpus_facts(COUNTED) == {
        "corpus_documents_counted": 4,
        "reflections_per_document": 1.0,
        "reflections_per_1000_tokens": 40.0,
        "puzzle_dialogues_with_reflections": 0.5,
        "reflections_per_document_by_source": {"puzzle_dialogues": 1.5, "puzzle_solutions": 1.0},
        "reflections_per_1000_tokens_by_source": {"puzzle_dialogues": 75.0, "puzzle_solutions": 20.0},
        "share_of_documents_by_source": {"puzzle_dialogues": 0.5, "facts": 0.25, "puzzle_solutions": 0.25},
        "share_of_tokens_by_source": {"puzzle_dialogues": 0.4, "facts": 0.1, "puzzle_solutions": 0.5},
        "reflective_words_per_1000_documents": {"wait": 500.0, "等等": 250.0, "check": 250.0},
    }


def test_a_corpus_without_puzzle_dialogues_has_no_share_of_them() -> None:
    assert corpus_facts(COUNTED[2:])["puzzle_dialogues_with_reflections"] is None


def test_documents_are_counted_by_source_and_language() -> None:
    texts = [("a", "Wait, wait: check 3*7=21."), ("b", "等等,不对,再试:"), ("a", "waiting")]
    assert count_documents(texts, len) == [("a", 25, {"wait": 2, "check": 1}), ("b", 9, {"等等": 1, "不对": 1, "再试": 1}), ("a", 7, {})]


def test_the_real_corpus_reflects_now_and_then(corpus: list[tuple[str, str]]) -> None:
    """What README and report say of the base: dialogues seldom reflect, worked solutions mostly check."""
    facts = corpus_facts(count_documents(corpus, len))
    assert 0.05 < facts["puzzle_dialogues_with_reflections"] < 0.25
    told = facts["reflections_per_document_by_source"]
    assert told["puzzle_dialogues"] < 0.4
    assert told["puzzle_solutions"] > 2 * told["puzzle_dialogues"]
    assert set(facts["share_of_documents_by_source"]) == set(DEFAULT_WEIGHTS)
    for name in ("share_of_documents_by_source", "share_of_tokens_by_source"):
        assert math.fsum(facts[name].values()) == pytest.approx(1, abs=1e-3)
    assert {"wait", "等等", "check", "检查"} <= facts["reflective_words_per_1000_documents"].keys()


def test_the_corpus_hash_sees_every_change(corpus: list[tuple[str, str]]) -> None:
    few = corpus[:5]
    assert corpus_texts(0, DEFAULT_WEIGHTS, 5) == few
    changed = [few[:4], [*few[:4], (few[4][0], few[4][1] + " ")], [*few[:4], (few[4][0] + " ", few[4][1])], few[::-1]]
    assert len({corpus_hash(texts) for texts in (few, *changed)}) == 5
    assert corpus_hash(iter(few)) == corpus_hash(few)


def test_the_card_is_written_beside_hashed_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_card(tmp_path, {"words": {"等等": 1.5}, "none": None})
    assert json.loads((tmp_path / "card.json").read_text(encoding="utf-8")) == {"words": {"等等": 1.5}, "none": None}
    assert "等等" in (tmp_path / "card.json").read_text(encoding="utf-8")
    assert weights_hash(tmp_path) == hashlib.sha256(b"weights").hexdigest()


def test_the_processor_is_named(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Fast CPU: 3 GHz\nmodel name\t: other\n", encoding="utf-8")
    assert processor_name(cpuinfo) == "Fast CPU: 3 GHz"
    assert processor_name(tmp_path / "none")


def test_rounding() -> None:
    assert [rounded(value) for value in (0.123456789, 2, 0.0, 12345678.0)] == [0.12346, 2.0, 0.0, 12346000.0]


def bundled() -> Path:
    try:
        return bundled_path()
    except ModelError:
        pytest.skip("this checkout has no bundled model")


def test_the_bundled_model_is_the_one_its_card_describes() -> None:
    folder = bundled()
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert card["sha256"] == weights_hash(folder)
    assert sum(path.stat().st_size for path in folder.rglob("*")) <= LARGEST_BUNDLE
    assert card["licence"] == "MIT"
    assert 0.02 < card["base_countdown"]["pass_at_1"] <= 0.20, "a base model: mostly failing, able now and then"
    assert 0.02 < card["puzzle_dialogues_with_reflections"] < 0.25
    config = PretrainConfig.model_validate(card["recipe"])
    assert card["tokens"] == pytest.approx(config.tokens, rel=0.02)
    told = "\n".join(name for name, _ in flat_facts(card))
    for name in ("base_countdown.pass_at_1", "base_game24.pass_at_1", "reflections_per_1000_tokens", "1000_documents.wait", "sha256"):
        assert name in told, "the report shows it"


def test_todays_code_still_writes_the_bundled_models_corpus() -> None:
    card = json.loads((bundled() / "card.json").read_text(encoding="utf-8"))
    config = PretrainConfig.model_validate(card["recipe"])
    texts = corpus_texts(config.seed, config.sources or DEFAULT_WEIGHTS)
    assert card["corpus_documents_counted"] == len(texts) == COUNTED_DOCUMENTS
    assert card["corpus_sha256"] == corpus_hash(texts), "the corpus has changed: make the bundled model again"
    assert not any(text_shares_multiset(text) for _, text in texts)
