"""The app's colours, for what leaves the app. A test keeps them those of `ui.colors`, which core does not know."""

from __future__ import annotations

from typing import Any

SEQUENTIAL = {
    "light": ("#F3F8FB", "#DCEBF2", "#BFDBE7", "#9BC7D9", "#72B0C8", "#4A97B4", "#2B7E9D", "#146684", "#0B4E68", "#073649"),
    "dark": ("#182128", "#1B2E39", "#1D3D4C", "#1F4E62", "#216178", "#27768F", "#388CA6", "#58A4BB", "#86BFD1", "#BFDDE8"),
}  # fmt: skip
DIVERGING = {
    "light": ("#0B4E68", "#2B7E9D", "#72B0C8", "#BFDBE7", "#EEF3F5", "#F6EFE8", "#F3D3B5", "#E3A46B", "#C4701F", "#85460B"),
    "dark": ("#A6D5E6", "#58A4BB", "#2D7890", "#21495A", "#1F2A32", "#2A2724", "#573A20", "#94591D", "#CF8437", "#F4C592"),
}  # fmt: skip
HUES = {
    "light": ("#0068A8", "#C58400", "#00A07A", "#A03A78", "#4197D8", "#CF5200", "#5A5300", "#4A4F57"),
    "dark": ("#3F97DB", "#EFAA1A", "#1FBF93", "#C9699F", "#93D5FA", "#DE6420", "#F2E95C", "#D9DCE1"),
}
ACCENT = {"light": "#0B6A88", "dark": "#53B4D3"}
SECOND = {"light": "#B4530A", "dark": "#F0A35E"}
BACKGROUND = {"light": "#FFFFFF", "dark": "#14181D"}
_TEXT = {"light": "#1B2228", "dark": "#E6EAED"}

# as `Picture.pack` takes them
PALETTE: dict[str, dict[str, Any]] = {
    theme: {"inks": [ACCENT[theme], SECOND[theme]], "hues": HUES[theme], "diverging": DIVERGING[theme]}
    for theme in ("light", "dark")
}
# the variables of a page around the view
VARIABLES: dict[str, dict[str, str]] = {
    theme: {
        "--st-text-color": _TEXT[theme],
        "--st-background-color": BACKGROUND[theme],
        "--st-primary-color": ACCENT[theme],
        "--st-chart-sequential-colors": ",".join(SEQUENTIAL[theme]),
    }
    for theme in ("light", "dark")
}
