"""Sites to look at, a browser to look with, and a record of what goes wrong in it.

Two sites: a small sample, built here, that shows every feature; and the book itself,
when `_build/html` holds a build of the present sources. A browser and a current book
may be missing on a laptop, where the tests that need them are skipped and say so. With
VAEBOOK_REQUIRE_SITE=1, as in CI, missing them is an error.
"""

import functools
import http.server
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlparse

import pytest

from sites import build, stage_sample, unavailable

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
]


def pytest_collection_modifyitems(items):
    """Two processes, each with its own sample: accessibility takes as long as the rest.

    Within each the sample, the browser and the copies of the book are made once.
    """
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            alone = item.path.stem == "test_accessibility"
            item.add_marker(pytest.mark.xdist_group("sight" if alone else "site"))


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Path:
    """The folder of the built sample site."""
    folder = tmp_path_factory.mktemp("sample")
    stage_sample(folder)
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html"


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        names = ("chromium", "chromium-browser", "google-chrome", "chrome")
        found = next(filter(None, map(shutil.which, names)), None)
        own = playwright.chromium.executable_path
        if not found and not Path(own).exists():
            unavailable(
                "NO BROWSER: the website was not looked at. Install Chromium (or run "
                "playwright install chromium) and test again."
            )
        chromium = playwright.chromium.launch(
            executable_path=found or own, args=ARGUMENTS
        )
        yield chromium
        chromium.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def address():
    """address(site, protocol) -> where that site's pages are, with a final slash."""
    servers = {}

    def where(site: Path, protocol: str = "http") -> str:
        if protocol == "file":
            return site.as_uri() + "/"
        if site not in servers:
            handler = functools.partial(Quiet, directory=str(site))
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers[site] = server
        return f"http://127.0.0.1:{servers[site].server_port}/"

    yield where
    for server in servers.values():
        server.shutdown()


@dataclass
class Visit:
    """A page in the browser, and what was wrong with it."""

    page: object
    problems: list[str] = field(default_factory=list)

    def settle(self):
        """Wait until the mathematics is set and nothing is on its way."""
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        return self


@pytest.fixture
def visit(browser):
    """visit(url, width=1400, scheme="light") opens a page, all other hosts cut off."""
    contexts = []

    def open_page(url: str, width: int = 1400, scheme: str = "light") -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        contexts.append(context)
        seen = Visit(context.new_page())

        def only_here(route):
            asked = urlparse(route.request.url)
            inside = asked.scheme in ("file", "data", "blob")
            if inside or asked.hostname == "127.0.0.1":
                route.continue_()
            else:
                seen.problems.append(f"asks another host: {route.request.url}")
                route.abort()

        def console(message):
            if message.type in ("error", "warning"):
                seen.problems.append(f"console {message.type}: {message.text}")

        context.route("**/*", only_here)
        seen.page.on("console", console)
        seen.page.on("pageerror", lambda e: seen.problems.append(f"script error: {e}"))
        seen.page.on(
            "response",
            lambda r: r.status >= 400 and seen.problems.append(f"{r.status}: {r.url}"),
        )
        seen.page.goto(url)
        return seen.settle()

    yield open_page
    for context in contexts:
        context.close()
