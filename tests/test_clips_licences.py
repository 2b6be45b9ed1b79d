"""Exported weights say what may be done with them, whatever database they come from."""

import pytest

from data.databases import DATABASES, REAL, layout_of
from experiments.clips.exporting import LICENCES


def test_every_database_has_a_licence_note():
    assert LICENCES.keys() == DATABASES.keys()


@pytest.mark.parametrize("name", REAL)
def test_the_note_of_a_real_database_says_its_title_and_whom_to_ask(name: str):
    title, _, terms = LICENCES[name].partition(": ")
    assert title == layout_of(name).title
    assert "agreement with its authors" in terms
    assert "ask them before passing weights on" in terms
