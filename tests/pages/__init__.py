import pytest

pytest.register_assert_rewrite(
    "tests.homes", "tests.pages.screen"
)  # their assertions tell as much as a test's
