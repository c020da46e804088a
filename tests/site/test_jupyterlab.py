"""A live figure on a live kernel: JupyterLab, Run All, drag, and Python knows.

One server and one notebook for everything, because both take seconds to start.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

CELLS = [
    "import torch\nimport vaelib\nfrom vaelib import figures",
    "torch.manual_seed(0)\n"
    "vae = vaelib.VAE.mlp((1, 28, 28), hidden=(32,), latent_dim=3)\n"
    "figure = figures.latent_explorer(vae)\nfigure",
    "kl = figures.gaussian_kl()\nkl",
    "vaelib.explore(vae)",
    "import ipywidgets\n"
    "said = ipywidgets.HTML('<p id=\"said\">nothing</p>')\n"
    "def say(change):\n"
    "    said.value = f'<p id=\"said\">{figure.z[0]:.2f} {kl.kl:.4f}</p>'\n"
    "figure.observe(say, 'z')\nkl.observe(say, 'q')\nsaid",
]
STARTED = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt')]
  .some((e) => e.textContent.trim() !== '[ ]:')"""
FINISHED = """() => { const prompts =
    [...document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt')];
  return prompts.length > 0 && prompts.every((e) => /^\\[\\d+\\]:$/.test(
    e.textContent.trim())); }"""


@pytest.fixture
def lab(tmp_path):
    """The address of a notebook in a JupyterLab of its own."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in CELLS],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    work = tmp_path / "work"
    work.mkdir()
    nbformat.write(notebook, work / "live.ipynb")
    settings = tmp_path / "settings"
    settings.mkdir()
    news = {"fetchNews": "false", "checkForUpdates": False}
    overrides = {"@jupyterlab/apputils-extension:notification": news}
    (settings / "overrides.json").write_text(json.dumps(overrides))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(12)
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "user"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("VAELIB_STATIC", None)
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", f"--port={port}"),
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={work}",
        "--ServerApp.allow_root=True",
        "--ServerApp.port_retries=0",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--LabApp.app_settings_dir={settings}",
    ]
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{base}/api/status?token={token}", timeout=1)
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "log").read_text()[-2000:]
                time.sleep(0.25)
        yield f"{base}/lab/tree/live.ipynb?token={token}&reset"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def test_a_figure_in_jupyterlab_moves_and_python_knows(browser, lab):
    page = browser.new_page(viewport={"width": 1300, "height": 1800})
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(lab)
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    # The notebook says "idle" before the kernel is connected, and Run All is then
    # dropped without a word: wait for the status bar, and ask again when needed.
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
    for _ in range(5):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator(".lm-Menu-item[data-command='runmenu:run-all']").click()
        try:
            page.wait_for_function(STARTED, timeout=4000)
            break
        except Exception:
            continue
    page.wait_for_function(FINISHED, timeout=120_000)
    page.wait_for_selector(".vf canvas.vf-image", timeout=30_000)
    page.wait_for_selector("#said", timeout=30_000)

    image = page.locator(".vf canvas.vf-image")
    before = image.evaluate("e => e.toDataURL()")
    slider = page.get_by_label("z 1", exact=True)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 9, y, steps=8)
    page.mouse.up()
    page.wait_for_function(
        "() => document.querySelector('#said').textContent.startsWith('3.00')",
        timeout=20_000,
    )
    assert image.evaluate("e => e.toDataURL()") != before

    # Arrow keys move the figure, not the selected cell, and Python hears of it.
    page.get_by_label("mean of q", exact=True).focus()
    selected = "e => [...document.querySelectorAll('.jp-Cell')].findIndex("
    selected += "(c) => c.classList.contains('jp-mod-selected'))"
    cell = page.evaluate(selected)
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    # q = N(0, 1/e) against p = N(0, 1): 1/(2 e) nats.
    page.wait_for_function(
        "() => document.querySelector('#said').textContent.endsWith('0.1839')",
        timeout=20_000,
    )
    assert page.evaluate(selected) == cell

    # explore() asks the kernel for every picture.
    picture = page.locator("img.widget-image")
    picture.scroll_into_view_if_needed()
    before = picture.get_attribute("src")
    page.locator(".noUi-handle").first.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "(old) => document.querySelector('img.widget-image').src !== old",
        arg=before,
        timeout=20_000,
    )
    assert not problems
    page.close()
