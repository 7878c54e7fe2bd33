"""Every label, hint and choice of the page, in one place.

Covers: words and the figures that belong to them (a use and its milliseconds).
Does not cover: sentences about techniques (rules) or failures (presets/failures.toml).
"""

from __future__ import annotations

from typing import NamedTuple

NAME = "Compression Wizard"
TAGLINE = "Make a model fit the place where it must run"
STEPS = ("Model", "Device", "Quality", "Plan", "Run", "Result")

NEXT, BACK = "Next", "Back"
NEXT_DEVICE = "Next: the device"
NEXT_QUALITY = "Next: the quality"
NEXT_PLAN = "Next: the plan"
START, SEE_RESULT, CANCEL = "Run this plan", "See the result", "Cancel the run"
TAKE_BEST = "Stop and take the best so far"
COPY, COPY_LINK = "Copy", "Copy the link"

# ------------------------------------------------------------------ 1 Model
MODEL_TITLE = "Which model do you want to make smaller and faster?"
MODEL_LEAD = (
    "Start with one of ours, or name your own. Nothing is downloaded until you run the plan."
)
SAMPLES = "Models that come with the wizard"
OWN_MODEL = "Or a model of your own"
OWN_MODEL_HINT = (
    "Type to search the Hugging Face Hub, or write an id such as owner/name, or a folder on this "
    "machine."
)
OWN_MODEL_HINT_HOSTED = "Type to search the Hugging Face Hub, or write an id such as owner/name."
OWN_MODEL_PLACEHOLDER = "owner/name"
LOOK = "Look at it"
ON_THE_HUB = "On the Hub"
SIGN_IN, SIGN_OUT = "Sign in with Hugging Face", "Sign out ({})"
SIGN_IN_WHY = (
    "For gated models and private ones of yours. Your token stays in this app's memory for as "
    "long as you are signed in; it is never written down."
)
SIGN_IN_NEXT = (
    "Check the id; for a private or gated model, accept its conditions on the Hub and sign in here."
)
HITS_DOWNLOADS, HITS_GATED, NO_TASK = "downloads", "gated: needs a login", "no task named"
UPLOAD = "Or files of your own"
UPLOAD_HINT = (
    "A ZIP of a model's folder, or an .onnx file; for texts choose its tokenizer.json with it, "
    "and the file of its weights where it has one."
)
NOTHING_CHOSEN = "pick one, write the id of one, or give its files"
LOOKING = "Looking at the model\u2026 its description only, no weights."
NO_MODEL = "Pick a model, or write the id of one and press \u201cLook at it\u201d."
NO_LICENCE = "not stated"
STARTS = "Holds ONNX already"
STARTS_HINT = "to start from it, write its name in the box above"
ALL_HERE = "nothing, it is here already"
FOLDERS_NOT_HERE = "Folders cannot be opened in the hosted app; give an id on the Hub."

# ------------------------------------------------------------------ 2 Device and feel
DEVICE_TITLE = "Where must it run, and how fast must it feel?"
DEVICE_LEAD = (
    "You need not know the chip. Pick the nearest thing; the next steps say what it can do."
)
GROUP, DEVICE = "Kind of device", "Which one"
USE = "What is it for?"
ONE_ANSWER, FIRST_TOKEN, FURTHER_TOKEN = "One answer", "First token", "Each further token"
EACH_TIME = "Time for each further token (milliseconds)"
EACH_TIME_HINT = "Of models that write; the time above is then that of the first token."
LATENCY = "Time for one answer (milliseconds)"
LATENCY_HINT = "The longest you can accept. Set by the use above; write your own if you like."
PERCENTILE = "How strictly is that meant?"
PERCENTILES = (
    ("Typically\nHalf of all answers are at least this fast", 50),
    ("Nearly always\n95 of 100 answers are at least this fast", 95),
)
TOKENS = "Length of one input (tokens)"
TOKENS_HINT = "A token is about three quarters of an English word."
LIMITS = "Limits on size and memory (optional)"
SIZE = "Largest file (MB)"
SIZE_HINT = "What a visitor downloads or a shop allows. Empty: no limit."
MEMORY = "Most memory (MB)"
MEMORY_HINT = "What the program may use at its peak. Empty: no limit."
PRIORITY = "If several do the job, which is best?"
PRIORITIES = (
    ("The fastest\nLeast time for one answer", "fastest"),
    ("The smallest\nLeast to store and to download", "smallest"),
    ("The safest\nLeast change in its answers", "safest"),
)
MINUTES = "Minutes the run may take"
MINUTES_HINT = "When they are spent, the best so far is delivered."
IMPROVE = "When the contract is kept"
IMPROVES = (("Go on while a recipe may do better", True), ("Stop there", False))


class Use(NamedTuple):
    """A way of using a model and how long an answer may take, in milliseconds (None: own)."""

    id: str
    title: str
    why: str
    latency_ms: float | None


# Milliseconds: one frame at 30 a second; Card, Moran and Newell's 100 ms and 1 s; turn-taking gap.
USES = (
    Use("camera", "Live camera", "30 pictures a second: 33 ms", 33.0),
    Use("typing", "While typing", "Seems instant: 50 to 100 ms", 100.0),
    Use("talking", "Conversation", "A natural pause: 300 ms", 300.0),
    Use("once", "Now and then", "One click, one answer: 1 s", 1000.0),
    Use("background", "In the background", "Nobody waits: 5 s", 5000.0),
    Use("own", "My own number", "Write it below", None),
)
OWN = "own"

# ------------------------------------------------------------------ 3 Quality
QUALITY_TITLE = "How wrong may it be?"
QUALITY_LEAD = "A compressed model answers a little differently. Say how much worse is still good."
TOLERANCE = "At most this much worse than the original"
TOLERANCES = (
    ("Strict\nHalf a point", "0.5"),
    ("Normal\nOne point", "1"),
    ("Loose\nThree points", "3"),
    ("My own\nWrite it below", OWN),
)
POINTS = "Points you can give up"
POINTS_HINT = "One point is 1 answer in 100."
DATA = "Judged on which examples?"
DATA_BUNDLED, DATA_PASTED, DATA_FILE, DATA_HUB = "bundled", "pasted", "file", "hub"
DATA_CHOICES = (
    ("The bundled ones\nNothing to prepare", DATA_BUNDLED),
    ("Some I paste\nA line each, 20 or more", DATA_PASTED),
    ("A file of mine\nCSV, JSON lines, Parquet, ZIP of pictures or sounds", DATA_FILE),
    ("From the Hub\nThe first rows of a data set", DATA_HUB),
)
PASTED = "Your examples"
PASTED_HINT = "First line text,label; then one example a line. Without labels, one text a line."
PASTED_PLACEHOLDER = "text,label\nturn the lamp off,lights_off\nplay some jazz,play_music"
FILE = "Your file"
SET, SET_HINT, SET_PLACEHOLDER = "Data set", "Its id on the Hugging Face Hub.", "owner/name"
CONFIG, CONFIG_HINT = "Configuration", "Empty: the only one, or the default."
SPLIT, SPLIT_HINT = "Split", "Empty: validation, else test."
COLUMNS = "Columns, where we guess wrong"
COLUMNS_HINT = "What is read, then your column's name. Empty: guessed by name, and shown."
COLUMNS_PLACEHOLDER = "text=utterance, label=intent"
NO_SET = "write the id of a data set, such as owner/name"
FIRST_ROWS = "The first of them"
CHECK = "Check these examples"
NO_EXAMPLES = "the box is empty; paste at least 20 lines"
NO_FILE = "no file was chosen yet"
NEVER_OVERLAP = "The examples a technique learns from are never among those it is judged on."

# ------------------------------------------------------------------ 4 Plan
PLAN_TITLE = "This is what we would try"
PLAN_LEAD = (
    "In this order. Everything is measured against the original; expected figures are ranges."
)
FIRST_CHOICE = "Recommended"
TRIED_FIRST = "Tried first"  # where nothing is expected to keep the contract
WHY, WATCH = "Why", "Watch out"
WHY_NOT = "Why not the others"
EVERY_RULE = "Every rule we know, and what became of it"
RULE_OUTCOMES = (
    ("fired", "Spoke"),
    ("lost", "Spoke, and was overruled"),
    ("blocked", "Stayed silent (nearest first)"),
)
TRACK_RECORD = "On our samples:"
CHANGE = "What would change this plan"
COMMAND = "The same in a terminal"
JOB_COST = "What the run costs here"
DRY_RUN = "Try size and speed first, without its weights"
DRY_RUN_TITLE = "Size and speed, tried on random weights"
DRY_RUN_MEANS = (
    "The architecture was built from its config alone and nothing else was downloaded. Size and "
    "speed do not hang on what the weights are; quality does, so only the run can tell it."
)
NOT_MEASURED = "not measured"
OFFERS = "This looks out of reach. Easier would be:"
ACCEPT = "Accept: "
SIBLINGS = "Before anything is compressed: a smaller published model may do"
SIBLING_TRUTH = "It is measured by the same contract on the same examples, and may win or not."
SIBLING_TAKE = "Measure it too: "
SIBLING_LEAVE = "Leave it out again: "
SIBLING_TAKEN = "will be measured too, by the same contract on the same examples."
MEASURED_OFFERS = "What would do, as measured; accepting measures nothing anew:"
AS_TABLE = "These figures as a table, with their intervals"
FIRST_ASKED = "You first asked:"
EXPERT = "For experts: try one technique only"
ALL_OF_THEM = "All of them, best first"

# ------------------------------------------------------------------ 5 Run
RUN_TITLE = "The run, step by step"
RUN_LEAD = "You can close this page; the run goes on, and the link below leads back to it."
LINK = "Link to this run"
LINK_HINT = "Whoever has the link can see this run, and cancel it."
FOUND = "Found so far"
NOTHING_FOUND = "Nothing measured yet. The original is measured first, for comparison."
STATES = {
    "done": "done",
    "now": "in progress",
    "todo": "waiting",
    "failed": "gave nothing",
    "stopped": "stopped",
}
BUSY_NEXT = "Wait until it ends, or stop your own run on its page; then press the button again."
WAITING = "Waiting for a free place"
GONE_TITLE = "This run was interrupted"

# ------------------------------------------------------------------ 6 Result
VERDICT = "Your contract"
BEFORE_AFTER = "Before and after"
CHANGED = "Which answers changed"
WHO_PAYS = "Who pays"
FLIPS_HINT = "Each heading has a menu to sort and to filter. Sure is in per cent."
DAMAGE = "Where the damage is"
TRIED = "What was tried"
TRY = "Try both models"
TRY_BUTTON = "Compare"
TRY_EMPTY = "write something first"
TRY_PICTURE_HINT = "The same one goes through the original and the compressed model."
TRY_PICTURE = "A picture of yours"
TRY_FILES = {
    "pictures": TRY_PICTURE,
    "sound": "A recording of yours",
    "texts": "A text of yours",
}
TRY_LABELS_HINT = "Press Enter to try them. Left empty, they are those of the examples."
LABELS_TYPED = 2_000  # letters
AS_LABELLED = "As it is labelled"
TRY_EXAMPLE = "Take one of the examples"
HISTORY = "Your other runs"
RUN_COLUMNS = ("Began (UTC)", "Model", "Device", "Result")
RUN_STATES = {"waiting": "Waiting for its turn.", "running": "Running."}
TAKE = "Take it with you"
TAKE_HINT = (
    "The bundle holds the model, a runnable example, a check for your device and the report."
)
BUNDLE, REPORT, RECIPE = "The bundle (ZIP)", "The report (one page)", "The recipe (JSON)"
ANOTHER = "Compress another model"
MEASURED_HOW = "How this was measured"
NEAREST_MISS = "This bundle misses your contract; it is the nearest we found, and says so itself."

# ------------------------------------------------------------------ rail
CHOICES = "Your choices"
NOT_SET = "Not set"
RAIL = ("Model", "Device", "One answer in", "Quality", "Examples", "Best is")
RAIL_LIMITS = "Also at most"
RAIL_LIMIT = {
    "token": "{ms} a token",
    "size": "{at_most:g}\u00a0MB of file",
    "memory": "{at_most:g}\u00a0MB of memory",
}
