"""The names that columns of text and of labels usually have."""

from __future__ import annotations

# fmt: off
TEXT_NAMES = (
    "text", "sentence", "message", "review", "comment", "tweet", "content", "body", "utterance", "question",
    "document", "post", "query", "description", "title", "headline", "abstract", "summary", "note",
    "feedback", "complaint", "email", "sms", "prompt", "input", "answer", "phrase",
)
LABEL_NAMES = (
    "label", "labels", "class", "classes", "category", "categories", "intent", "target", "sentiment", "topic",
    "tag", "tags", "emotion", "polarity", "annotation", "rating", "stars", "grade", "spam", "y", "topics", "genre",
    "genres", "emotions",
)
# fmt: on
# "spam" and "y" are values as often as they are names.
HEADER_NAMES = frozenset((*TEXT_NAMES, *LABEL_NAMES, "id", "index", "idx", "name", "date", "split")) - {
    "spam",
    "y",
}
