# SPDX-License-Identifier: Apache-2.0
"""The picture of a run for the README: an SVG of what a terminal shows."""

import io
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from demo.show import WIDTH

# Rich's own template loads a font from the network; this one uses what is installed. The
# one address in it is the name of SVG's namespace, which nothing loads.
TEMPLATE = """\
<svg class="{unique_id}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>make demo</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, 'SFMono-Regular', Menlo, Consolas, 'DejaVu Sans Mono', monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})"
   clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""

_INK = [
    (20, 24, 31),
    (255, 123, 114),
    (86, 211, 100),
    (227, 179, 65),
    (121, 192, 255),
    (210, 168, 255),
    (86, 212, 221),
    (201, 209, 217),
]
THEME = TerminalTheme((13, 17, 23), (201, 209, 217), _INK, _INK)


def recording() -> Console:
    """Return a console that shows nothing and remembers everything."""
    return Console(
        file=io.StringIO(),
        record=True,
        width=WIDTH,
        force_terminal=True,
        force_interactive=False,
        color_system="truecolor",
        no_color=False,
        highlight=False,
        legacy_windows=False,
    )


def save(console: Console, path: Path) -> None:
    """Write what a console has recorded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        console.export_svg(title="$ make demo", theme=THEME, code_format=TEMPLATE, unique_id="demo")
    )
