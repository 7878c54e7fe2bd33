"""README's table of families and tasks, from the cards and the last recorded exports.

Covers: one row a supported family, one column a group of tasks. Does not cover: what is refused.
"""

from wizard import library, tasks
from wizard.nouns import Task

TESTED, SHOULD, NOT_HERE = "**tested**", "should work", "-"


def cell(family, card):
    """What `wizard inspect` says of the family for this task, with the recorded difference."""
    pictures = family.shape in {"cnn", "vision transformer"}
    if card.task.value not in family.tasks or (pictures and card.reads is tasks.Reads.TEXTS):
        return NOT_HERE
    tested = any(tasks.alike(library.sample_task(one), card.task) for one in family.tested)
    recorded = library.exports().get(family.model_types[0], {})
    apart = recorded.get((card.stands_in_for or (card.task,))[0].value)
    word = TESTED if tested else SHOULD
    return word if apart is None else f"{word} ({apart:.0e})"


def table():
    """Lines of a Markdown table; tasks in columns that any of the families has."""
    ours = [one for one in library.families().values() if one.supported]
    texts = [one for one in ours if Task.FILL_MASK.value in one.tasks]
    rest = [one for one in ours if one not in texts]
    yield from _part(texts)
    yield ""
    yield from _part(rest)


def _part(families):
    names = sorted({task.on_hub for task in tasks.cards()})
    columns = [name for name in names if any(_of(one, name) != NOT_HERE for one in families)]
    yield f"| family | {' | '.join(columns)} |"
    yield "|---|" + "---|" * len(columns)
    for family in sorted(families, key=lambda one: one.id):
        yield f"| {family.id} | {' | '.join(_of(family, name) for name in columns)} |"


def _of(family, name):
    """The cell of a task of the Hub, in whichever way the family does it."""
    cells = [cell(family, card) for task, card in tasks.cards().items() if task.on_hub == name]
    return next((one for one in cells if one != NOT_HERE), NOT_HERE)
