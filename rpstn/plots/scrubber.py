"""Going through images by hand, in a notebook that is open; and a video inside a page."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rpstn.errors import UserError


def frame_slider(images: Iterable[np.ndarray], fps: float = 12.0) -> Any:
    """Make a slider, a play button and the image that they choose: an ipywidgets.VBox.

    images  (H,W,3) uint8 RGB. All are held as JPEG, so that sliding is quick.
    Raises UserError where ipywidgets is not installed, or without images.
    """
    try:
        import ipywidgets
    except ImportError:
        raise UserError(
            "going through frames by hand needs ipywidgets; call `pip install ipywidgets`, or look at the video"
        ) from None
    encoded = [_jpeg(image) for image in images]
    if not encoded:
        raise UserError("there are no frames to go through")
    shown = ipywidgets.Image(value=encoded[0], format="jpeg")
    slider = ipywidgets.IntSlider(min=0, max=len(encoded) - 1, description="frame")
    play = ipywidgets.Play(min=0, max=len(encoded) - 1, interval=max(1, round(1000 / fps)))
    ipywidgets.jslink((play, "value"), (slider, "value"))

    def show(change: Any) -> None:
        shown.value = encoded[change["new"]]

    slider.observe(show, names="value")
    return ipywidgets.VBox([ipywidgets.HBox([play, slider]), shown])


def _jpeg(image: np.ndarray) -> bytes:
    written, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not written:
        raise ValueError(f"an image of shape {image.shape} cannot be encoded")
    return data.tobytes()


def video(path: str | Path, label: str) -> str:
    """Write HTML that plays a .webm and holds it, so that a page needs no other file.

    label  what the video shows, for those who do not see it; it is also the caption.
    """
    # "/" is written as %2F: nothing that looks like a path is in the page, which is cleaned of paths.
    data = base64.b64encode(Path(path).read_bytes()).decode().replace("/", "%2F")
    text = html.escape(label, quote=True)
    return (
        f'<figure class="video"><video controls loop muted playsinline style="max-width: 100%" aria-label="{text}" '
        f'src="data:video/webm;base64,{data}"></video><figcaption>{text}</figcaption></figure>'
    )
