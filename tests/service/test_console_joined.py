"""The console's modules, joined: each sees what it imports and nothing else, and what is not known is refused."""

import pytest

from service.console_ahead import APP, SHELL, STATIC, VIEWS, Shell
from service.console_joined import NotJoined, joined, shell, view

KIT = 'import { x as y } from "../vendor/lib.js";\nexport { y };\nexport const two = () => 2 * y;\nconst own = 1;\n'
FILES = {
    "vendor/lib.js": "var a=1;export{a as x,a as default};",
    "console/kit.js": KIT,
    "console/app.js": 'import { two } from "./kit.js";\nconst load = () => import("./one.js");\n',
    "console/one.js": 'import { Part } from "./part.js";\nexport default function One() {}\n',
    "console/part.js": 'import { y } from "./kit.js";\nexport async function Part() {}\nexport class Own {}\n',
}


def test_a_module_becomes_a_function_that_returns_what_it_exports() -> None:
    text, shared = shell(FILES, ["vendor/lib.js", "console/kit.js"], "console/app.js")
    assert "const m_lib = (() => {\nvar a=1;\nreturn { x: a, default: a };\n})();" in text
    assert "const { x: y } = m_lib;" in text
    assert "return { two: two, y: y };" in text or "return { y: y, two: two };" in text
    assert shared == {"vendor/lib.js": "m_lib", "console/kit.js": "m_kit"}
    assert text.index("m_lib") < text.index("m_kit") < text.index('import("./view-one.js")')
    assert "export { m_lib, m_kit };" in text


def test_a_view_takes_what_is_shared_from_the_shell_and_brings_the_rest() -> None:
    _, shared = shell(FILES, ["vendor/lib.js", "console/kit.js"], "console/app.js")
    text = view(FILES, ["console/one.js", "console/part.js"], shared)
    assert text.startswith('import { m_kit, m_lib } from "./shell.js";\n')
    assert text.index("const m_part") < text.index("const m_one")
    assert "return { Part: Part, Own: Own };" in text
    assert text.endswith("export default m_one.default;\n")
    assert "own = 1" not in text


@pytest.mark.parametrize(
    "text",
    [
        'import all from "./kit.js";',
        'import * as kit from "./kit.js";',
        'export * from "./kit.js";',
        "export let x = 1;",
        "export default 1;",
        "const here = import.meta.dirname;",
    ],
)
def test_what_is_not_known_how_to_join_is_refused(text: str) -> None:
    with pytest.raises(NotJoined, match="not known"):
        joined({**FILES, "console/one.js": text}, ["console/one.js"], {"console/kit.js": "m_kit"})


def test_what_would_be_joined_too_late_is_refused() -> None:
    with pytest.raises(NotJoined, match=r"kit\.js imports vendor/lib\.js"):
        joined(FILES, ["console/kit.js", "vendor/lib.js"])


def test_a_page_loads_a_sheet_a_shell_and_its_view() -> None:
    made = Shell()
    for name, needs in VIEWS.items():
        page = made.page(name.rstrip("?") + ("x" if name.endswith("/") else ""), {}, {})
        asked = {part.split('"')[0] for part in page.split(f"{made.base}/")[1:]}
        assert asked - {"console/icon.svg"} == {
            f"console/{one}" for one in ("shell.css", "shell.js", f"view-{needs.modules[0]}")
        }
        assert asked <= made.files.keys()


def test_every_module_of_the_console_is_in_a_file_that_pages_load() -> None:
    listed = {*SHELL, APP, *(f"console/{one}" for needs in VIEWS.values() for one in needs.modules)}
    assert {f"console/{path.name}" for path in (STATIC / "console").glob("*.js")} <= listed
