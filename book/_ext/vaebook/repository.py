"""Links to the repository, when the clone's origin is one that a reader can open."""

import re
import subprocess

# Hosts whose addresses the theme knows how to build.
ADDRESS = re.compile(
    r"(?:(?:https?|ssh)://(?:[^@/]+@)?|git@)"  # a user or token is left out
    r"(?P<host>(?:[\w-]+\.)*(?:github|gitlab|bitbucket)\.[\w.]+)(?::\d+)?[:/]"
    r"(?P<path>[\w.-]+(?:/[\w.-]+)+)/?"
)


def web_address(remote: str) -> str | None:
    """The https address of a git remote; None when it has none."""
    found = ADDRESS.fullmatch(remote.strip())
    if found is None:
        return None
    return f"https://{found['host']}/{found['path'].removesuffix('.git')}"


def git(folder, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True
        )
    except OSError:  # git is not installed
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def buttons(app, config):
    url = web_address(git(app.srcdir, "remote", "get-url", "origin"))
    if url is None:
        for name in ("repository_url", "path_to_docs", "repository_branch"):
            config.html_theme_options.pop(name, None)
        return
    head = git(app.srcdir, "rev-parse", "--abbrev-ref", "origin/HEAD")
    config.html_theme_options.update(
        repository_url=url,
        repository_branch=head.removeprefix("origin/") or "main",
        path_to_docs="",
        use_repository_button=True,
        use_issues_button=True,
        use_edit_page_button=True,
    )


def setup(app):
    app.connect("config-inited", buttons)
