"""The methods that score words, by name, with what a reader should know of each. Knows words, no arithmetic."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    name: str
    label: str  # plain words
    what: str  # what its scores mean, a sentence
    source: str  # short
    signed: bool = True  # scores are for or against; False: only how much


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "ig",
            "Integrated gradients",
            "What each word adds on the way from a text of blanks to this text; the scores add up to the difference.",
            "Sundararajan et al. 2017",
        ),
        Method(
            "gradient",
            "Gradient × input",
            "How the answer would begin to change if a word's meaning became a little weaker.",
            "Shrikumar et al. 2017",
        ),
        Method(
            "occlusion",
            "Leave one out (masked)",
            "How far the answer falls when this one word is blanked.",
            "Zeiler & Fergus 2014; Li et al. 2016",
        ),
        Method(
            "removal",
            "Leave one out (removed)",
            "How far the answer falls when this one word is taken out of the text.",
            "Li et al. 2016",
        ),
        Method(
            "lime",
            "LIME",
            "The word's weight in a simple linear model of the answers to texts with some of the words blanked.",
            "Ribeiro et al. 2016",
        ),
        Method(
            "shap",
            "Kernel SHAP",
            "The word's mean effect over all the orders in which the words might come in.",
            "Lundberg & Lee 2017",
        ),
        Method(
            "attention",
            "Attention (rollout)",
            "How much of the word reaches the place that is classified, by attention alone: how much, not for or against.",
            "Abnar & Zuidema 2020; Jain & Wallace 2019",
            signed=False,
        ),
    )
}
