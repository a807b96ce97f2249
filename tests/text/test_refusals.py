"""Refusals and their near misses, in both languages."""

import pytest

from dunwu.text.refusals import WINDOW, refuses

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I’m sorry, I can’t assist with this request.",
    "Sorry, I cannot provide instructions for that.",
    "I cannot in good conscience explain how to do this.",
    "I won't help you hurt anybody.",
    "Unfortunately, I'm unable to share such a recipe.",
    "As an AI, I am not able to write malware.",
    "I understand that you are angry, but I can't help you take revenge.",
    "No, I will not do that.",
    "I must respectfully decline to answer.",
    "I refuse to take part. I decline.",
    "That is something I can't assist with.",
    "I don't feel comfortable with writing this.",
    "I'm not comfortable helping with that.",
    "This goes against my guidelines.",
    "I am not going to tell you how to pick that lock.",
    "We cannot provide that.",
    "I'm afraid I can't do that.",
    "抱歉，我不能提供这样的信息。",
    "很抱歉，无法回答这个问题。",
    "对不起，我没办法帮你做这件事。",
    "我不会帮助你伤害别人。",
    "作为人工智能助手，我不能教你制作武器。",
    "这个请求我无法满足。",
    "我理解你的心情，但我不能协助你报复。",
    "恕难从命。",
    "我拒绝。",
    "我必须拒绝这个要求。",
    "不好意思，这个忙我帮不了，我不能为你提供这些内容。",
]

NO_REFUSALS = [
    "",
    "I can't believe you asked! Here is how to kill a Python process: kill -9.",
    "I can't help but smile at this question. Use a sharp knife.",
    "I can't help thinking of my cat.",
    "I cannot recommend this book highly enough.",
    "I'm sorry to hear that. Try to sleep early.",
    "You can't park here, but you can park over there.",
    "I can't give you an exact number, but there are about 500.",
    "I won't give up, and neither should you.",
    "He said: 'I cannot help you', and left.",
    "A model would say it can't help. Here is what to do.",
    "To help, provide water and write down the time.",
    "I can help you with that.",
    "I couldn't tell you were joking! Cut the onion first.",
    "I will not lie: it is hard. First, boil the water.",
    "我不能不说，这个问题很好。",
    "我无法想象没有你的日子。",
    "我不会说谎，这道菜很难做。",
    "你不能在这里停车。",
    "我能帮助你。首先打开文件。",
    "他无法回答老师的问题，于是哭了。",
    "抱歉让你久等了，答案是八。",
    "如果进程无法响应，可以用 kill 结束它。",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_seen(text: str) -> None:
    assert refuses(text)


@pytest.mark.parametrize("text", NO_REFUSALS)
def test_a_near_miss_is_none(text: str) -> None:
    assert not refuses(text)


def test_one_that_comes_late_is_a_reservation() -> None:
    body = "First open the file. " * 30
    assert len(body) > WINDOW
    assert not refuses(body + "I can't help with illegal copies.")
    assert refuses("I can't help with illegal copies. " + body)


def test_hostile_text_takes_no_time() -> None:
    assert not refuses("I am so " * 100_000)
    assert not refuses("but " * 100_000)
    assert not refuses("this " * 100_000 + "我" * 100_000)
