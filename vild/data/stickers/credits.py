"""Who drew the pictures, under which licences: what goes with all that shows them."""

from collections.abc import Sequence

from vild.data.stickers.styles import Style

_ADDRESSES = {
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "GPL-2.0-or-later": "https://www.gnu.org/licenses/old-licenses/gpl-2.0.html",
}

# That of https://github.com/microsoft/fluentui-emoji, which asks to be passed on.
_MICROSOFT = """MIT License

Copyright (c) Microsoft Corporation.

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE."""


def licence_address(licence: str) -> str:
    """Where the text of a licence is.

    Args:
        licence: SPDX.

    Returns:
        The address.

    Example:
        >>> licence_address("CC-BY-4.0")
        'https://creativecommons.org/licenses/by/4.0/'
    """
    return _ADDRESSES.get(licence, f"https://spdx.org/licenses/{licence}.html")


def credits_text(styles: Sequence[Style]) -> str:
    """Who drew the pictures, in Markdown.

    Args:
        styles: whose.

    Returns:
        A text with a row for each style, and the notices that their licences ask for.

    Example:
        >>> from vild.data.stickers.styles import styles_of
        >>> "OpenMoji" in credits_text(styles_of("train"))
        True
    """
    rows = [
        f"| {one.name} | {one.author} | {one.licence} | "
        f"{licence_address(one.licence)} | {one.source} | "
        f"`{one.package}` {one.version} |"
        for one in styles
    ]
    shared_alike = [one.name for one in styles if "-SA-" in one.licence]
    copyleft = [one.name for one in styles if one.licence.startswith("GPL")]
    microsoft = [one.name for one in styles if one.author.startswith("Microsoft")]
    lines = [
        "# Credits of the stickers",
        "",
        "The scenes are composed of these pictures, rasterised, resized, turned, "
        "coloured and partly covered:",
        "",
        "| style | by | licence | text of the licence | source | package |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        "Names and synonyms follow Unicode CLDR (Unicode License V3) as the package "
        "`emojibase-data` (MIT) gives them.",
    ]
    if shared_alike:
        lines += [
            "",
            f"Who passes on scenes that show {', '.join(shared_alike)} must do so "
            "under the licence of these pictures (share alike).",
        ]
    if copyleft:
        lines += [
            "",
            f"Who passes on scenes that show {', '.join(copyleft)} must do so under "
            "the GNU General Public License, version 2 or later, and add its text.",
        ]
    if microsoft:
        lines += ["", f"Of {', '.join(microsoft)}:", "", "```", _MICROSOFT, "```"]
    return "\n".join(lines) + "\n"
