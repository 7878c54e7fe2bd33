"""Before, after and needs -> a verdict per clause, a winner, or the nearest miss. Pure.

Covers: judging one candidate (judge.py), choosing among them (choose.py), the statistics behind
a verdict on quality (paired.py), who pays for the compression (who_pays.py).
Does not cover: measuring anything.
"""

from wizard.compare.choose import compare
from wizard.compare.judge import judge
from wizard.compare.who_pays import who_pays

__all__ = ["compare", "judge", "who_pays"]
