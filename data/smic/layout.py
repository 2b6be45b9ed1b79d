"""SMIC, HS camera: short clips in folders by class, cropped or raw; and SMIC-E, long clips and a table."""

from collections.abc import Sequence
from pathlib import Path

from data.annotations import Table
from data.apex import midpoint
from data.frames import Tree
from data.smic import long, short
from data.survey import Layout


def read(tree: Tree, config: str, table: Path | None) -> Sequence[Table]:
    """The clips of SMIC-HS, or of SMIC-E."""
    return long.read(tree, config, table) if config == "e_hs" else short.read(tree, config, table)


LAYOUT = Layout(
    title="SMIC",
    expected=(
        "expected: HS/s1/micro/negative/s1_ne_01/reg_image######.bmp (cropped) or image######.bmp (raw);\n"
        "  for --config e_hs SMIC-HS-E_annotation.xlsx, and the frames as SMIC-HS-E/s20/s20_ne_01/image######.jpg"
    ),
    read=read,
    locate=short.locate("hs"),
    labelled=frozenset(),
    locators={"cropped": short.locate("cropped"), "raw": short.locate("raw"), "e_hs": long.locate},
    apex=midpoint,
)
