"""Words that tell little in a name: articles, prepositions and "and", in the languages that most names here are in.

In lower case. Pure data.
"""

from __future__ import annotations

_ARTICLES = """
a an the der die das den dem ein eine einen einem einer le la les l un une el los las lo il gli una uno
o os um uma het een ett
"""
_OTHERS = """
and as at by for from in into of off on onto or over to under with without
am auf aus bei beim für im mit ohne um und unter vom von vor zu zum zur über
au aux avec chez dans des du en et ou par pour sans sous sur à
al con de del e para por sin sobre y
ao aos às com da das do dos e em na nas no nos ou pela pelo por sem
ai alla alle allo che dal dalla degli dei del della delle dello di e ed i nei nel nella per su sul sulla
aan bij en in met naar van voor zonder op uit te
av att för från fra i med och og om på til till uten utan
na nad od po pod przez w z ze
без в для и из к на над о от по под с со у
ve ile için
và của với
dan dari dengan yang
και με του της των
في من على إلى مع
של עם על את
का की के और में से को
"""
_NOUN_FIRST = "la le les du aux el los las del il lo gli della uma"

# Between an article and its noun nothing ends; before any other small word a phrase does.
ARTICLES = frozenset(_ARTICLES.split())
SMALL_WORDS = ARTICLES | frozenset(_OTHERS.split())
# Of languages that put a noun before its adjectives, and of no others.
NOUN_FIRST = frozenset(_NOUN_FIRST.split())
