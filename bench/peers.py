"""What we measure ourselves against: transformers' Trainer, and TF-IDF with logistic regression.

    python -m bench.peers --job FILE     one Trainer run in a process of its own (for bench.accuracy)

The Trainer at its best computes in bf16 and groups texts of like length. Tokens are made beforehand, once, and cut
where Finesift cuts them; texts are plain dicts, which its loader reads faster than rows of a `datasets.Dataset`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def tokens(folder: Path, texts: Sequence[str], max_length: int = 0) -> tuple[Any, list[dict[str, Any]]]:
    """The tokenizer, and for each text the inputs of the model, not padded. `max_length` 0: what Finesift would
    take for these texts.
    """
    from transformers import AutoTokenizer

    from core.models.loading import load_tokenizer
    from core.training.recipe import automatic_length

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    tokenizer.model_max_length = load_tokenizer(folder).model_max_length
    if not max_length:
        import numpy as np

        whole = tokenizer(list(texts), truncation=False)["input_ids"]
        lengths = np.asarray([len(row) for row in whole])
        max_length = automatic_length(lengths, tokenizer.model_max_length)
    encoded = tokenizer(list(texts), truncation=True, max_length=max_length)
    return tokenizer, [{name: encoded[name][at] for name in encoded} for at in range(len(texts))]


def classifier(folder: Path, classes: int) -> Any:
    """The usual start of a fine-tuning script: the encoder with a new head, its dropout as it came."""
    from transformers import AutoModelForSequenceClassification

    from core.models.loading import quiet

    with quiet():
        return AutoModelForSequenceClassification.from_pretrained(str(folder), num_labels=classes)


def trainer(
    model: Any,
    tokenizer: Any,
    items: Sequence[dict[str, Any]],
    output: Path,
    *,
    best: bool,
    batch: int,
    device: str,
    callbacks: Sequence[Any] = (),
    **arguments: Any,
) -> Any:
    """A Trainer on tokenised texts with their `labels`. Its defaults but for the batch, padding to the longest of
    a batch; `best`: bf16 and texts of like length together as well. Nothing is measured or saved on the way.
    """
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    if best:
        arguments |= {"bf16": True, "train_sampling_strategy": "group_by_length"}
    return Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(output),
            per_device_train_batch_size=batch,
            use_cpu=device == "cpu",
            dataloader_pin_memory=device != "cpu",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **arguments,
        ),
        train_dataset=list(items),
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=list(callbacks),
    )


def trainer_run(job: dict[str, Any]) -> dict[str, Any]:
    """Three epochs (or `epochs`) at 5e-5 by the Trainer at its best. `job`: model, train and test ((text, label)
    rows), spawned (time.time() when this process was started), output. Returns the seconds from then until it has
    learnt, and the true and the predicted class of each test text (in an order of the Trainer's own: it groups
    what it predicts by length too).
    """
    begun = time.time()
    names = sorted({label for _, label in [*job["train"], *job["test"]]})
    tokenizer, items = tokens(Path(job["model"]), [text for text, _ in job["train"]])
    _, held = tokens(Path(job["model"]), [text for text, _ in job["test"]], tokenizer.model_max_length)
    for part, rows in ((items, job["train"]), (held, job["test"])):
        for item, (_, label) in zip(part, rows, strict=True):
            item["labels"] = names.index(label)
    learner = trainer(
        classifier(Path(job["model"]), len(names)),
        tokenizer,
        items,
        Path(job["output"]),
        best=True,
        batch=32,
        device="cuda" if has_card() else "cpu",
        num_train_epochs=job.get("epochs", 3),
        learning_rate=5e-5,
    )
    learner.train()
    seconds = time.time() - job["spawned"]
    before_test = time.time()
    found = learner.predict(held)
    tested = time.time() - before_test
    return {
        "seconds": seconds,
        "learning": time.time() - begun - tested,
        "labels": names,
        "truth": found.label_ids.tolist(),
        "predicted": found.predictions.argmax(axis=1).tolist(),
    }


def tfidf_one_vs_rest(
    train: Sequence[str], truth: Any, test: Sequence[str], class_weight: str | None = None
) -> Any:
    """(M, C) bool from (N, C) bool: scikit-learn's TF-IDF and one logistic regression per label, at their
    defaults but for the weight of the classes.
    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(), OneVsRestClassifier(LogisticRegression(class_weight=class_weight))
    )
    return model.fit(list(train), np.asarray(truth, dtype=int)).predict(list(test)).astype(bool)


def has_card() -> bool:
    import torch

    return bool(torch.cuda.is_available())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", type=Path, required=True)
    print(json.dumps(trainer_run(json.loads(parser.parse_args().job.read_text("utf-8")))))
