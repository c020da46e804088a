"""Everything the browser needs comes from the site: no request to another host.

MathJax is copied from the package sphinx-mathjax-offline, reduced to what the pages
use. It does not pass through `_static` in the source folder, where Jupyter Book would
add every script to every page.
"""

import importlib.util
import shutil
from pathlib import Path

from vaebook.execution import tree_hash

MATHJAX = (
    "tex-chtml-full.js",  # every TeX extension in one file
    "output/chtml/fonts/woff-v2",
    "a11y",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
)


def package(name: str) -> Path:
    return Path(importlib.util.find_spec(name).submodule_search_locations[0])


def stage(app, config):
    source = package("sphinx-mathjax-offline") / "static" / "mathjax"
    staged = Path(app.outdir).resolve().parent / "browser"
    for name in MATHJAX:
        target = staged / "mathjax" / name
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target)
        else:
            shutil.copy2(source / name, target)
    config.html_static_path.append(str(staged))
    config.mathjax_path = "mathjax/tex-chtml-full.js"
    config.vaebook_assets = tree_hash(Path(app.srcdir) / "book" / "assets")


def setup(app):
    # "html": a changed style sheet writes every page again, or a warm build would
    # leave the old one in place.
    app.add_config_value("vaebook_assets", "", "html")
    # Jupyter Book sets this for an extension that is left out here.
    app.add_config_value("comments_config", {}, "")
    app.connect("config-inited", stage)
