"""The palette: legible, and one meaning to a colour."""

from __future__ import annotations

import pytest

from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.style import DARK, LIGHT

ON = {
    "paper": ("ink", "muted", "fwd", "grad", "knob", "bad", "ok", "warn"),
    "panel": ("ink", "muted"),
    "fwd_bg": ("ink", "fwd", "grad", "muted"),
    "knob_bg": ("ink", "muted", "grad"),
    "data_bg": ("ink", "muted", "grad"),
    "loss_bg": ("loss_ink", "loss_mut", "loss_grad", "bad_bg"),
    "bad_bg": ("ink", "bad", "fwd"),
    "ok_bg": ("ok",),
    "warn_bg": ("warn",),
}
PAIRS = [(ground, ink) for ground, inks in ON.items() for ink in inks]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize(("ground", "ink"), PAIRS)
def test_every_text_is_legible_on_its_ground(theme, ground, ink):
    assert style.contrast(getattr(theme, ink), getattr(theme, ground)) >= 4.5


def test_a_colour_of_the_light_theme_means_one_thing():
    colours = [value for name, value in vars(LIGHT).items() if name != "name"]
    assert len(colours) == len(set(colours))
    assert not set(colours) & {*style.VALUE_RAMP, *style.GRAD_RAMP, *style.GRAD_EDGE}


@pytest.mark.parametrize("ramp", [style.VALUE_RAMP, style.GRAD_RAMP])
def test_ramps_have_seven_steps_and_get_darker(ramp):
    light = [style.luminance(colour) for colour in ramp]
    assert len(ramp) == 7
    assert light == sorted(light, reverse=True)
    assert len(set(light)) == 7
