"""Pictures of the example shop: a drawing, coloured by the product's id. No picture is a file."""

import hashlib
from typing import Final

from service.web.drawings import DRAWINGS, ITEMS, OTHER, SAME

SIZE: Final = 400

PALETTES: Final = (
    ("#0f6e84", "#0a4b5c", "#f2b544"),
    ("#d9623b", "#9c3f22", "#f6d8a8"),
    ("#3f7d58", "#275239", "#efe2b5"),
    ("#5463a8", "#35406f", "#f0c27b"),
    ("#b0493f", "#772c26", "#e9c46a"),
    ("#2f4858", "#1d2e39", "#f28f5b"),
    ("#8a6d3b", "#5c4724", "#f3e3c3"),
    ("#7b4b94", "#4f2e60", "#f5cf8e"),
)
"""Colours of a product: main, dark, accent."""

GROUNDS: Final = ("#e8eef1", "#f3ece2", "#e7efe6", "#ecebf4", "#f4e9e6")


def picture(item_id: str, category: str) -> str:
    """An SVG document for a product; a parcel for a category without a drawing."""
    digest = hashlib.sha256(item_id.encode()).digest()
    ground = GROUNDS[digest[1] % len(GROUNDS)]
    drawing = _drawing(item_id, category).format(*PALETTES[digest[0] % len(PALETTES)])
    tilt = digest[2] % 9 - 4
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" width="{SIZE}" height="{SIZE}">'
        f'<rect width="{SIZE}" height="{SIZE}" fill="{ground}"/>'
        '<ellipse cx="200" cy="334" rx="132" ry="14" fill="#000" opacity=".10"/>'
        f'<g transform="rotate({tilt} 200 210)" fill="none" stroke-linecap="round" stroke-linejoin="round">'
        f"{drawing}</g>"
        "</svg>"
    )


def _drawing(item_id: str, category: str) -> str:
    """The product's own, else its category's."""
    same = SAME.get(item_id, item_id)
    return ITEMS.get(same) or DRAWINGS.get(same) or DRAWINGS.get(category, OTHER)
