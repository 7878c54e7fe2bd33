"""How the page looks: fonts, the map from Gradio's variables to ours, style sheet, script.

Covers: what `launch` is told about looks. Does not cover: the rules themselves
(assets/ui/style.css), where all colours are, for light and dark.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gradio as gr

from wizard import library
from wizard.ui import pieces

# Gradio's variable -> ours. Each is set for light and for dark mode; ours change with the mode.
COLOURS = {
    "body_background_fill": "--bg",
    "body_text_color": "--ink",
    "body_text_color_subdued": "--mut",
    "background_fill_primary": "--sf",
    "background_fill_secondary": "--sf2",
    "border_color_primary": "--ln",
    "border_color_accent": "--ac",
    "color_accent_soft": "--acs",
    "block_border_color": "--ln",
    "block_label_text_color": "--mut",
    "block_title_text_color": "--ink",
    "block_info_text_color": "--mut",
    "input_background_fill": "--sf",
    "input_background_fill_focus": "--sf",
    "input_border_color": "--ln2",
    "input_border_color_focus": "--ac",
    "input_placeholder_color": "--mut",
    "checkbox_background_color": "--sf",
    "checkbox_background_color_selected": "--ac",
    "checkbox_border_color": "--ln2",
    "checkbox_border_color_selected": "--ac",
    "checkbox_label_background_fill": "--sf",
    "checkbox_label_background_fill_hover": "--sf",
    "checkbox_label_background_fill_selected": "--acs",
    "checkbox_label_border_color": "--ln",
    "checkbox_label_border_color_selected": "--ac",
    "checkbox_label_text_color": "--ink",
    "checkbox_label_text_color_selected": "--ink",
    "button_primary_background_fill": "--ac",
    "button_primary_background_fill_hover": "--ac2",
    "button_primary_text_color": "--onac",
    "button_primary_text_color_hover": "--onac",
    "button_primary_border_color": "--ac",
    "button_secondary_background_fill": "--btn",
    "button_secondary_background_fill_hover": "--sf2",
    "button_secondary_text_color": "--ink",
    "button_secondary_text_color_hover": "--ink",
    "button_secondary_border_color": "--ln2",
    "link_text_color": "--ac",
    "link_text_color_hover": "--ac2",
    "link_text_color_visited": "--ac",
    "link_text_color_active": "--ac",
    "error_background_fill": "--sf",
    "error_text_color": "--bad",
    "error_border_color": "--bad",
}
# The same in both modes.
PLAIN = {
    "block_background_fill": "transparent",
    "block_border_width": "0px",
    "block_padding": "0px",
    "block_shadow": "none",
    "block_label_background_fill": "transparent",
    "panel_background_fill": "transparent",
    "button_border_width": "1px",
    "button_large_padding": "11px 20px",
    "button_large_radius": "8px",
    "input_border_width": "1px",
    "checkbox_label_border_width": "1px",
    "checkbox_border_width": "1px",
    "checkbox_label_padding": "14px 16px",
    "checkbox_label_gap": "10px",
    "form_gap_width": "0px",
    "layout_gap": "26px",
}


def theme() -> Any:
    """Gradio's base in our colours and IBM Plex; only its weights 400 and 700 have all letters."""
    made = gr.themes.Base(
        font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[gr.themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"],
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
    )
    known = {name for name in dir(made) if not name.startswith("_")}
    settings = dict(PLAIN)
    for name, ours in COLOURS.items():
        settings[name] = f"var({ours})"
        if f"{name}_dark" in known:
            settings[f"{name}_dark"] = f"var({ours})"
    for name in PLAIN:
        if f"{name}_dark" in known:
            settings[f"{name}_dark"] = PLAIN[name]
    return made.set(**settings)


def folder() -> Path:
    """Where style sheet, script and pictures lie."""
    return library.assets_folder() / "ui"


def looks(groups: Iterable[str]) -> dict[str, Any]:
    """What `launch` is told: theme, style sheets, script, icon."""
    return {
        "theme": theme(),
        "css_paths": [folder() / "style.css"],
        "css": pieces.group_css(groups),
        "js": (folder() / "wizard.js").read_text(encoding="utf-8"),
        "favicon_path": folder() / "favicon.svg",
    }
