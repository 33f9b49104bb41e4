"""Going through pictures by hand, in a notebook that is open; and a video inside a page."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rpstn.errors import UserError


def scrubber(pictures: Iterable[np.ndarray], fps: float = 12.0, label: str = "frame") -> Any:
    """A slider, a play button and the picture that they choose: an ipywidgets.VBox.

    pictures  (H,W,3) uint8 RGB. All are held as JPEG, so that sliding is quick.
    Raises UserError where ipywidgets is not installed, or without pictures.
    """
    try:
        import ipywidgets
    except ImportError:
        raise UserError(
            "going through frames by hand needs ipywidgets; call `pip install ipywidgets`, or look at the video"
        ) from None
    encoded = [_jpeg(picture) for picture in pictures]
    if not encoded:
        raise UserError("there are no frames to go through")
    image = ipywidgets.Image(value=encoded[0], format="jpeg")
    slider = ipywidgets.IntSlider(min=0, max=len(encoded) - 1, description=label)
    play = ipywidgets.Play(min=0, max=len(encoded) - 1, interval=max(1, round(1000 / fps)))
    ipywidgets.jslink((play, "value"), (slider, "value"))

    def show(change: Any) -> None:
        image.value = encoded[change["new"]]

    slider.observe(show, names="value")
    return ipywidgets.VBox([ipywidgets.HBox([play, slider]), image])


def _jpeg(picture: np.ndarray) -> bytes:
    written, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not written:
        raise ValueError(f"a picture of shape {picture.shape} cannot be encoded")
    return data.tobytes()


def video(path: str | Path, label: str, width: int | None = None) -> str:
    """HTML that plays a .webm and holds it, so that a page needs no other file.

    label  what the video shows, for those who do not see it; it stands below, too. width: in px of the page.
    """
    # "/" is written as %2F: nothing that looks like a path is in the page, which is cleaned of paths.
    data = base64.b64encode(Path(path).read_bytes()).decode().replace("/", "%2F")
    size = f' width="{width}"' if width else ""
    text = html.escape(label, quote=True)
    return (
        f'<figure class="video"><video controls loop muted playsinline{size} style="max-width: 100%" aria-label="{text}" '
        f'src="data:video/webm;base64,{data}"></video><figcaption>{text}</figcaption></figure>'
    )
