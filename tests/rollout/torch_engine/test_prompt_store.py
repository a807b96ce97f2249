"""Which prompts the store keeps, what a new one takes over, and who goes first."""

from dunwu.rollout.torch_engine.native.prompt_store import PromptStore, StoredPrompt


def make(places: int, keeps: bool = True) -> tuple[PromptStore, list[tuple[int, int, int]]]:
    copied: list[tuple[int, int, int]] = []
    return PromptStore(places, lambda *given: copied.append(given), keeps, least_copied=2), copied


def read(store: PromptStore, ids: list[int], known: int | None = None) -> StoredPrompt:
    """Open, read whole or in part, and release."""
    found = store.open(ids)
    assert found is not None
    found.known = len(ids) if known is None else known
    store.release(found)
    return found


def test_a_prompt_takes_over_what_it_begins_with() -> None:
    store, copied = make(4)
    first = read(store, [1, 2, 3, 4])
    other = store.open([1, 2, 9, 9])
    assert other is not None
    assert (other.known, copied) == (2, [(first.place, other.place, 2)])
    assert store.open([7]).known == 0  # type: ignore[union-attr]


def test_a_conversation_that_goes_on_stays_in_its_place() -> None:
    store, copied = make(2)
    first = read(store, [1, 2, 3])
    again = store.open([1, 2, 3, 4, 5])
    assert again is first
    assert (first.known, copied) == (3, [])


def test_the_same_prompt_needs_its_last_token_only() -> None:
    store, copied = make(2)
    first = store.open([1, 2, 3])
    assert first is not None
    first.known = 3
    assert store.open([1, 2, 3]) is first
    assert (first.known, first.users, copied) == (2, 2, [])


def test_only_what_was_read_is_taken_over() -> None:
    store, copied = make(3)
    read(store, [1, 2, 3, 4, 5], known=2)
    found = store.open([1, 2, 3, 4, 9])
    assert found is not None
    assert found.known == 2
    half = store.open([1, 2, 3, 4, 9, 9])  # behind one that is being read
    assert half is not None
    assert (half.known, copied) == (2, [(found.place, half.place, 2)])


def test_the_one_used_longest_ago_goes_first_and_one_in_use_never() -> None:
    store, _ = make(3)
    old, used = read(store, [1, 1]), read(store, [2, 2])
    held = store.open([3, 3])
    read(store, [2, 2])
    new = store.open([4, 4])
    assert new is not None
    assert held is not None
    assert new.place == old.place
    assert store.open([5, 5]).place == used.place  # type: ignore[union-attr]
    assert store.open([6, 6]) is None
    store.release(held)
    assert store.open([6, 6]) is not None


def test_without_another_place_the_beginning_goes_on_in_its_own() -> None:
    store, copied = make(1)
    read(store, [1, 2, 3, 4])
    found = store.open([1, 2, 8])
    assert found is not None
    assert (found.known, found.place, copied) == (2, 0, [])


def test_broken_prompts_unread_ones_and_those_of_old_weights_are_not_kept() -> None:
    store, _ = make(2)
    broken = store.open([1, 2])
    assert broken is not None
    broken.known, broken.sound = 2, False
    store.release(broken)
    read(store, [3, 4], known=0)
    read(store, [5, 6])
    store.forget()
    assert [store.open(ids).known for ids in ([1, 2, 7], [5, 6, 7])] == [0, 0]  # type: ignore[union-attr]


def test_too_little_to_copy_is_read_again() -> None:
    store, copied = make(3)
    read(store, [1, 2, 3])
    found = store.open([1, 8, 9])
    assert found is not None
    assert (found.known, copied) == (0, [])


def test_a_store_that_keeps_nothing_shares_nothing() -> None:
    store, copied = make(2, keeps=False)
    read(store, [1, 2, 3])
    found, same = store.open([1, 2, 3, 4]), store.open([1, 2, 3, 4])
    assert found is not None
    assert same is not None
    assert (found.known, same.known, found is same, copied) == (0, 0, False, [])
