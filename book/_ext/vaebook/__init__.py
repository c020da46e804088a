"""The book's Sphinx extension: what turns notebooks into this site.

One module an idea, each with a `setup` of its own:

- `execution`   where notebooks run and when a cached run is still good
- `figures`     matplotlib figures that follow the page's theme
- `live`        figures that move: what they load, shared by all pages
- `checks`      the mark beside an equation that running code has verified
- `costs`       the line that says what a page costs to run
- `numbering`   equations, exercises and theorems numbered by chapter
- `assets`      everything the browser needs, served by the site itself
- `api`         the page of the library's public names
- `repository`  links to the repository, when there is one to link to

Nothing here knows what a variational autoencoder is.
"""

from vaebook import (
    api,
    assets,
    checks,
    costs,
    execution,
    figures,
    live,
    numbering,
    repository,
)

MODULES = (
    execution,
    figures,
    live,
    checks,
    costs,
    numbering,
    assets,
    api,
    repository,
)


def setup(app):
    for module in MODULES:
        module.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
