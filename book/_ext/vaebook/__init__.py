"""The book's Sphinx extension: what turns notebooks into this site.

One module an idea, each with a `setup` of its own:

- `execution`   where notebooks run and when a cached run is still good
- `figures`     matplotlib figures that follow the page's theme
- `live`        figures that move: what they load, shared by all pages
- `checks`      the mark beside an equation that running code has verified
- `costs`       the line that says what a page costs to run
- `timings`     the table of what each chapter's cells cost
- `numbering`   equations, exercises and theorems numbered by chapter
- `punctuation` a formula and its full stop, a number and its unit, on one line
- `assets`      everything the browser needs, served by the site itself
- `accessible`  what other packages leave in the way of screen readers
- `api`         the page of the library's public names
- `repository`  where the book lives, and the links that follow from it
- `first_cell`  the cell by which a chapter fetches vaelib where it is missing
- `exercises`   the section of a chapter's exercises, written from the library
- `offline`     the wheel and the archive of all chapters that the site gives out

Nothing here knows what a variational autoencoder is.
"""

from vaebook import (
    accessible,
    api,
    assets,
    checks,
    costs,
    execution,
    figures,
    live,
    numbering,
    offline,
    punctuation,
    repository,
    timings,
)

MODULES = (
    execution,
    figures,
    live,
    checks,
    costs,
    numbering,
    punctuation,
    assets,
    accessible,
    api,
    repository,
    offline,
    timings,
)


def setup(app):
    for module in MODULES:
        module.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
