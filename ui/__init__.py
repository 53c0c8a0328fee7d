"""What all pages share: frame, state, parts, words, colours, charts. Knows Streamlit; knows no torch and no SQL."""
