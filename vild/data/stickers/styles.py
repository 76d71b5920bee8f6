"""The hands that made the stickers: packages, versions, digests, licences."""

from dataclasses import dataclass

from vild.errors import InputError


@dataclass(frozen=True)
class Style:
    """One set of pictures, as a package of the npm registry or of Debian brings it.

    Attributes:
        name: of the style.
        part: `train`: seen in training; `val`: by another hand, for choices; `test`:
            by other hands again, for tests only; `photos`: not drawn at all, for
            tests only.
        package: of the npm registry; of Debian if the form is `stamps`.
        version: the only one that is accepted.
        sha512: of the package's file, in base64 as npm tells it.
        licence: SPDX.
        author: who drew it.
        source: where it comes from.
        form: `iconify`: a json of SVG bodies; `webp`: a file for each picture;
            `stamps`: those of Tux Paint.
        other_names: whether pictures go by Mozilla's names.
        wrong: codes under which the set draws something else; they are not used.
    """

    name: str
    part: str
    package: str
    version: str
    sha512: str
    licence: str
    author: str
    source: str
    form: str = "iconify"
    other_names: bool = False
    wrong: frozenset[str] = frozenset()

    @property
    def file_name(self) -> str:
        """What `npm pack`, or Debian, calls the package's file.

        Example:
            >>> style("noto").file_name
            'iconify-json-noto-1.2.9.tgz'
        """
        if self.form == "stamps":
            return f"{self.package}_{self.version}_all.deb"
        stem = self.package.removeprefix("@").replace("/", "-")
        return f"{stem}-{self.version}.tgz"


STYLES = (
    Style(
        "noto",
        "train",
        "@iconify-json/noto",
        "1.2.9",
        "DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jf"
        "rTAeI3rcKF0mqHYeZVAuaw==",
        "Apache-2.0",
        "Google",
        "https://github.com/googlefonts/noto-emoji",
    ),
    Style(
        "noto-v1",
        "train",
        "@iconify-json/noto-v1",
        "1.2.5",
        "/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UH"
        "Hb/XpBsw+1L1x3eyPqMuVA==",
        "Apache-2.0",
        "Google",
        "https://github.com/googlefonts/noto-emoji",
        # Its `cricket` is the game.
        wrong=frozenset({"1f997"}),
    ),
    Style(
        "openmoji",
        "train",
        "@iconify-json/openmoji",
        "1.2.29",
        "vXdhkqcXVSO6suy+m9LbcUM3OdVyuNOtpV8/als/WqfkQIRxevL5Geb/g+6GH/Qw"
        "nq1OqksEmaDGTCmZ5nFKJQ==",
        "CC-BY-SA-4.0",
        "OpenMoji",
        "https://openmoji.org",
    ),
    Style(
        "emojione",
        "train",
        "@iconify-json/emojione",
        "1.2.3",
        "T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8"
        "cCv7w5vJxS4Q1m8zb9CMMg==",
        "CC-BY-4.0",
        "Emoji One 2, EmojiTwo",
        "https://github.com/EmojiTwo/emojitwo",
        # Its `cricket` is the game; its film projector a camera.
        wrong=frozenset({"1f997", "1f4fd"}),
    ),
    Style(
        "emojione-v1",
        "train",
        "@iconify-json/emojione-v1",
        "1.2.3",
        "UjI2VQEXVtGlPBvQuxEizro7QCgBcJDOYwKUupquvvZ8UV4xOlvm45IU82JYWegi"
        "AWLerY79gFLMZ26U6Ms+ww==",
        "CC-BY-SA-4.0",
        "Emoji One 1",
        "https://github.com/joypixels/emojione-legacy",
        # Its boar is the face of a pig.
        wrong=frozenset({"1f417"}),
    ),
    Style(
        "fxemoji",
        "val",
        "@iconify-json/fxemoji",
        "1.2.2",
        "UAasRaxzFUKfIGSmLwnoarsssA4LX0VLLuEmplIqM6ZNQqIQRtav8tZ4H1neTlBr"
        "eXuMQyAifr5jP4kn78DpiQ==",
        # Of the artwork; Apache-2.0, which iconify says, is that of the code.
        "CC-BY-4.0",
        "Mozilla",
        "https://github.com/mozilla/fxemoji",
        other_names=True,
        # Its umbrella is closed, its boar the face of a pig.
        wrong=frozenset({"2602", "1f417"}),
    ),
    Style(
        "twemoji",
        "test",
        "@iconify-json/twemoji",
        "1.2.5",
        "uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXz"
        "AWU9yNLlj41WU6/mvgALsw==",
        "CC-BY-4.0",
        "Twitter",
        "https://github.com/jdecked/twemoji",
    ),
    Style(
        "fluent-flat",
        "test",
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7"
        "yNGWqQYvuaSYM1M4fRXlUw==",
        "MIT",
        "Microsoft",
        "https://github.com/microsoft/fluentui-emoji",
    ),
    Style(
        "fluent-3d",
        "test",
        "@lobehub/fluent-emoji-3d",
        "1.1.0",
        "Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ"
        "2Qaecgl5wRBv60lUAG3h7g==",
        "MIT",
        "Microsoft (packed by LobeHub)",
        "https://github.com/microsoft/fluentui-emoji",
        form="webp",
    ),
    Style(
        "stamps",
        "photos",
        "tuxpaint-stamps-default",
        "2022.06.04-1",
        "r0xqJ3gZVuu9fgE9FydxiK52AIvZ+w2JiUI5+CYzvoeBz44nrvpMxXrRjnpx3fzA"
        "d4/8n++JEx4bQLnjjPlspQ==",
        "GPL-2.0-or-later",
        "Bill Kendrick (Tux Paint, with its contributors)",
        "https://tuxpaint.org",
        form="stamps",
    ),
)
"""All styles. The two of Fluent are one artwork, flat and rendered: both are held out,
and its third form (`fluent-emoji`) is left out altogether."""


def style(name: str) -> Style:
    """A style by its name.

    Args:
        name: of one of `STYLES`.

    Returns:
        The style.

    Raises:
        InputError: if there is none.

    Example:
        >>> style("twemoji").part
        'test'
    """
    for one in STYLES:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in STYLES)
    raise InputError(f"The styles of stickers are {known}; received {name!r}.")


def styles_of(part: str) -> tuple[Style, ...]:
    """The styles of a part.

    Args:
        part: `train`, `val`, `test` or `photos`.

    Returns:
        The styles.

    Example:
        >>> [style.name for style in styles_of("val")]
        ['fxemoji']
    """
    return tuple(one for one in STYLES if one.part == part)
