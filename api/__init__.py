"""HTTP beside the screens: security headers and the REST routes. Knows Starlette and core, no Streamlit."""
