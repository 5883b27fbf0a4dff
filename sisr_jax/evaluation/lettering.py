"""Text that can be drawn, whatever a file is called."""


def drawable(text: str) -> str:
    r"""Text with escapes, as in `\u60a3`, for what the font has no letter for.

    Drawn as it is, each of these would be the same empty box.
    """
    # Slow to import, and of use nowhere else.
    from matplotlib.font_manager import FontProperties, findfont, get_font

    known = get_font(findfont(FontProperties())).get_charmap().keys() | {ord("\n")}
    return "".join(
        letter if ord(letter) in known else letter.encode("unicode_escape").decode()
        for letter in text
    )
