import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest

from dunwu.data.builders.sampled import verify_all
from dunwu.errors import ConfigError, DunwuError, TrainingError
from dunwu.rewards.pool import MAX_TIMEOUTS, RewardPool
from dunwu.rewards.rules import rule_reward
from dunwu.tasks.code_tests import Case, CodeTests
from dunwu.types import Problem

PROBLEM = Problem(id="p", task="countdown", text="", verifier="expression", data={"numbers": [3, 8], "target": 24})

ODD_REWARDS = '''
import os, pathlib, re, sys, time
from dunwu.types import Reward, Verdict

GOOD = Reward(1.0, {"accuracy": 1.0}, Verdict(1.0, "correct"))


class Odd:
    """Does what the text says."""

    part_names = ("accuracy",)

    def __call__(self, problem, text):
        order, _, rest = text.partition(" ")
        if order == "sleep":
            time.sleep(float(rest))
        elif order == "spin":
            while True:
                pass
        elif order == "regex":  # never gives the interpreter back
            re.match("(a+)+b", "a" * 60)
        elif order == "die":
            os._exit(3)
        elif order == "die_once" and not pathlib.Path(rest).exists():
            pathlib.Path(rest).touch()
            os._exit(3)
        elif order == "exit":
            sys.exit(0)
        elif order == "raise":
            raise RuntimeError("no")
        elif order == "none":
            return None
        elif order == "nan":
            return Reward(float("nan"), {}, Verdict(1.0, "correct"))
        elif order == "babble":  # writes junk over the pool's own channel
            os.write(int(sys.argv[1]), b"\\x04\\x00\\x00\\x00junk" * 3)
            time.sleep(0.3)
        elif order == "hog":
            bytearray(1 << 40)
        elif order == "pid":
            return Reward(float(os.getpid()), {"accuracy": 1.0}, Verdict(1.0, "correct"))
        return GOOD


class Unloadable:
    def __reduce__(self):
        return (int, ("not a number",))
'''


@pytest.fixture
def odd(tmp_path, monkeypatch):
    (tmp_path / "odd_rewards.py").write_text(ODD_REWARDS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "odd_rewards", raising=False)
    import odd_rewards

    return odd_rewards


def answers(count):
    texts = [
        "<think>a</think><answer>3 * 8</answer>",
        "<answer>8 * 3 = 24</answer>",
        "<think></think><answer>3 + 8</answer>",
        "\ud800",
        "x" * 10_000,
    ]
    return {key: texts[key % 5] for key in range(count)}


def collect(pool, texts):
    for key, text in texts.items():
        pool.submit(key, PROBLEM, text)
    return pool.collect()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_are_those_of_the_function_in_order_of_submission(workers):
    reward, texts = rule_reward(), answers(500)
    expected = {key: reward(PROBLEM, text) for key, text in texts.items()}
    shuffled = dict(sorted(texts.items(), key=lambda item: hash(str(item[0] * 7919))))
    with RewardPool(reward, workers, timeout=20.0) as pool:
        assert pool.collect() == {}
        assert collect(pool, texts) == expected
        results = collect(pool, shuffled)
        assert results == expected
        assert list(results) == list(shuffled)
        assert pool.collect() == {}


def test_the_caller_goes_on_while_rewards_are_computed(odd):
    with RewardPool(odd.Odd(), 1, timeout=20.0) as pool:
        begin = time.monotonic()
        pool.submit(0, PROBLEM, "sleep 0.4")
        assert time.monotonic() - begin < 0.2
        time.sleep(0.4)
        collected = time.monotonic()
        assert pool.collect()[0].total == 1.0
        assert time.monotonic() - collected < 0.3


def test_a_reward_that_does_nothing_but_hang_ends_the_run(odd):
    with RewardPool(odd.Odd(), 1, timeout=0.2) as pool:
        for key in range(MAX_TIMEOUTS + 20):
            pool.submit(key, PROBLEM, "spin")
        began = time.monotonic()
        with pytest.raises(TrainingError):
            pool.collect()
        assert time.monotonic() - began < 0.2 * MAX_TIMEOUTS + 20


@pytest.mark.parametrize("order", ["sleep 60", "spin", "regex"])
def test_a_hanging_reward_is_killed_in_time_and_the_others_are_right(odd, order):
    with RewardPool(odd.Odd(), 1, timeout=1.0) as pool:
        begin = time.monotonic()
        results = collect(pool, {key: order if key == 40 else "fine" for key in range(100)})
        assert time.monotonic() - begin < 3.0
    assert {key for key, reward in results.items() if reward.total != 1.0} == {40}
    assert (results[40].total, results[40].verdict.reason) == (None, "timeout")
    assert results[40].parts == {"accuracy": None}


def test_the_time_limit_is_for_each_reward_not_for_the_batch(odd):
    with RewardPool(odd.Odd(), 1, timeout=0.8) as pool:
        results = collect(pool, dict.fromkeys(range(8), "sleep 0.2"))
    assert [reward.total for reward in results.values()] == [1.0] * 8


def program_problem(seconds):
    data = CodeTests(
        mode="stdio", cases=(Case(input="", expected="1"),), limits={"wall_seconds": seconds, "total_seconds": seconds}
    ).to_data()
    return Problem(id="p", task="code", text="", verifier="code", data=data)


def test_a_program_has_its_own_time_besides_that_of_the_reward(odd):
    problems = {0: PROBLEM, 1: program_problem(7.0), 2: PROBLEM}
    with RewardPool(odd.Odd(), 1, timeout=0.5) as pool:
        for key, problem in problems.items():
            pool.submit(key, problem, "sleep 1.5")
        results = pool.collect()
    assert [results[key].verdict.reason for key in problems] == ["timeout", "correct", "timeout"]


def test_a_slow_program_is_judged_and_not_dropped():
    """One verdict by every road: rejection sampling, difficulty, preferences and cold start verify by `verify_all`."""
    text = "```python\nimport time\ntime.sleep({})\nprint(1)\n```"
    answers = [(program_problem(3.0), text.format(seconds)) for seconds in (1.5, 60)]
    verdicts = verify_all(answers, workers=1, timeout=1.0)
    assert [verdict.score for verdict in verdicts] == [1.0, 0.0]


@pytest.mark.parametrize("order", ["die", "exit", "babble"])
def test_a_reward_that_always_loses_its_worker_is_an_error(odd, order):
    with RewardPool(odd.Odd(), 2, timeout=20.0) as pool:
        results = collect(pool, {key: order if key % 30 == 7 else "fine" for key in range(60)})
        again = collect(pool, answers(10))
    lost = {key: reward.verdict.reason for key, reward in results.items() if reward.total is None}
    assert lost == {7: "error", 37: "error"}
    assert len(again) == 10


def test_a_crash_is_retried_once(odd, tmp_path):
    with RewardPool(odd.Odd(), 1, timeout=20.0) as pool:
        assert collect(pool, {0: "fine", 1: f"die_once {tmp_path / 'died'}", 2: "fine"})[1].total == 1.0
    assert (tmp_path / "died").exists()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("order", ["raise", "none", "nan", "hog"])
def test_garbage_is_an_error(odd, order, workers):
    with RewardPool(odd.Odd(), workers, timeout=20.0) as pool:
        results = collect(pool, {0: "fine", 1: order, 2: "fine"})
    assert [results[key].verdict.reason for key in range(3)] == ["correct", "error", "correct"]
    assert (results[1].total, results[1].verdict.score) == (None, None)


def held():
    return len(os.listdir("/proc/self/fd")), len(psutil.Process().children(recursive=True)), threading.active_count()


def settled(pool):
    """What is held when each worker has answered and nothing is being replaced."""
    found = []
    deadline = time.monotonic() + 60  # a replaced worker holds one more until it has started: long under load
    while len(found) < 5 or len(set(found[-5:])) > 1:
        assert time.monotonic() < deadline, found
        collect(pool, dict.fromkeys(range(20), "fine"))
        time.sleep(0.1)
        found.append(held())
    return found[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_nothing_leaks(odd):
    before = held()
    with RewardPool(odd.Odd(), 2, timeout=0.5) as pool:
        collect(pool, {0: "die", 1: "fine"})  # what is opened once, when a worker is replaced
        inside = settled(pool)
        for batch in range(3):
            collect(pool, {key: ["fine", "fine", "die", "fine", "babble"][key % 5] if key < 10 else "fine" for key in range(1000)})
            collect(pool, {batch: "spin"})
        after = settled(pool)
        assert [now <= then for now, then in zip(after, inside, strict=True)] == [True, True, True], (inside, after)
    assert held() == before


@pytest.mark.parametrize("work", ["sleep 60", "spin"])
def test_leaving_early_kills_workers_at_once(odd, work):
    before = held()
    begin = time.monotonic()
    with contextlib.suppress(RuntimeError), RewardPool(odd.Odd(), 1, timeout=60.0) as pool:
        pool.submit(0, PROBLEM, work)
        raise RuntimeError("the caller's")
    assert time.monotonic() - begin < 3.0
    assert held() == before


def test_workers_ignore_interrupts(odd):
    with RewardPool(odd.Odd(), 1, timeout=20.0) as pool:
        pid = int(collect(pool, {0: "pid"})[0].total)
        os.kill(pid, signal.SIGINT)
        assert int(collect(pool, {0: "pid"})[0].total) == pid
        assert os.getpgid(pid) != os.getpgid(0)


def test_a_frozen_worker_is_replaced(odd):
    with RewardPool(odd.Odd(), 1, timeout=0.5) as pool:
        pid = int(collect(pool, {0: "pid"})[0].total)
        os.kill(pid, signal.SIGSTOP)
        begin = time.monotonic()
        assert collect(pool, {0: "fine"})[0].verdict.reason == "timeout"
        assert time.monotonic() - begin < 2.0
        assert int(collect(pool, {0: "pid"})[0].total) != pid


@pytest.mark.parametrize("work", ["sleep 60", "regex"])
def test_workers_do_not_outlive_a_killed_parent(odd, tmp_path, work):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(f"""
            import time
            from odd_rewards import Odd
            from dunwu.rewards.pool import RewardPool
            from dunwu.types import Problem
            problem = Problem(id="p", task="t", text="", verifier="number")
            with RewardPool(Odd(), 1, 60.0) as pool:
                pool.submit(0, problem, "pid")
                print(int(pool.collect()[0].total), flush=True)
                pool.submit(0, problem, {work!r})
                time.sleep(60)
        """),
        encoding="utf-8",
    )
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(0.2)
        parent.kill()
    deadline = time.monotonic() + 5.0
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker lives on"
        time.sleep(0.05)


def test_a_worker_that_cannot_load_the_reward_says_so(odd, capfd):
    before = held()
    with pytest.raises(DunwuError, match="did not start"), RewardPool(odd.Unloadable(), 2, timeout=1.0):
        pass
    assert held() == before
    assert "not a number" in capfd.readouterr().err


def test_rewards_that_cannot_travel_are_refused_with_the_remedy(odd, monkeypatch):
    with pytest.raises(ConfigError, match="reward_workers to 0"), RewardPool(lambda problem, text: None, 1, timeout=1.0):
        pass
    monkeypatch.setattr(odd.Odd, "__module__", "__main__")
    with pytest.raises(ConfigError, match="main script"), RewardPool(odd.Odd(), 1, timeout=1.0):
        pass


def test_a_key_is_submitted_once(odd):
    with RewardPool(odd.Odd(), 0, timeout=1.0) as pool:
        pool.submit(0, PROBLEM, "fine")
        with pytest.raises(AssertionError, match="twice"):
            pool.submit(0, PROBLEM, "fine")


def test_throughput_is_thousands_a_second():
    """The aim is 20,000 a second on a quiet core; this bound only catches a lost order of magnitude."""
    text = "<think>" + "3 * 8 = 24, wait. " * 12 + "</think><answer>3 * 8</answer>"
    with RewardPool(rule_reward(), 1, timeout=20.0) as pool:
        begin = time.process_time(), time.monotonic()
        collect(pool, dict.fromkeys(range(5000), text))
        assert time.monotonic() - begin[1] < 5.0
        assert time.process_time() - begin[0] < 1.5  # what it costs the trainer's own process
