"""Pictures of the example shop: one drawing a category, coloured by the product's id. No picture is a file."""

import hashlib
from collections.abc import Mapping
from typing import Final

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

# {0} main, {1} dark, {2} accent
DRAWINGS: Final[Mapping[str, str]] = {
    "tents": (
        '<path d="M200 96 48 300h304z" fill="{0}"/><path d="M200 96 124 300h152z" fill="{1}"/>'
        '<path d="M200 150 160 300h80z" fill="{2}"/><path d="M200 96V74" stroke="{1}" stroke-width="8"/>'
        '<path d="M48 300 22 316M352 300l26 16" stroke="{1}" stroke-width="5"/>'
    ),
    "sleeping-bags": (
        '<path d="M128 92q72-48 144 0l18 196q-90 66-180 0z" fill="{0}"/>'
        '<path d="M146 106q54-36 108 0l4 46q-58 30-116 0z" fill="{2}"/>'
        '<path d="M122 190q78 34 156 0M118 236q82 36 164 0" stroke="{1}" stroke-width="7" fill="none"/>'
        '<path d="M200 152v156" stroke="{1}" stroke-width="6" stroke-dasharray="3 7"/>'
    ),
    "mats": (
        '<path d="M76 250 250 110q26-10 46 12t8 42L138 306z" fill="{0}"/>'
        '<path d="M76 250q-22 18-2 44t64 12" fill="{1}"/><circle cx="106" cy="280" r="34" fill="{1}"/>'
        '<circle cx="106" cy="280" r="17" fill="{2}"/>'
        '<path d="m128 226 56 50M170 192l56 50M212 158l56 50M250 128l46 42" stroke="{1}" stroke-width="6"/>'
    ),
    "backpacks": (
        '<path d="M150 112q0-46 50-46t50 46" fill="none" stroke="{1}" stroke-width="14"/>'
        '<rect x="112" y="100" width="176" height="222" rx="44" fill="{0}"/>'
        '<rect x="138" y="216" width="124" height="82" rx="18" fill="{1}"/>'
        '<path d="M112 164q88 40 176 0v-20q0-44-44-44h-88q-44 0-44 44z" fill="{1}"/>'
        '<path d="M164 150v58M236 150v58" stroke="{2}" stroke-width="12"/>'
        '<path d="M160 240h80" stroke="{2}" stroke-width="8"/>'
    ),
    "boots": (
        '<path d="M136 92h92l8 116 76 30q34 14 34 54H124z" fill="{0}"/>'
        '<path d="M118 286h232v18q0 18-18 18H136q-18 0-18-18z" fill="{1}"/>'
        '<path d="M132 96h100v26H132z" fill="{1}"/>'
        '<path d="M182 150h46M182 178h50M188 206h58M220 232l40-6" stroke="{2}" stroke-width="9"/>'
    ),
    "jackets": (
        '<path d="m152 96-62 42-34 148 48 14 26-94v110h140V206l26 94 48-14-34-148-62-42z" fill="{0}"/>'
        '<path d="M152 96q48 44 96 0l-14-22h-68z" fill="{1}"/>'
        '<path d="M200 120v196" stroke="{2}" stroke-width="8"/>'
        '<path d="M148 236h34M218 236h34" stroke="{1}" stroke-width="10"/>'
    ),
    "layers": (
        '<path d="m144 92-78 54 32 60 36-22v130h132V184l36 22 32-60-78-54q-56 44-112 0z" fill="{0}"/>'
        '<path d="M144 92q56 44 112 0l14 10q-70 60-140 0z" fill="{2}"/>'
        '<path d="M134 240h132M134 268h132" stroke="{1}" stroke-width="8"/>'
    ),
    "stoves": (
        '<rect x="134" y="226" width="132" height="92" rx="22" fill="{0}"/><path d="M134 262h132" stroke="{1}" '
        'stroke-width="12"/><rect x="184" y="176" width="32" height="52" fill="{1}"/>'
        '<path d="M110 176h180M130 176l-22-22M270 176l22-22" stroke="{1}" stroke-width="12"/>'
        '<path d="M200 66q44 42 26 74-10 18-26 18t-26-18q-14-28 12-44-2 20 10 22 10-18 4-52z" fill="{2}"/>'
    ),
    "lamps": (
        '<path d="M66 168q134-92 268 0v34q-134-70-268 0z" fill="{1}"/>'
        '<rect x="146" y="140" width="108" height="96" rx="26" fill="{0}"/>'
        '<circle cx="200" cy="188" r="32" fill="{2}"/><circle cx="200" cy="188" r="14" fill="#fff8e1"/>'
        '<path d="m168 252-34 70M200 258v70M232 252l34 70" stroke="{2}" stroke-width="9"/>'
    ),
    "bottles": (
        '<rect x="170" y="62" width="60" height="40" rx="10" fill="{1}"/>'
        '<path d="M176 100h48q40 24 40 66v128q0 34-34 34h-60q-34 0-34-34V166q0-42 40-66z" fill="{0}"/>'
        '<path d="M136 190h128v62H136z" fill="{2}"/>'
        '<path d="m156 236 26-32 18 20 16-14 28 26z" fill="{1}"/>'
    ),
    "navigation": (
        '<circle cx="200" cy="204" r="118" fill="{0}"/><circle cx="200" cy="204" r="94" fill="#fdfbf5"/>'
        '<path d="M200 126v16M200 266v16M122 204h16M262 204h16" stroke="{1}" stroke-width="9"/>'
        '<path d="m250 152-34 68-66 36 34-68z" fill="{1}"/><path d="m250 152-34 68-32-32z" fill="{2}"/>'
        '<circle cx="200" cy="204" r="9" fill="#fdfbf5"/>'
    ),
    "care": (
        '<path d="M140 132h120v162q0 28-28 28h-64q-28 0-28-28z" fill="{0}"/>'
        '<rect x="156" y="84" width="88" height="50" rx="12" fill="{1}"/>'
        '<rect x="140" y="178" width="120" height="92" fill="{2}"/>'
        '<path d="M200 196v56M172 224h56" stroke="{1}" stroke-width="16"/>'
    ),
}
OTHER: Final = (
    '<rect x="104" y="120" width="192" height="184" rx="16" fill="{0}"/>'
    '<path d="M104 172h192" stroke="{1}" stroke-width="12"/><path d="M200 120v184" stroke="{2}" stroke-width="12"/>'
)


def picture(item_id: str, category: str) -> str:
    """An SVG document for a product; a parcel for a category without a drawing."""
    digest = hashlib.sha256(item_id.encode()).digest()
    ground = GROUNDS[digest[1] % len(GROUNDS)]
    drawing = DRAWINGS.get(category, OTHER).format(*PALETTES[digest[0] % len(PALETTES)])
    tilt = digest[2] % 9 - 4
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" width="{SIZE}" height="{SIZE}">'
        f'<rect width="{SIZE}" height="{SIZE}" fill="{ground}"/>'
        '<ellipse cx="200" cy="334" rx="132" ry="14" fill="#000" opacity=".10"/>'
        f'<g transform="rotate({tilt} 200 210)" fill="none" stroke-linecap="round" stroke-linejoin="round">'
        f"{drawing}</g>"
        "</svg>"
    )
