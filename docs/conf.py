"""How Sphinx builds the site from the pages of this folder; `make docs` calls it, with warnings as errors.

The pages are plain Markdown that reads well in the repository, so what only the site needs is added here: the
navigation, and the repository's address in links that lead out of this folder.
"""  # noqa: INP001 - read by Sphinx, not a module of a package

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))

from docs_pages import HOME, REPOSITORY, pages, toctrees, with_outside_links
from write_llms import llms, llms_full

from kling_mcp import __version__

ICON = Path(__file__).parent.parent / "kling_mcp" / "assets" / "icon.svg"

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "kling-mcp"
version = release = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_static"]

nitpicky = True
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"kling-mcp {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {
    "source_repository": REPOSITORY,
    "source_branch": "main",
    "source_directory": "docs/",
    "light_css_variables": {"color-brand-primary": "#0f766e", "color-brand-content": "#0f766e"},
    "dark_css_variables": {"color-brand-primary": "#5eead4", "color-brand-content": "#5eead4"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
if ICON.exists():
    html_logo = html_favicon = str(ICON)


def complete(_: Sphinx, name: str, source: list[str]) -> None:
    """Add to a page what only the site needs."""
    source[0] = with_outside_links(source[0]) + (toctrees() if name == HOME.stem else "")


def add_texts(app: Sphinx, error: Exception | None) -> None:
    """Put beside the site what models read: the list of pages, each page as it was written, and all in one."""
    if error is None and app.builder.format == "html":
        out = Path(app.outdir)
        for path in (HOME, *(page.path for page in pages())):
            shutil.copyfile(path, out / path.name)
        (out / "llms.txt").write_text(llms(on_the_site=True), "utf-8")
        (out / "llms-full.txt").write_text(llms_full(), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", complete)
    app.connect("build-finished", add_texts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
