"""Words that tell little in a name: articles, prepositions and "and", in the languages that most names here are in.

In lower case. Pure data.
"""

from __future__ import annotations

_BY_LANGUAGE = """
a an and as at but by for from in into of off on onto or over the to under with without
am auf aus bei beim das dem den der des die ein eine einem einen einer für im mit ohne um und unter vom von
vor zu zum zur über
à au aux avec chez dans de des du en et la le les ou par pour sans sous sur un une
al con de del e el en la las lo los o para por sin sobre un una y
ao aos à às com da das de do dos e em na nas no nos o os para pela pelo por sem um uma
ai al alla alle allo che con da dal dalla del della delle dello dei degli di e ed gli il in la le lo nei nel
nella per su sul sulla un una uno
aan bij de een en het in met naar of om op te uit van voor zonder
att av den det ein en ett et for från fra för i med och og om på til till under utan uten
i na nad od po pod przez w z ze
без в для и из к на над о от по под с со у
ve ile için
"""
SMALL_WORDS = frozenset(_BY_LANGUAGE.split())
