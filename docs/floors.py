"""Draw who imports whom: ``python docs/floors.py`` writes docs/floors.svg from the sources.

A room is a folder, or a module at the top of the package. It stands one floor above the highest room that it imports.
Lines that follow from others are left out.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "floors.svg"
COLOURS = {"fedpsyau_jax": "#dbe9f6", "data": "#e5f2dc", "experiments": "#fdebd3"}
COMMANDS = "experiments: commands"
WIDTH, FLOOR, BOX, HALF = 1060, 88, 116, 15

Edges = Mapping[str, frozenset[str]]


def room_of(module: str) -> str:
    """The room of a module; empty for other projects and for the names that a package only re-exports."""
    top, *rest = module.split(".")
    if top == "data":
        return "data"
    if top not in COLOURS or not rest or rest[0] == "__main__":
        return ""
    if top == "experiments" and not (ROOT / top / rest[0]).is_dir():
        return COMMANDS
    return f"{top}.{rest[0]}"


def imported(path: Path) -> set[str]:
    """Modules and names that a file imports, at any place in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def edges() -> Edges:
    """For each room those that it imports."""
    found: dict[str, set[str]] = {}
    for path in sorted(path for top in COLOURS for path in (ROOT / top).rglob("*.py")):
        room = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        if room and not room.endswith("__init__"):
            found.setdefault(room, set()).update(map(room_of, imported(path)))
    return {room: frozenset(below - {room, ""}) for room, below in found.items()}


def height(room: str, below: Edges) -> int:
    """Floor of a room, the lowest 0."""
    return 1 + max((height(one, below) for one in below[room]), default=-1)


def reaches(room: str, below: Edges) -> frozenset[str]:
    """All rooms that a room imports, also through others."""
    return below[room].union(*(reaches(one, below) for one in below[room]))


def direct(below: Edges) -> Edges:
    """Without the imports that follow from others."""
    return {
        room: frozenset(one for one in own if not any(one in reaches(other, below) for other in own))
        for room, own in below.items()
    }


def picture(below: Edges) -> str:
    """The figure as SVG."""
    floors: dict[int, list[str]] = {}
    for room in sorted(below):
        floors.setdefault(height(room, below), []).append(room)
    top = max(floors)
    places = {
        room: (WIDTH * (column + 1) / (len(rooms) + 1), FLOOR * (top - floor) + 40.0)
        for floor, rooms in floors.items()
        for column, room in enumerate(rooms)
    }
    arrows = [arrow(places[room], places[one]) for room, own in sorted(direct(below).items()) for one in sorted(own)]
    boxes = [box(room, *place) for room, place in places.items()]
    size = f'viewBox="0 0 {WIDTH} {FLOOR * top + 80}"'
    style = 'font-family="sans-serif" font-size="12" text-anchor="middle"'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>'
    return "\n".join([start, '<rect width="100%" height="100%" fill="white"/>', *arrows, *boxes, "</svg>", ""])


def arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """A line from the lower side of a box to the upper side of one below it."""
    (x, y), (u, v) = start, end
    y, v = y + HALF, v - HALF
    bend = (v - y) / 2
    curve = f"M{x:.0f} {y:.0f} C{x:.0f} {y + bend:.0f} {u:.0f} {v - bend:.0f} {u:.0f} {v:.0f}"
    return f'<path d="{curve}" fill="none" stroke="#999"/>'


def box(room: str, x: float, y: float) -> str:
    """A room with its name."""
    package, _, name = room.partition(".")
    colour = COLOURS[package.partition(":")[0]]
    wide = BOX if name else BOX + 44
    shape = f'x="{x - wide / 2:.0f}" y="{y - HALF:.0f}" width="{wide}" height="{2 * HALF}" rx="4"'
    return f'<rect {shape} fill="{colour}" stroke="#555"/><text x="{x:.0f}" y="{y + 4:.0f}">{name or room}</text>'


if __name__ == "__main__":
    PICTURE.write_text(picture(edges()), encoding="utf-8")
