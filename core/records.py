"""The nouns that everything passes around: frozen dataclasses, no behaviour beyond derived figures.

Axis glossary, used in every docstring of the project:
    N texts, T tokens, C classes, L layers, H heads.
Times are Unix seconds (UTC, float), durations seconds, memory bytes unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

# --------------------------------------------------------------------------- data


class Part(StrEnum):
    """What a row is used for. Rows without text or label belong to no part (`None`)."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True)
class Reading:
    """How a file is, or was, turned into a table. What does not apply to a format is None."""

    format: str  # csv | excel | parquet | json | jsonl
    encoding: str | None = None  # a Python codec name
    delimiter: str | None = None  # one character
    quoting: bool | None = None  # False: quote characters are ordinary text
    header: bool | None = None  # False: the first line is data; columns are named column 1, 2, ...
    sheet: str | None = None
    sheets: tuple[str, ...] = ()  # the sheets to choose from


@dataclass(frozen=True)
class Dataset:
    """A data set as the store knows it; its texts lie beside, in Arrow files."""

    id: str
    name: str
    created_at: float
    columns: tuple[str, ...]  # the original header, to the letter (duplicate names included)
    text_column: int
    label_column: int | None
    rows: int
    without_text: int
    without_label: int
    duplicates: int  # rows whose normalised text stood in an earlier row
    labels: dict[str, int]  # class name -> rows that carry it, most frequent first
    parts: dict[str, int]  # Part -> rows
    fingerprint: str  # SHA-256 over texts, labels and parts in order
    source: dict[str, Any] = field(default_factory=dict)  # file or Hub name, Reading, notes, label separator

    @property
    def separator(self) -> str | None:
        """What stands between the labels of one text; None: each text has one label."""
        found = self.source.get("label_separator")
        return str(found) if found else None

    @property
    def labelled(self) -> int:
        """Rows that belong to a part: they have both a text and a label."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class Row:
    """One text with its stable identity: data set id + row number, and a hash of its content."""

    row: int  # position in the original file, from 0
    text: str | None
    label: str | None
    part: str | None
    text_hash: str  # SHA-256 of the text, 16 hex digits
    original: tuple[str | None, ...] = ()  # every original column


# --------------------------------------------------------------------------- figures


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassScore:
    label: str
    support: int  # texts of this class in the evaluated part
    predicted: int  # texts the model put into this class
    precision: float
    recall: float
    f1: float
    recall_low: float  # Wilson 95 %
    recall_high: float


@dataclass(frozen=True)
class Scores:
    """How a model did on one set of labelled texts."""

    n: int
    accuracy: Interval  # Wilson score interval
    macro_f1: Interval  # percentile bootstrap over texts
    per_class: tuple[ClassScore, ...]
    confusion: tuple[
        tuple[int, ...], ...
    ]  # (C, C): true class by row, predicted by column; () for several labels
    labels: tuple[str, ...]  # the order of both axes
    micro_f1: Interval | None = None  # only where a text may have several labels

    @property
    def several(self) -> bool:
        """A text may have several labels: `accuracy` is then the share of texts whose labels are all right."""
        return self.micro_f1 is not None

    def brief(self) -> dict[str, float]:
        figures = {"accuracy": self.accuracy.value, "macro_f1": self.macro_f1.value}
        return figures if self.micro_f1 is None else figures | {"micro_f1": self.micro_f1.value}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Scores:
        return Scores(
            n=data["n"],
            accuracy=Interval(**data["accuracy"]),
            macro_f1=Interval(**data["macro_f1"]),
            per_class=tuple(ClassScore(**c) for c in data["per_class"]),
            confusion=tuple(tuple(r) for r in data["confusion"]),
            labels=tuple(data["labels"]),
            micro_f1=None if data.get("micro_f1") is None else Interval(**data["micro_f1"]),
        )


# --------------------------------------------------------------------------- jobs, runs, models


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"  # a stop was asked for; the worker has not answered yet
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # the worker vanished: killed, out of memory, machine off

    @property
    def ended(self) -> bool:
        return self in ENDED

    @property
    def active(self) -> bool:
        return self in (JobState.RUNNING, JobState.STOPPING)


ENDED = frozenset({JobState.FINISHED, JobState.STOPPED, JobState.FAILED, JobState.INTERRUPTED})


@dataclass(frozen=True)
class Job:
    """A piece of long work. The row is the only thing that page, command line and worker share."""

    id: str
    kind: str  # "train" | "classify" | ...
    state: JobState
    reason: str  # in words, for the user
    payload: dict[str, Any]
    result: dict[str, Any] | None
    created_at: float
    started_at: float | None
    ended_at: float | None
    heartbeat_at: float | None
    ahead: int = 0  # queued: how many of its kind run or wait before it


@dataclass(frozen=True)
class Run:
    """A training run: its recipe, its data and what came of it. Its state is its job's."""

    id: str
    name: str
    job_id: str
    dataset_id: str | None  # None once the data set was deleted
    dataset_name: str
    base_model: str
    recipe: dict[str, Any]
    created_at: float
    state: JobState
    reason: str
    model_id: str | None
    validation: Scores | None
    test: Scores | None
    test_source: str | None  # "file": the user's own test file; "part": the held-out part
    test_looks: int  # how often the test figures were asked for
    summary: dict[str, Any]  # seconds, texts_per_second, device, precision, best_step, ...


@dataclass(frozen=True)
class Model:
    """A trained model: a plain Hugging Face folder."""

    id: str
    name: str
    run_id: str | None
    folder: str
    base_model: str
    labels: tuple[str, ...]  # class index -> name
    created_at: float
    info: dict[str, Any] = field(default_factory=dict)


# --------------------------------------------------------------------------- before a run


@dataclass(frozen=True)
class Preflight:
    """What a few seconds of real steps on this machine tell about a run before it starts."""

    device: str  # in words: "CPU, 2 threads"
    precision: str  # "fp32" | "bf16" | "fp16"
    precision_note: str  # how it was chosen, a sentence
    method: str  # "quick" | "full" | "few" | "lora"
    method_note: str  # why, a sentence
    parameters: int  # of encoder and head
    trainable: int
    train_texts: int
    validation_texts: int
    classes: int
    max_length: int  # tokens per text in training
    longer: Interval  # share of training texts with more tokens than that: cut, or read in windows
    windows: bool  # long texts are read in windows
    steps: int  # optimizer steps; 0 where only a head is fitted
    evaluations: int  # passes over the validation part
    accumulation: int  # parts that a batch has to be computed in
    texts_per_second: float  # in training (the quick method: in reading them)
    seconds: float  # of the whole run, evaluation and baselines included
    seconds_low: float
    seconds_high: float
    memory_needed: int  # bytes, beyond what the process takes before it begins
    memory_free: int  # bytes, of this machine or its graphics card
    fits: bool
    below_five: dict[str, int]  # class name -> training texts, where there are fewer than five
    below_twenty: dict[str, int]  # the same for five to nineteen
    advice: tuple[str, ...] = ()  # what to change, sentences

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Preflight:
        return Preflight(**data | {"longer": Interval(**data["longer"]), "advice": tuple(data["advice"])})


# --------------------------------------------------------------------------- training events


@dataclass(frozen=True)
class Event:
    """What happened in a training run. `kind` names the class in the store."""

    kind: ClassVar[str] = "event"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Note(Event):
    """A sentence for the user: what is being prepared, what was decided and why."""

    kind: ClassVar[str] = "note"
    message: str


@dataclass(frozen=True)
class Started(Event):
    kind: ClassVar[str] = "started"
    device: str  # in words: "CPU, 2 threads", "NVIDIA H100"
    precision: str  # "fp32" | "bf16" | "fp16"
    parameters: int
    trainable: int
    train_texts: int
    validation_texts: int
    cut_texts: int  # training texts longer than the maximum length
    epochs: float
    steps: int  # optimizer steps in all
    method: str = "full"  # what “auto” chose: "quick" | "full" | "few" | "lora"
    resumed_from: int = 0  # the optimizer step of the checkpoint that the run goes on from; 0: none


@dataclass(frozen=True)
class FirstBatch(Event):
    """The first batch as the model sees it: decoded, special tokens included."""

    kind: ClassVar[str] = "first_batch"
    texts: tuple[str, ...]  # some of its texts, decoded from token numbers
    labels: tuple[str, ...]  # their classes; several of one text are joined by ", "
    batch: int  # texts in the batch
    width: int  # tokens per text, padding included
    padding: float  # share of the batch that is padding, 0 to 1


@dataclass(frozen=True)
class Step(Event):
    """After one optimizer step."""

    kind: ClassVar[str] = "step"
    step: int
    epoch: float  # fraction of epochs done
    loss: float  # mean over the batch, nats
    learning_rate: float
    gradient_norm: float  # before clipping
    texts: int  # texts seen since the start
    texts_per_second: float  # over the last seconds, evaluation left out
    memory: int  # bytes: resident on CPU, allocated peak on GPU
    elapsed: float  # seconds since training started, evaluation included
    remaining: float  # estimated seconds to the end
    device_use: float | None = None  # share of the GPU's time that is used, 0 to 1; None: not known


@dataclass(frozen=True)
class Evaluated(Event):
    """After a pass over the validation part."""

    kind: ClassVar[str] = "evaluated"
    step: int
    epoch: float
    loss: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    macro_f1: float
    best: bool  # the best macro-F1 so far: this state is kept
    elapsed: float
    macro_f1_low: float | None = None  # percentile bootstrap, 95 %
    macro_f1_high: float | None = None
    # per class, in the order of the labels: (texts, right now, newly right, newly wrong since the last look)
    classes: tuple[tuple[int, int, int, int], ...] = ()


@dataclass(frozen=True)
class Checkpointed(Event):
    """A checkpoint is complete on the disk: from here a killed run goes on."""

    kind: ClassVar[str] = "checkpointed"
    step: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Rung(Event):
    """One line of the baseline ladder: a simple method on the same texts, measured on the validation part."""

    kind: ClassVar[str] = "rung"
    name: str  # "majority" | "tfidf" | "quick" | "full" | "few" | "lora"
    accuracy: Interval
    macro_f1: Interval
    seconds: float  # to learn and to measure
    kept: bool = False  # this is the model that the run kept
    note: str = ""  # what the method is, a sentence


@dataclass(frozen=True)
class Progress(Event):
    """How far long work other than training has come."""

    kind: ClassVar[str] = "progress"
    done: int
    total: int
    texts_per_second: float
    elapsed: float
    remaining: float


@dataclass(frozen=True)
class Measured(Event):
    """A figure on the way of a study, for a curve that grows while one looks."""

    kind: ClassVar[str] = "measured"
    name: str  # of the curve
    step: int
    value: float
    low: float  # 95 %
    high: float
    seconds: float  # of work on this curve so far


@dataclass(frozen=True)
class Finished(Event):
    """The last event: the model folder is complete."""

    kind: ClassVar[str] = "finished"
    folder: str
    step: int
    best_step: int
    reason: str  # why training ended, a sentence
    stopped: bool  # True: the user asked for the end
    seconds: float
    texts_per_second: float  # over the whole run, evaluation left out
    device: str
    precision: str
    method: str = "full"  # the method whose model is kept
    # measured before the kept model learnt from the validation texts as well (Scores as JSON); None: it did not
    validation: dict[str, Any] | None = None


EVENT_KINDS: dict[str, type[Event]] = {
    cls.kind: cls
    for cls in (Note, Started, FirstBatch, Step, Evaluated, Checkpointed, Rung, Progress, Measured, Finished)
}


def event_from_json(kind: str, data: dict[str, Any]) -> Event:
    """The event that `to_json` was called on; what JSON knows only as lists and objects takes its type again."""
    if kind == Rung.kind:
        data = data | {name: Interval(**data[name]) for name in ("accuracy", "macro_f1")}
    return EVENT_KINDS[kind](**{name: _tuples(value) for name, value in data.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


# --------------------------------------------------------------------------- attention


@dataclass(frozen=True)
class Side:
    """The tokens along one side of an attention map: those that read (rows), or those that are read (columns)."""

    tokens: tuple[str, ...]  # as the tokenizer names them
    segments: tuple[int, ...]  # 0 for the first text, 1 for the second
    special: tuple[bool, ...]  # True for [CLS], [SEP] and their kin
    words: tuple[int, ...] = ()  # the word each token is part of, from 0; -1: special; (): not known

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class AttentionMap:
    """A model's own attention for one text (or pair), read with eager attention.

    In an encoder or a decoder the T tokens that read are those that are read. In an encoder-decoder's cross
    attention the target's T tokens read the source's S: `columns` then names those.
    """

    tokens: tuple[str, ...]  # T token strings as the tokenizer names them
    weights: (
        Any  # (L, H, T, T) float32 numpy array, (L, H, T, S) across; [l, h, i, j]: from token i to token j
    )
    segments: tuple[int, ...]  # T: 0 for the first text, 1 for the second
    special: tuple[bool, ...]  # T: True for [CLS], [SEP] and their kin
    model_name: str
    cut: int = 0  # tokens that did not fit the model's length
    averaging: int | None = (
        None  # the layer, from 0, that only averages all states (core.models.pooling); None: none
    )
    words: tuple[int, ...] = ()  # T: the word each token is part of, from 0; -1: special; (): not known
    kind: str = "self"  # "self": an encoder's or a decoder-only model's | "decoder" | "cross"
    causal: bool = False  # a token reads itself and what stands before it, never what follows
    columns: Side | None = None  # S tokens that are read; None: the same as the rows

    @property
    def row_side(self) -> Side:
        return Side(self.tokens, self.segments, self.special, self.words)

    @property
    def column_side(self) -> Side:
        return self.columns or self.row_side

    @property
    def row_tokens(self) -> tuple[str, ...]:
        return self.tokens

    @property
    def column_tokens(self) -> tuple[str, ...]:
        return self.column_side.tokens
