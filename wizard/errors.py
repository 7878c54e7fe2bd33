"""Everything that can go wrong, as one tree with stable codes.

    WizardError                      the user gets one sentence (presets/failures.toml) and exit 2
    +-- BadInput                     what came through a door cannot be used
    |   +-- ModelNotFound, NotAModelFolder, WeightsDamaged, PickleOnly, RemoteCode
    |   +-- UnknownArchitecture, UnsupportedTask, UnknownName, BadNeeds
    |   +-- UploadRefused, DatasetUnusable
    |   +-- HubUnreachable, HubBusy, RepoNotFound, RepoGated, DownloadDamaged, TooLarge
    |   +-- DataUnreadable, DataEmpty, ColumnMissing, LabelsUnknown, LabelsAreNumbers,
    |   +-- TooFewRows, DataOverlap
    |   +-- NotComparable, NoWritePermission, OutputNotEmpty, BundleDamaged
    +-- NotSupported                 a strategy cannot run here; the reason is for the user
    +-- PromiseBroken                a strategy ran and its file does not keep its promise
    +-- OutOfRoom                    memory, disk, time or a free place in the queue is missing
    |   +-- DiskFull, MemoryFull, TimeUp, QueueFull, PortTaken, DownloadTooSlow
    +-- JobNotFound, Cancelled, Interrupted
    +-- Unexpected                   a mistake of ours; exit 1
    +-- PresetBroken                 a file under presets/ is wrong: our bug, found at start-up
    +-- WorkerFailed                 a measuring process died; the log is kept
    +-- CannotCompare                a comparison would mean nothing; the reason is for the user

Covers: classes, codes, facts. Does not cover: sentences; those live in presets/failures.toml.
"""

from __future__ import annotations


class WizardError(Exception):
    """Something the user can understand and act on. `facts` fill the sentence's blanks."""

    code = "wizard-error"

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(f"{self.code}: {facts}" if facts else self.code)


class BadInput(WizardError):
    """What came through a door cannot be used; nothing was written."""

    code = "bad-input"


class ModelNotFound(BadInput):
    """The folder or sample does not exist. Facts: model, suggestion."""

    code = "model-not-found"


class NotAModelFolder(BadInput):
    """The folder holds no config.json. Facts: model."""

    code = "not-a-model-folder"


class ConfigUnreadable(BadInput):
    """config.json is not JSON or lacks what every model has. Facts: model, because."""

    code = "config-unreadable"


class WeightsDamaged(BadInput):
    """A safetensors file is truncated or corrupt. Facts: file, because."""

    code = "weights-damaged"


class WeightsMissing(BadInput):
    """There are no weights at all. Facts: model."""

    code = "weights-missing"


class PickleOnly(BadInput):
    """Only pickled weights (pytorch_model.bin) are there; we never open pickles. Facts: model."""

    code = "pickle-only"


class RemoteCode(BadInput):
    """The config asks to run Python code from the repository. Facts: model."""

    code = "remote-code"


class UnknownArchitecture(BadInput):
    """transformers does not know this architecture. Facts: architecture, because."""

    code = "unknown-architecture"


class UnsupportedTask(BadInput):
    """A task we do not do yet. Facts: task, supported."""

    code = "unsupported-task"


class UnknownName(BadInput):
    """A misspelt device, strategy, rule, sample. Facts: kind, name, suggestion, known."""

    code = "unknown-name"


class BadNeeds(BadInput):
    """A budget that makes no sense. Facts: name, value, because."""

    code = "bad-needs"


class HubUnreachable(BadInput):
    """The Hub did not answer. Facts: model, because."""

    code = "hub-unreachable"


class UploadRefused(BadInput):
    """A file of a stranger that is not opened, or not taken as a model. Facts: file, because."""

    code = "upload-refused"


class DatasetUnusable(BadInput):
    """A data set of the Hub that cannot be read as examples. Facts: name, because."""

    code = "dataset-unusable"


class HubBusy(BadInput):
    """The Hub asks for more patience than we have. Facts: seconds."""

    code = "hub-busy"


class DownloadDamaged(BadInput):
    """What came is not what was announced; it was thrown away. Facts: file, because."""

    code = "download-damaged"


class TooLarge(BadInput):
    """More than is taken in here. Facts: what, has, allowed."""

    code = "too-large"


class RepoNotFound(BadInput):
    """No such repository or revision on the Hub. Facts: model, suggestion."""

    code = "repo-not-found"


class RepoGated(BadInput):
    """The repository wants a token or an accepted licence. Facts: model."""

    code = "repo-gated"


class DataNotFound(BadInput):
    """The data file does not exist. Facts: path."""

    code = "data-not-found"


class DataUnreadable(BadInput):
    """The data file is not text in a form we read. Facts: path, because."""

    code = "data-unreadable"


class DataEmpty(BadInput):
    """The data file holds no rows. Facts: path."""

    code = "data-empty"


class ColumnMissing(BadInput):
    """No column of the expected name. Facts: path, column, columns."""

    code = "column-missing"


class ColumnNotThere(BadInput):
    """The column that the user named is not in the data. Facts: path, column, columns."""

    code = "column-not-there"


class ColumnRoleUnknown(BadInput):
    """A column was named for something that the task does not read. Facts: path, role, roles."""

    code = "column-role-unknown"


class LabelsUnknown(BadInput):
    """Labels in the data that the model does not have. Facts: labels, known."""

    code = "labels-unknown"


class LabelsAreNumbers(BadInput):
    """Numbers where the model has names; they may be positions. Facts: labels, first."""

    code = "labels-are-numbers"


class TooFewRows(BadInput):
    """Fewer rows than a comparison needs. Facts: rows, needed."""

    code = "too-few-rows"


class DataOverlap(BadInput):
    """Test rows also stand in the calibration set. Facts: rows."""

    code = "data-overlap"


class DataNotForTask(BadInput):
    """The data does not fit the model's task. Facts: path, task, needed."""

    code = "data-not-for-task"


class NotComparable(BadInput):
    """Two models that do not answer the same question. Facts: because."""

    code = "not-comparable"


class NoWritePermission(BadInput):
    """The output folder cannot be written. Facts: path."""

    code = "no-write-permission"


class OutputNotEmpty(BadInput):
    """The output folder already holds something. Facts: path."""

    code = "output-not-empty"


class BundleDamaged(BadInput):
    """A bundle whose files do not match its manifest. Facts: path, because."""

    code = "bundle-damaged"


class NotSupported(WizardError):
    """A strategy cannot run on this artifact or device. Facts: strategy, because."""

    code = "not-supported"


class PromiseBroken(WizardError):
    """A strategy's file does not keep its promise. Facts: strategy, promised, found."""

    code = "promise-broken"


class ExportFailed(WizardError):
    """PyTorch could not export the model, or the export does not agree. Facts: model, because."""

    code = "export-failed"


class CalibrationTooSmall(WizardError):
    """Fewer samples than the method needs. Facts: rows, needed."""

    code = "calibration-too-small"


class OutOfRoom(WizardError):
    """Something this machine has too little of. Facts: needed, free."""

    code = "out-of-room"


class DiskFull(OutOfRoom):
    """Not enough free disk. Facts: path, needed_mb, free_mb."""

    code = "disk-full"


class MemoryFull(OutOfRoom):
    """Not enough memory. Facts: needed_mb, free_mb."""

    code = "memory-full"


class TimeUp(OutOfRoom):
    """The minutes allowed are spent. Facts: minutes."""

    code = "time-up"


class QueueFull(OutOfRoom):
    """Too many jobs are waiting, or this visitor already has one. Facts: waiting, hint."""

    code = "queue-full"


class PortTaken(OutOfRoom):
    """Another program listens on that port. Facts: port."""

    code = "port-taken"


class DownloadTooSlow(OutOfRoom):
    """A download would outlast the minutes allowed. Facts: kilobytes, left, minutes."""

    code = "download-too-slow"


class JobNotFound(WizardError):
    """No job of that id. Facts: job."""

    code = "job-not-found"


class JobOfAnotherVersion(JobNotFound):
    """A job whose files an earlier or a later wizard wrote. Facts: job."""

    code = "job-of-another-version"


class Cancelled(WizardError):
    """The user cancelled the job."""

    code = "cancelled"


class Interrupted(WizardError):
    """The job's process died without a last word (killed, or the machine restarted)."""

    code = "interrupted"


class Unexpected(WizardError):
    """A mistake of ours: not the user's. Facts: because."""

    code = "unexpected"


class WorkerFailed(WizardError):
    """A measuring process died or hung. Facts: what, because."""

    code = "worker-failed"


class CannotCompare(WizardError):
    """A comparison would mean nothing: other files, other rows. Facts: because."""

    code = "cannot-compare"


class PresetBroken(WizardError):
    """A file under presets/ is wrong. Facts: file, because."""

    code = "preset-broken"
