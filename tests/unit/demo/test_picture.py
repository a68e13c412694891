import re
from pathlib import Path
from xml.etree import ElementTree

from demo import picture
from demo.items import Act, Note, Summary
from demo.show import RichShow

DOCS = Path(__file__).parents[3] / "docs"
NAMESPACE = "http://www.w3.org/2000/svg"


def loads_nothing(svg: str) -> bool:
    addresses = set(re.findall(r"\w+://[^\s\"')]+", svg)) - {NAMESPACE}
    outside = re.findall(r"url\((?!#)|href|@import|@font-face|src:", svg)
    return not addresses and not outside


def test_a_picture_is_whole_and_loads_nothing(tmp_path: Path) -> None:
    console = picture.recording()
    show = RichShow(console)
    for item in (Act("create", "stack hello"), Note("<b>&"), Summary("well.")):
        show.show(item)

    picture.save(console, tmp_path / "docs" / "demo.svg")

    svg = (tmp_path / "docs" / "demo.svg").read_text()
    ElementTree.fromstring(svg)
    assert "create" in svg
    assert loads_nothing(svg)


def test_the_picture_in_the_docs_loads_nothing() -> None:
    assert loads_nothing((DOCS / "demo.svg").read_text())
