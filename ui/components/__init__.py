"""Streamlit components of our own: each a folder with its html, css, js and one Python wrapper."""
