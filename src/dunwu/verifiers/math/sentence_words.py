"""Words that change a number, and words that may surround one without changing it (`dunwu.verifiers.math.sentence`)."""

from __future__ import annotations

from dunwu.verifiers.math.words import PARTS


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _groups(text: str) -> tuple[frozenset[str], ...]:
    return tuple(map(_set, text.split(";")))


DENYING = _set(
    """not no never neither nor none cannot without except unless unlike instead rather isn't aren't wasn't weren't ain't don't doesn't
    didn't can't won't couldn't shouldn't wouldn't wrong incorrect false mistaken mistake mistakes error errors erroneous impossible
    invalid untrue lie typo trap nonsense bogus extraneous doubt doubts doubtful maybe perhaps possibly might hardly unlikely probably
    likely presumably supposedly allegedly guess guesses guessing guessed if suppose supposing supposed assume assuming assumed could
    seems seem claim claims claimed pretend hypothetically deny denies denied reject rejects rejected disagree exclude excludes excluded
    excluding refute refuted contradicts violates violate breaks disobeys unsure uncertain differs ignore ignores discard discarded
    forget skip scrap avoid beware fails fail failed unsuitable ruled save bar may thought opposed anything wish wishes wished hope
    hopes hoped hoping planned intended attempted tried aimed dreamed promised imagine imagined"""
)
"""Words that deny, doubt or only suppose what is said."""
CHANGING = DENYING | _set(
    """but or versus vs than least most about approximately approx roughly around nearly almost circa nearer bound bounds bounded exceeds
    exceed exceeded exclusive inclusive barring besides apart aside formerly minus negative plus add added subtract subtracted times
    multiplied divided multiply divide double doubled twice thrice triple tripled quadruple quadrupled halved squared cubed square root
    roots cube cubes factorial reciprocal inverse opposite negation negated inverted complement conjugate sqrt pi log ln sin cos tan mod
    modulo reversed reverse repeating repeated recurring upside sign divisible remainder too overdrawn debt deficit shortfall dozen
    dozens hundred hundreds thousand thousands mil bn mn gross lakh lakhs crore crores googol googols googolplex myriad myriads kilo
    mega giga ppm bps permille"""
)
"""Words that, in any position, make a number another one or not an answer."""
TURNING = _set(
    """half twice thrice double doubled triple tripled negative opposite inverse reciprocal negation square cube root multiple nobody's"""
)
"""Words that make ``the answer`` after them another number: ``twice the answer is 5``."""
CHANGING_BEFORE = _set("half less fewer short beyond exceeding any other")
"""Anywhere before it."""
CHANGING_CLOSE_BEFORE = _set(
    """between over under above below within first last next top near until till since past preceding following anti base once as like
    than"""
)
"""Within two words before it."""
CHANGING_AFTER = PARTS.keys() | _set(
    """over under half halves quarter quarters off out short shy th st nd rd tens zeros zeroes digits upwards upward onwards onward score
    couple grand ish fold something away mille basis choose written"""
)
"""Within three words after it."""
HEADS = _set(
    """total sum area volume length perimeter value answer result amount count price cost speed distance height width number average mean
    probability rate profit loss maximum minimum weight age time solution score range median mode radius diameter circumference
    temperature difference product quotient measure chance percentage interest balance quantity degree size slope"""
)
"""Nouns that an ``of`` may follow without changing the number: ``a total of 5``."""
STATING = HEADS | _set(
    """is are was were be been being am has have had having equals equal gives give gave giving gets get got getting yields yield makes
    make made making leaves leave left leaving becomes become became means mean needs need needed requires require takes take took costs
    cost contains contain holds hold shows show weighs measures sells sell sold buys buy bought eats eat ate spends spend spent pays pay
    paid earns earn earned saves save saved gave receives receive received uses use reads read ran runs walks walked drives drove
    travels travelled traveled loses lose lost wins win won scores scored collects collected finds find found owes owe owed remain
    remains produces planted picked baked drinks drank watches watched works worked plays played wrote does do did obtain obtains
    obtained conclude answers solutions results only just exactly precisely indeed also still now then therefore thus hence so again
    always simply clearly finally altogether day year month week hour grade level row column side point option usd eur rmb keeps keep
    kept the"""
)
"""Words after which a number may end the sentence: ``there are 5``."""
TO = _set(
    """equal equals simplifies simplify reduces reduce evaluates comes come came amounted increased rises rose grows grew falls fell drops
    dropped decreased adds add sums sum amounts amount down out up leads converges"""
)
"""Words before ``to`` that state a value: ``equal to 5``."""
WITH_UNIT = _set("in after at for by with on from another each every his her its their our my your the a an additional extra")
"""Words after which a number needs a unit: ``in 5 years``."""
EQUATING = _set("is are was were be equals equal")
"""Verbs that separate the number from everything before it: ``the probability that two are red is 1/3``."""
DETERMINERS = _set("the a an his her its their our my your this that")
COPULAS = _set("is are was were be being been will would should must can has have had do does did may")
"""Verbs that describe the number before them."""
PREDICATES = _set("the our my your his her their its correct right needed required possible left remaining sold what how all there")
"""Words that may follow these verbs: ``is the answer``, ``are left``."""
TRAILING = _set(
    """each left total altogether overall together more remaining per a an of at on during every because as exactly only now today still
    there here this that needed required possible times for respectively long tall old high wide deep away apart percent combined used
    sold"""
)
"""Words other than units that may follow a number."""
IN = _set("total all each every the his her their its our my your a an one this that")
"""Words that may follow ``5 in``."""
GIVING = _set(
    """take takes took taken cost costs give gives gave leave leaves left save saves saved owe owes owed make makes made pay pays paid earn
    earns earned get gets got bring brings brought lend lent need"""
)
OBJECTS = _set("him her them us me you")
"""Objects that a verb of `GIVING` may have before a number: ``it takes him 25 minutes``."""
CLOSED = _set(
    """to with from by into onto upon via through toward towards against along among and when where while which who whom whose that since
    until till before after past up down off out below above beneath so then it they he she we i you me him them us some be am"""
)
"""Prepositions, conjunctions and pronouns: they are not units and do not introduce a number."""
SUBJECTS = _set("it this that these those there the a an he she they we you")
"""Words that form a question after a verb at the start."""
EXCLUSIVE = _groups(
    """north south east west northeast northwest southeast southwest; left right; up down; upward upwards downward downwards; above below;
    over under; inside outside; inner outer; top bottom; front back; increase decrease; increases decreases; increased decreased;
    increasing decreasing; rise fall; rises falls; rose fell; profit loss; gain loss; gains losses; gained lost; won lost; wins losses
    draws ties; surplus deficit shortfall; credit debit; bought sold; forward forwards backward backwards; clockwise counterclockwise;
    bc ad; am pm; more less fewer; before after; ahead behind; ago later hence; earlier later; early late; first last; older younger;
    taller shorter; longer shorter; heavier lighter; faster slower; higher lower; larger smaller; greater smaller; bigger smaller;
    hotter colder warmer cooler; maximum minimum; max min; odd even; true false; yes no; male female; boys girls; sons daughters;
    brothers sisters; heads tails; northward southward eastward westward; northwards southwards eastwards westwards; northern southern
    eastern western; deposit withdrawal; income expenses; men women; positive negative; dollar euro sterling yuan rupee; ascending
    descending; convergent divergent; converges diverges"""
)
"""Words that exclude each other."""
CHINESE_EXCLUSIVE = _groups(
    """东 南 西 北; 左 右; 上午 下午; 上升 下降; 增加 减少; 盈利 亏损; 赚 亏; 收入 支出; 顺时针 逆时针;
    最大 最小; 奇数 偶数; 公元前 公元后; 递增 递减; 以上 以下"""
)
"""The same in Chinese, found anywhere in a text."""
