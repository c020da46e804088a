"""Live figures: their weights and modules move out of the page into shared files.

`vaelib.figures` writes each figure as HTML that carries all it needs in inline
scripts, marked `data-live-blob` and named by a hash of their content. Here each becomes
a file of its own, once for the whole site, that the page asks for when the figure comes
near the window. The files are classic scripts: unlike `fetch` or modules, these also
load from file://.
"""

import re
from pathlib import Path

BLOB = re.compile(
    r'<script type="application/json" data-live-blob="([0-9a-f]+)">(.*?)</script>', re.S
)
BOOT = re.compile(r"<script data-live-boot>(.*?)</script>", re.S)
FOLDER = "_static/live"


def move_blobs(app, pagename, templatename, context, doctree):
    body = context.get("body", "")
    if "data-live-blob" not in body:
        return
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    link = context["pathto"]
    placed = set()

    def blob(match):
        name, content = match.groups()
        if name in placed:
            return ""
        placed.add(name)
        write(folder / f"{name}.js", f'vaelibLive.blobs["{name}"]={content};\n')
        source = link(f"{FOLDER}/{name}.js", 1)
        return (
            f'<script type="application/json" data-live-blob="{name}" '
            f'data-src="{source}"></script>'
        )

    def boot(match):
        if "boot" in placed:
            return ""
        placed.add("boot")
        write(folder / "boot.js", match[1])
        return f'<script defer src="{link(f"{FOLDER}/boot.js", 1)}"></script>'

    context["body"] = BOOT.sub(boot, BLOB.sub(blob, body))


def write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app):
    app.connect("html-page-context", move_blobs, priority=900)
