"""Drawings of the example shop: one a category, and one of its own for what looks like no other of its category."""

from collections.abc import Mapping
from typing import Final

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

ITEMS: Final[Mapping[str, str]] = {
    "muts": (
        '<path d="M112 236q0-116 88-116t88 116z" fill="{0}"/><rect x="100" y="226" width="200" height="62" rx="20" '
        'fill="{1}"/><circle cx="200" cy="104" r="28" fill="{2}"/>'
        '<path d="M132 240v36M166 240v36M200 240v36M234 240v36M268 240v36" stroke="{0}" stroke-width="7"/>'
    ),
    "sokken-2": (
        '<path d="M112 84h76v124l-58 84q-18 24-44 6t-10-44l36-56z" fill="{1}"/>'
        '<path d="M208 84h76v132l66 62q22 22 2 42t-46 4l-98-76z" fill="{0}"/>'
        '<path d="M112 84h76v30h-76zM208 84h76v30h-76z" fill="{2}"/>'
    ),
    "zip-off": (
        '<path d="M126 78h148l26 244h-72l-28-160-28 160h-72z" fill="{0}"/><path d="M126 78h148l4 30H122z" fill="{1}"/>'
        '<path d="m108 232 76 6M292 232l-76 6" stroke="{2}" stroke-width="9"/>'
    ),
    "merino-leg": (
        '<path d="M132 78h136l14 244h-52l-30-168-30 168h-52z" fill="{0}"/><path d="M132 78h136l2 26H130z" fill="{1}"/>'
        '<path d="M150 118l-8 196M250 118l8 196" stroke="{2}" stroke-width="6"/>'
    ),
    "pannen": (
        '<path d="M78 236h176v52q0 26-26 26H104q-26 0-26-26z" fill="{0}"/><path d="M70 224h192v22H70z" fill="{1}"/>'
        '<path d="M256 258h92" stroke="{1}" stroke-width="18" stroke-linecap="round"/>'
        '<path d="M124 140h144v40q0 22-22 22H146q-22 0-22-22z" fill="{2}"/><path d="M118 130h156v18H118z" fill="{1}"/>'
        '<path d="M184 112h24v20h-24z" fill="{1}"/>'
    ),
    "koffie": (
        '<path d="M140 128h112l18 178q2 14-14 14H136q-16 0-14-14z" fill="{0}"/><path d="M140 128h112l4 38H136z" '
        'fill="{1}"/><path d="m140 128-34 22 26 20" fill="{1}"/><circle cx="196" cy="106" r="20" fill="{2}"/>'
        '<path d="M262 172q62 0 54 60-4 40-44 46" fill="none" stroke="{1}" stroke-width="16"/>'
    ),
    "brander-2": (
        '<path d="M70 214h260v74q0 18-18 18H88q-18 0-18-18z" fill="{0}"/><path d="M70 118h260v92H70z" fill="{1}"/>'
        '<circle cx="134" cy="214" r="36" fill="{2}"/><circle cx="266" cy="214" r="36" fill="{2}"/>'
        '<circle cx="134" cy="270" r="13" fill="{1}"/><circle cx="266" cy="270" r="13" fill="{1}"/>'
    ),
    "glim": (
        '<path d="M152 108q0-44 48-44t48 44" fill="none" stroke="{1}" stroke-width="11"/>'
        '<path d="M138 108h124v34H138z" fill="{1}"/><path d="M150 142h100v130H150z" fill="#fff3cf"/>'
        '<path d="M200 164q34 34 20 66-8 18-20 18t-20-18q-14-32 20-66z" fill="{2}"/>'
        '<path d="M150 142v130M250 142v130" stroke="{0}" stroke-width="11"/><path d="M132 272h136v44H132z" fill="{0}"/>'
    ),
    "baken": (
        '<path d="m104 232 140-92 56 84-140 92q-40 20-60-14t4-70z" fill="{0}"/>'
        '<path d="m232 118 62-20 54 80-42 54z" fill="{1}"/><path d="m294 98 54 80 16-12-52-80z" fill="{2}"/>'
        '<circle cx="198" cy="222" r="15" fill="{2}"/>'
    ),
    "zon-20": (
        '<path d="M66 106h126v200H52zM208 106h126l14 200H208z" fill="{1}"/>'
        '<path d="M82 122h102v82H76zM216 122h102l6 82H216zM74 216h110v76H68zM216 216h110l6 76H216z" fill="{0}"/>'
        '<path d="M128 122l-6 170M272 122l6 170" stroke="{2}" stroke-width="6"/>'
    ),
    "accu-20": (
        '<rect x="128" y="74" width="144" height="246" rx="26" fill="{0}"/>'
        '<rect x="150" y="98" width="100" height="52" rx="10" fill="{1}"/>'
        '<path d="m210 174-46 76h34l-10 50 48-76h-34z" fill="{2}"/>'
    ),
    "mok": (
        '<path d="M112 128h144l-10 172q-2 20-22 20h-80q-20 0-22-20z" fill="{0}"/><rect x="102" y="100" width="164" '
        'height="34" rx="12" fill="{1}"/><path d="M254 160q66-6 64 52t-72 52" fill="none" stroke="{1}" '
        'stroke-width="18"/><path d="M118 196h132l-4 56H122z" fill="{2}"/>'
    ),
    "filter": (
        '<rect x="152" y="146" width="96" height="150" rx="18" fill="{0}"/><path d="M168 86h64l10 60h-84z" fill="{1}"/>'
        '<path d="M176 296h48v30h-48z" fill="{1}"/><path d="M200 172q32 40 32 62a32 32 0 0 1-64 0q0-22 32-62z" '
        'fill="{2}"/><path d="M186 62h28v26h-28z" fill="{2}"/>'
    ),
    "blaas-2": (
        '<path d="M128 92h144q26 0 26 28v146q0 54-52 54h-92q-52 0-52-54V120q0-28 26-28z" fill="{0}"/>'
        '<path d="M120 70h160v30H120z" fill="{1}"/><path d="M102 196h196v70q0 54-52 54h-92q-52 0-52-54z" fill="{2}"/>'
        '<path d="M200 320q0 34 50 26t92-60" fill="none" stroke="{1}" stroke-width="12"/>'
    ),
    "gps-track": (
        '<path d="M160 48h80l8 78h-96zM152 274h96l-8 78h-80z" fill="{1}"/><circle cx="200" cy="200" r="92" '
        'fill="{0}"/><circle cx="200" cy="200" r="70" fill="#14252f"/>'
        '<path d="m152 228 32-44 24 24 40-54" fill="none" stroke="{2}" stroke-width="10"/>'
        '<circle cx="248" cy="154" r="9" fill="#fdfbf5"/>'
    ),
    "kaart-pieter": (
        '<path d="m72 118 84-30v206l-84 30zM244 118l84-30v206l-84 30z" fill="{0}"/>'
        '<path d="m156 88 88 30v206l-88-30z" fill="{1}"/>'
        '<path d="M92 282q54-90 96-52t60-44 64-60" fill="none" stroke="{2}" stroke-width="9" stroke-dasharray="18 12"/>'
    ),
    "kijker-8": (
        '<path d="M96 128h74l16 70v110H74V190zM230 128h74l22 62v118H214V198z" fill="{0}"/>'
        '<path d="M104 96h58v34h-58zM238 96h58v34h-58zM182 176h36v72h-36z" fill="{1}"/>'
        '<path d="M74 276h112v32H74zM214 276h112v32H214z" fill="{2}"/>'
    ),
    "fluit": (
        '<path d="M76 172h150q96 0 96 78t-78 78-82-78v-10H76z" fill="{0}"/><circle cx="244" cy="250" r="34" '
        'fill="{1}"/>'
        '<path d="M142 172h44v26h-44z" fill="{1}"/><path d="M300 194q44-60 26-98" fill="none" stroke="{2}" '
        'stroke-width="9"/><circle cx="322" cy="84" r="18" fill="none" stroke="{2}" stroke-width="9"/>'
    ),
    "strand": (
        '<path d="M64 268q126-46 272-10 20 8 16 30t-26 24H92q-30 0-34-18t6-26z" fill="{1}"/>'
        '<path d="M96 268q40-104 88-104t54 92" fill="none" stroke="{0}" stroke-width="24"/>'
        '<path d="M214 256q30-66 70-62t44 66" fill="none" stroke="{2}" stroke-width="22"/>'
    ),
    "slof": (
        '<path d="M66 254q2-96 86-108 46-6 62 38 62 28 116 34 30 8 22 64H66z" fill="{0}"/>'
        '<path d="M60 276h294v14q0 22-22 22H82q-22 0-22-22z" fill="{1}"/>'
        '<path d="M96 200q40 26 84-26M210 190q-16 40-4 90" fill="none" stroke="{2}" stroke-width="9"/>'
    ),
    "ren-trail": (
        '<path d="M62 268q-8-84 34-112 36 40 84 2l86 74q62 10 76 38 6 18-4 24H66z" fill="{0}"/>'
        '<path d="M58 282h288v12q0 22-22 22l-18-10-18 10-20-10-20 10-20-10-20 10-20-10-20 10-20-10-20 '
        "10-20-10-18 10q-32 "
        '0-32-30z" fill="{1}"/><path d="m168 186 34-18M190 206l34-18M212 226l34-18" stroke="{2}" stroke-width="10"/>'
    ),
    "droogzak": (
        '<path d="M120 120h160l10 176q2 30-30 30H140q-32 0-30-30z" fill="{0}"/><path d="M112 88h176v36H112z" '
        'fill="{1}"/>'
        '<path d="M180 66h40v26h-40z" fill="{1}"/><path d="M114 214h172l4 54H110z" fill="{2}"/>'
        '<path d="M140 88v36M260 88v36" stroke="{2}" stroke-width="9"/>'
    ),
    "was": (
        '<path d="M148 130h104q14 0 14 20v150q0 22-22 22h-88q-22 0-22-22V150q0-20 14-20z" fill="{0}"/>'
        '<path d="M172 84h56v48h-56z" fill="{1}"/><path d="M134 186h132v86H134z" fill="{2}"/>'
        '<path d="M200 198q24 30 24 44a24 24 0 0 1-48 0q0-14 24-44z" fill="{1}"/>'
    ),
    "vet": (
        '<path d="M92 212h216v62q0 30-30 30H122q-30 0-30-30z" fill="{0}"/><ellipse cx="200" cy="212" rx="108" ry="38" '
        'fill="{1}"/><ellipse cx="200" cy="208" rx="80" ry="24" fill="{2}"/><path d="M92 244h216v26H92z" fill="{1}"/>'
    ),
    "lapjes": (
        '<rect x="88" y="104" width="150" height="150" rx="22" fill="{0}" transform="rotate(-9 163 179)"/>'
        '<rect x="176" y="168" width="142" height="142" rx="22" fill="{1}" transform="rotate(8 247 239)"/>'
        '<path d="m112 138 92-14M208 292l88 12" stroke="{2}" stroke-width="8" stroke-dasharray="12 9"/>'
        '<circle cx="247" cy="239" r="27" fill="{2}"/>'
    ),
    "kussen": (
        '<path d="M78 150q122-50 244 0 26 60 0 122-122 46-244 0-26-62 0-122z" fill="{0}"/>'
        '<path d="M116 178q84-28 168 0M116 246q84 26 168 0" fill="none" stroke="{1}" stroke-width="8"/>'
        '<circle cx="318" cy="264" r="15" fill="{2}"/>'
    ),
    "plaat": (
        '<path d="m70 262 66-112h52l-66 112z" fill="{1}"/><path d="m122 262 66-112h52l-66 112z" fill="{0}"/>'
        '<path d="m174 262 66-112h52l-66 112z" fill="{1}"/><path d="m226 262 66-112h52l-66 112z" fill="{0}"/>'
        '<path d="M70 262h208v34H70z" fill="{2}"/>'
    ),
    "schelp": (
        '<path d="M52 300q8-190 178-190 118 14 118 190z" fill="{0}"/><path d="M52 300q8-190 178-190-110 40-92 190z" '
        'fill="{1}"/><path d="M230 110q-48 70-30 190M230 110q42 70 62 190" fill="none" stroke="{2}" stroke-width="8"/>'
    ),
    "wad-4": (
        '<path d="M42 300q10-176 118-176h110q78 12 88 176z" fill="{0}"/><path d="M134 300q-4-120 66-120t70 120z" '
        'fill="{1}"/><path d="M202 180v120" stroke="{2}" stroke-width="9"/>'
        '<path d="M284 186h34l14 60h-48z" fill="{2}"/>'
    ),
    "krab": (
        '<rect x="124" y="126" width="152" height="196" rx="40" fill="{0}"/><path d="M110 92q90-58 180 0l-10 36H120z" '
        'fill="{2}"/><circle cx="200" cy="170" r="38" fill="#f1d3b3"/><path d="M164 160q36-40 72 '
        '0-10-34-36-34t-36 34z" '
        'fill="{1}"/><path d="M134 228h132v54H134z" fill="{1}"/>'
    ),
    "kruik-750": (
        '<path d="M178 62h44v34h-44z" fill="{1}"/><path d="M172 96h56q46 34 46 84v112q0 30-30 30h-88q-30 '
        "0-30-30V180q0-50 "
        '46-84z" fill="{0}"/><path d="M126 214h148v60H126z" fill="{2}"/>'
        '<path d="M152 170v126" stroke="#ffffff" stroke-opacity=".4" stroke-width="11"/>'
    ),
}
SAME: Final[Mapping[str, str]] = {
    "wad-6": "wad-4",
    "klif-low": "ren-trail",
    "liner-silk": "kussen",
    "thermos-1": "bottles",
}
"""Products that are drawn as another product or category is."""
