"""What other packages write into a page that a screen reader would trip over, mended.

tests/site/test_accessibility.py finds such things with axe-core.
"""

import re

# docutils gives each entry of a bibliography a role that a list may not contain (and
# that is no longer in use).
ENTRY = re.compile(r'(<div class="citation"[^>]*) role="doc-biblioentry"')
# The corner of a table is not the heading of anything.
CORNER = re.compile(r'<th class="head">\s*(?:<p>\s*</p>)?\s*</th>')


def mend(app, pagename, templatename, context, doctree):
    if "body" in context:
        body = ENTRY.sub(r'\1 role="listitem"', context["body"])
        context["body"] = CORNER.sub('<td class="head"></td>', body)


def setup(app):
    app.connect("html-page-context", mend, priority=900)
