"""Do Chinese words around a number leave it unchanged (`dunwu.verifiers.math.sentence`)?"""

from __future__ import annotations

import re

_CHANGING = re.compile(
    "[或非约近负错半打猜若欠]|不(?!同(?!于))|零下|至少|至多|以[上下外前后]|大于|小于|超过|次方|平方(?![米分厘千])|平方根|分之|的倒数|相反数"
    "|两倍|[一二三四五六七八九十百千几]倍|倍数|可能|也许|大概|如果|倘若|误[以认算]|无法|假[设如]|除了|除外|外都|左右|上下|以内|之[内外间]|那么[多少大小高长]"
    "|[正余]弦|[正余]切|对数|阶乘|绝对值|因数|约数|介于"
)
_AWAY = re.compile(r"(?:比|减去?|加上?|除以?|乘以?|没有?|除|距|离|低于|高于|少于|多于)\s*\Z")
_LEADS = re.compile("[有是为得到于共即选需要剩了出值案果数长积和差率度计花卖买用达余]\\Z")
_UNIT = re.compile(
    "千[克米瓦卡]|[瓦卡元角毛个只人米岁天年月日周时分秒克吨斤升度块条本支枝张页次种平方立厘毫公里小件箱颗粒辆头匹棵株朵片间座栋层排行列组对双套份批台架艘节课题道"
    "句段篇封首部集名位所家户门把根串束瓶杯碗盒包袋桶盘盆口圈步场局面幅顶袋号]"
)
_TRAILS = re.compile("(?:就?是|即|即为)(?:答案|所求|最|正确)")
_DENYING = re.compile("(?:错误?的?|不是|并非|不可能是|一半的?|倍的?|相反数的?|倒数的?|平方的?)\\s*\\Z")
_SCALE = re.compile(r"\s*[多余几]?[十百千万亿](?![克米瓦])|.*半", re.DOTALL)
CHINESE = re.compile("[\u4e00-\u9fff]")


def changes(before: str, after: str) -> bool:
    """True if the words make the number another one (``30的两倍``, ``不到30``, ``减去30``)."""
    return bool(_AWAY.search(before) or _CHANGING.search(before) or _CHANGING.search(after) or _SCALE.match(after))


def leads(words: str, unit: bool) -> bool:
    """True if a number may follow: after a word that states it (``共有``), or, before a unit, after any other."""
    return not _AWAY.search(words) and (unit or _LEADS.search(words) is not None)


def trails(words: str) -> bool:
    """True if the words may follow a number: a unit or measure word, ``就是答案``."""
    return (_UNIT.match(words) or _TRAILS.match(words)) is not None


def denies(clause: str) -> bool:
    """True if a clause before ``答案是`` denies it, or makes it another number (``一半的``)."""
    return _DENYING.search(clause) is not None
