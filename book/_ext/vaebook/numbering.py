"""Equations, exercises, theorems and figures numbered by chapter: (9.1), (9.2), ...

Chapters carry their number in the title ("9. Training"), so Sphinx, which would
number sections by the table of contents, counts through the whole book.
"""

import re

CHAPTER = re.compile(r"(\d+)\.\s")


def by_chapter(app, env):
    for docname, kinds in env.toc_fignumbers.items():
        chapter = CHAPTER.match(env.titles[docname].astext())
        first = (int(chapter[1]),) if chapter else ()
        for numbers in kinds.values():
            for count, key in enumerate(numbers, 1):
                numbers[key] = (*first, count)
    return []


def setup(app):
    # After Sphinx's own numbering, which listens to the same event.
    app.connect("env-get-updated", by_chapter, priority=900)
