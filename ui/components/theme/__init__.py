"""Notices that the user switched between light and dark, and has the page drawn again.

Streamlit recolours its own parts at once, but colours that Python chose (of classes, of curves) stay until the
next run. The component shows nothing.
"""

from __future__ import annotations

import streamlit as st

_JS = """
const seen = new WeakMap()

export default function ({ parentElement, setStateValue }) {
  const host = parentElement.host ?? parentElement
  const look = () => {
    const now = getComputedStyle(host).getPropertyValue("--st-background-color").trim()
    const before = seen.get(parentElement)
    seen.set(parentElement, now)
    if (now && before !== undefined && before !== now) setStateValue("background", now)
  }
  requestAnimationFrame(look)
}
"""

_mount = st.components.v2.component("finesift_theme", html="<span hidden></span>", js=_JS)


def watch_theme() -> None:
    """Call once a run; a switch of the theme then causes another run."""
    _mount(key="theme_watch", on_background_change=lambda: None)
