"""Where the book lives: one place that knows, and the links that follow from it.

The address is looked for in this order:

1. the environment variable VAEBOOK_REPOSITORY ("none" means that there is none);
2. the variables by which GitHub and GitLab tell their runners what they build;
3. the git remote `origin` of the folder that is built.

So a fork's site points at the fork, without a line to change. An address that a reader
cannot open (a path on a disk, a host that the theme does not know) counts as none, and
the buttons are left out.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

# Hosts whose addresses the theme knows how to build.
ADDRESS = re.compile(
    r"(?:(?P<web>https?://)(?:[^@/]+@)?|ssh://(?:[^@/]+@)?|[\w-]+@)"  # user left out
    r"(?P<host>(?:[\w-]+\.)*(?:github|gitlab|bitbucket)\.[\w.]+)"
    r"(?P<port>:\d+(?=/))?[:/]"
    r"(?P<path>[\w.-]+(?:/[\w.-]+)+)/?"
)
COLAB = "https://colab.research.google.com"
BINDER = "https://mybinder.org"
# The form in .github/ISSUE_TEMPLATE that the button opens, and its field for the page.
FORM, FIELD = "chapter.yml", "chapter"


class Repository(NamedTuple):
    """A repository that readers can open: its https address, and its branch."""

    url: str
    branch: str

    @property
    def host(self) -> str:
        """github, gitlab or bitbucket."""
        name = urlsplit(self.url).hostname
        return next(h for h in ("github", "gitlab", "bitbucket") if h in name)


def web_address(remote: str) -> str | None:
    """The https address of a git remote; None when it has none."""
    found = ADDRESS.fullmatch(remote.strip())
    if found is None:
        return None
    port = (found["port"] or "") if found["web"] else ""  # that of ssh is not the web's
    return f"https://{found['host']}{port}/{found['path'].removesuffix('.git')}"


def git(folder, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True
        )
    except OSError:  # git is not installed
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def find(folder, environment=os.environ) -> Repository | None:
    """The repository that `folder` is built from; None where readers have none."""
    said = environment.get("VAEBOOK_REPOSITORY", "").strip()
    if said.lower() == "none":
        return None
    branch = ""
    if said:
        # "https://github.com/owner/book@branch" names a branch, too.
        found = re.fullmatch(r"(.*[:/][\w.-]+/[\w.-]+)@(.+)", said)
        said, branch = found.groups() if found else (said, "")
    elif environment.get("GITHUB_REPOSITORY"):
        host = environment.get("GITHUB_SERVER_URL", "https://github.com")
        said = f"{host}/{environment['GITHUB_REPOSITORY']}"
        if environment.get("GITHUB_REF_TYPE") == "branch":
            # On a pull request the ref is of the merge, which readers cannot open.
            branch = environment.get("GITHUB_BASE_REF", "") or environment.get(
                "GITHUB_REF_NAME", ""
            )
    elif environment.get("CI_PROJECT_URL"):
        said = environment["CI_PROJECT_URL"]
        branch = environment.get("CI_DEFAULT_BRANCH", "")
    elif own_clone(folder):
        said = git(folder, "remote", "get-url", "origin")
    url = web_address(said)
    if url is None:
        return None
    head = git(folder, "rev-parse", "--abbrev-ref", "origin/HEAD")
    return Repository(url, branch or head.removeprefix("origin/") or "main")


def own_clone(folder) -> bool:
    """Whether `folder` is the top of a clone: another's around it does not count."""
    top = git(folder, "rev-parse", "--show-toplevel")
    return bool(top) and Path(top).resolve() == Path(folder).resolve()


def launch_buttons(repository: Repository) -> dict[str, str]:
    """Where a chapter can be run: Binder opens any repository, Colab GitHub's only."""
    found = {"binderhub_url": BINDER, "notebook_interface": "jupyterlab"}
    if repository.url.startswith("https://github.com/"):
        found["colab_url"] = COLAB
    return found


def options(repository: Repository) -> dict:
    """The theme's options for the buttons of this repository."""
    return {
        "repository_url": repository.url,
        "repository_provider": repository.host,
        "repository_branch": repository.branch,
        "path_to_docs": "",
        "use_repository_button": True,
        "use_edit_page_button": True,
        # The theme has no form for Bitbucket, and warns.
        "use_issues_button": repository.host != "bitbucket",
        "launch_buttons": launch_buttons(repository),
    }


def buttons(app, config):
    repository = find(app.srcdir)
    config.vaebook_repository = tuple(repository) if repository else ()
    theme = config.html_theme_options
    if repository:
        theme.update(options(repository))
        return
    for name in ("repository_url", "path_to_docs", "repository_branch"):
        theme.pop(name, None)
    theme["launch_buttons"] = {}


def issue_form(app, pagename, templatename, context, doctree):
    """Let GitHub's issue button open the form, with the page filled in.

    It also replaces the theme's wording, "Open issue", which could mean one to read.
    """
    repository = app.config.vaebook_repository
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("label") != "source-issues-button":
                continue
            button.update(text="Report a mistake", tooltip="Report a mistake")
            if Repository(*repository).host == "github":
                button["url"] = (
                    f"{repository[0]}/issues/new?template={FORM}"
                    f"&{FIELD}={quote(pagename, safe='')}"
                )


def setup(app):
    # "html": another address writes every page again.
    app.add_config_value("vaebook_repository", (), "html")
    app.connect("config-inited", buttons)
    # After the theme, which makes the buttons.
    app.connect("html-page-context", issue_form, priority=950)
