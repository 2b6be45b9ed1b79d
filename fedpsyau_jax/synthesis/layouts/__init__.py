"""Synthetic copies of databases: their folders, their tables, and the oddities of both."""

from fedpsyau_jax.synthesis.layouts.casme2 import CASME2
from fedpsyau_jax.synthesis.layouts.casme3 import CASME3, CASME3_LONG
from fedpsyau_jax.synthesis.layouts.casme3_part_c import CASME3_PART_C
from fedpsyau_jax.synthesis.layouts.ckplus import CKPLUS
from fedpsyau_jax.synthesis.layouts.copy import write_copy
from fedpsyau_jax.synthesis.layouts.dfme import DFME
from fedpsyau_jax.synthesis.layouts.dfme_challenge import DFME_CHALLENGE
from fedpsyau_jax.synthesis.layouts.disfa import DISFA
from fedpsyau_jax.synthesis.layouts.layout import Layout
from fedpsyau_jax.synthesis.layouts.mmew import MMEW
from fedpsyau_jax.synthesis.layouts.samm import SAMM
from fedpsyau_jax.synthesis.layouts.smic import SMIC, SMIC_RAW
from fedpsyau_jax.synthesis.layouts.smic_e import SMIC_E
from fedpsyau_jax.synthesis.layouts.truth import Problem, Row, Truth

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        CASME3, CASME3_LONG, CASME3_PART_C, DFME, DFME_CHALLENGE, CASME2, SAMM, SMIC, SMIC_RAW, SMIC_E, MMEW, DISFA,
        CKPLUS,
    )
}  # fmt: skip

__all__ = ["LAYOUTS", "Layout", "Problem", "Row", "Truth", "write_copy"]
