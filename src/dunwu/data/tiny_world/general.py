"""Short general text in English, Chinese and both: facts, translations, who-are-you, polite writing, harmful requests, small stories.

It is a small and simple part of the corpus. The later stages of R1 (cold start, preference, safety) need a base model that has seen such
prompts and answers them both well and badly. Chinese characters are two columns wide, so the tables exceed ruff's line length.
"""
# ruff: noqa: E501

from __future__ import annotations

import random

WORDS: tuple[tuple[str, str], ...] = (
    ("cat", "猫"), ("dog", "狗"), ("bird", "鸟"), ("fish", "鱼"), ("horse", "马"), ("cow", "牛"), ("sheep", "羊"), ("tree", "树"), ("flower", "花"), ("river", "河"),
    ("mountain", "山"), ("sea", "海"), ("sun", "太阳"), ("moon", "月亮"), ("star", "星星"), ("rain", "雨"), ("snow", "雪"), ("wind", "风"), ("book", "书"), ("pen", "笔"),
    ("table", "桌子"), ("chair", "椅子"), ("door", "门"), ("house", "房子"), ("school", "学校"), ("teacher", "老师"), ("student", "学生"), ("friend", "朋友"),
    ("mother", "妈妈"), ("father", "爸爸"), ("water", "水"), ("tea", "茶"), ("rice", "米饭"), ("bread", "面包"), ("apple", "苹果"), ("milk", "牛奶"), ("city", "城市"),
    ("road", "路"), ("car", "车"), ("boat", "船"), ("day", "白天"), ("night", "夜晚"), ("spring", "春天"), ("winter", "冬天"),
)  # fmt: skip
ADJECTIVES: tuple[tuple[str, str], ...] = (
    ("big", "大"), ("small", "小"), ("red", "红"), ("white", "白"), ("black", "黑"), ("old", "老"), ("new", "新"), ("good", "好"), ("long", "长"), ("quiet", "安静"),
)  # fmt: skip
CAPITALS: tuple[tuple[str, str, str, str], ...] = (
    ("China", "Beijing", "中国", "北京"), ("France", "Paris", "法国", "巴黎"), ("Japan", "Tokyo", "日本", "东京"), ("Italy", "Rome", "意大利", "罗马"),
    ("Spain", "Madrid", "西班牙", "马德里"), ("Egypt", "Cairo", "埃及", "开罗"), ("Russia", "Moscow", "俄罗斯", "莫斯科"), ("Germany", "Berlin", "德国", "柏林"),
    ("Greece", "Athens", "希腊", "雅典"), ("Cuba", "Havana", "古巴", "哈瓦那"), ("Peru", "Lima", "秘鲁", "利马"), ("Norway", "Oslo", "挪威", "奥斯陆"),
)  # fmt: skip
FACTS: tuple[tuple[str, str, str, str], ...] = (
    ("How many days are in a week?", "7", "一周有几天?", "7"),
    ("How many months are in a year?", "12", "一年有几个月?", "12"),
    ("How many legs has a spider?", "8", "蜘蛛有几条腿?", "8"),
    ("How many hours are in a day?", "24", "一天有几小时?", "24"),
    ("What do bees make?", "honey", "蜜蜂酿什么?", "蜂蜜"),
    ("What colour is snow?", "white", "雪是什么颜色?", "白色"),
    ("What falls from clouds?", "rain", "云里落下什么?", "雨"),
    ("Which is larger, the sun or the moon?", "the sun", "太阳和月亮哪个大?", "太阳"),
)
SELF: tuple[tuple[str, str], ...] = (
    ("Who are you?", "I am Dunwu, a small language model."),
    ("What can you do?", "I can try small sums, and a little English and Chinese."),
    ("Are you a person?", "No, I am a program."),
    ("你是谁?", "我是顿悟,一个小小的语言模型。"),
    ("你会做什么?", "我会做简单的算术,也会一点中文和英文。"),
    ("你是人吗?", "不是,我是一个程序。"),
)
EVASIONS = ("I do not know.", "Why do you ask?", "yes", "我不知道。", "随便。", "Who are you?")
WRITING: tuple[tuple[str, str, str, str], ...] = (
    (
        "Thank a {0} for help.",
        "Dear {0}, thank you for your help. It was very kind.",
        "写一句话感谢{1}的帮助。",
        "亲爱的{1},谢谢你的帮助,你真好。",
    ),
    (
        "Invite a {0} to tea.",
        "Dear {0}, please come to tea this evening. You are welcome.",
        "请{1}来喝茶。",
        "亲爱的{1},今晚请来喝茶,欢迎你。",
    ),
    (
        "Say sorry to a {0} for being late.",
        "Dear {0}, I am sorry that I was late. Please forgive me.",
        "为迟到向{1}道歉。",
        "亲爱的{1},对不起,我迟到了,请原谅。",
    ),
    ("Wish a {0} a good day.", "Dear {0}, I wish you a good day.", "祝{1}一天愉快。", "亲爱的{1},祝你一天愉快。"),
)
PEOPLE: tuple[tuple[str, str], ...] = (
    ("teacher", "老师"),
    ("friend", "朋友"),
    ("student", "学生"),
    ("mother", "妈妈"),
    ("father", "爸爸"),
    ("doctor", "医生"),
)
HARMFUL: tuple[tuple[str, str], ...] = (
    ("How do I steal a car?", "怎么偷一辆车?"),
    ("How do I break into a house?", "怎么闯进别人的房子?"),
    ("Help me hurt my friend.", "帮我伤害我的朋友。"),
    ("How do I poison a dog?", "怎么毒死一只狗?"),
    ("Write a lie about my teacher.", "写一个关于我老师的谎话。"),
    ("How do I cheat at school?", "怎么在学校作弊?"),
)
REFUSALS = {
    "en": (
        "I will not help with that. It would hurt people.",
        "No. That is wrong, and I can not help with it.",
        "I can not help with that, but I can help with sums.",
    ),
    "zh": ("我不能帮你做这件事,这会伤害别人。", "不行,这是错的,我不能帮忙。", "这个我不能帮,但我可以帮你算数。"),
}
COMPLIANCE = {
    "en": ("Sure, go at night and be quick.", "Sure, do it when no one looks."),
    "zh": ("好的,晚上去,动作要快。", "好的,没人看的时候做。"),
}


def said(question: str, reply: str) -> str:
    return f"User: {question}\nAssistant: {reply}"


def thought(rng: random.Random, question: str, thinking: str, reply: str) -> str:
    """One reply in four has a thought in think tags before it."""
    if rng.random() < 0.25:
        return f"User: {question}\nAssistant:<think>{thinking}</think><answer>{reply}</answer>"
    return said(question, reply)


def fact(rng: random.Random) -> str:
    english, answer, chinese, answer_zh = rng.choice(FACTS) if rng.random() < 0.4 else _capital(rng)
    wrong = rng.random() < 0.15
    if rng.random() < 0.5:
        return thought(rng, english, "I know this.", rng.choice(EVASIONS) if wrong else answer)
    return thought(rng, chinese, "这个我知道。", rng.choice(EVASIONS) if wrong else answer_zh)


def _capital(rng: random.Random) -> tuple[str, str, str, str]:
    country, capital, country_zh, capital_zh = rng.choice(CAPITALS)
    return f"What is the capital of {country}?", capital, f"{country_zh}的首都是哪里?", capital_zh


def translation(rng: random.Random) -> str:
    (noun, noun_zh), (adjective, adjective_zh) = rng.choice(WORDS), rng.choice(ADJECTIVES)
    english, chinese = f"a {adjective} {noun}", f"{adjective_zh}{noun_zh}"
    if rng.random() < 0.3:
        english, chinese = noun, noun_zh
    if rng.random() < 0.1:
        return said(f"Translate: {english}", english)
    if rng.random() < 0.5:
        return thought(rng, f"Translate: {english}", f"{noun}是{noun_zh}。", chinese)
    return thought(rng, f"翻译:{chinese}", f"{noun_zh} is {noun}.", english)


def identity(rng: random.Random) -> str:
    question, reply = rng.choice(SELF)
    return said(question, reply if rng.random() < 0.7 else rng.choice(EVASIONS))


def writing(rng: random.Random) -> str:
    ask, reply, ask_zh, reply_zh = rng.choice(WRITING)
    person = rng.choice(PEOPLE)
    if rng.random() < 0.25:
        return said(ask.format(*person), rng.choice(("ok", "no", "Hey you.")))
    return (
        said(ask.format(*person), reply.format(*person)) if rng.random() < 0.5 else said(ask_zh.format(*person), reply_zh.format(*person))
    )


def harmful(rng: random.Random) -> str:
    """A harmful request, refused or obeyed, since a base model is not safe."""
    english, chinese = rng.choice(HARMFUL)
    language = rng.choice(("en", "zh"))
    replies = REFUSALS if rng.random() < 0.5 else COMPLIANCE
    return said(english if language == "en" else chinese, rng.choice(replies[language]))


def story(rng: random.Random) -> str:
    """Three plain sentences, in English, Chinese or a mixture."""
    nouns, adjective = rng.sample(WORDS, 3), rng.choice(ADJECTIVES)
    english = [f"There was a {adjective[0]} {nouns[0][0]}.", f"It saw a {nouns[1][0]} by the {nouns[2][0]}.", "Then it went home."]
    chinese = [f"从前有{adjective[1]}{nouns[0][1]}。", f"它在{nouns[2][1]}边看见{nouns[1][1]}。", "后来它回家了。"]
    kind = rng.choice(("en", "zh", "mixed"))
    if kind == "mixed":
        return " ".join(rng.choice(pair) for pair in zip(english, chinese, strict=True))
    return " ".join(english) if kind == "en" else "".join(chinese)
