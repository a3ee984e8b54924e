"""A picture as the engine lays it out: where its cards, boxes and lines are, in points, y upwards."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import unescape
from typing import Any

from glassgrad import autograd as ag
from glassgrad.viz.drawing.labels import Label
from glassgrad.viz.drawing.render import Picture, engines


def parameter(value: Any, name: str | None = None) -> ag.Tensor:
    """A trained leaf."""
    return ag.Tensor(value, requires_grad=True, name=name)


def words(shown: Picture | str) -> str:
    """The words of a picture or of markup."""
    source = shown.source if isinstance(shown, Picture) else shown
    return re.sub(r"\s+", " ", unescape(re.sub("<[^<>]*>", " ", source))).strip()


def node(picture: Picture, key: str) -> str:
    """The label of a card."""
    return re.search(rf"^\t+{key} \[(?:.*?)label=<(.*)>", picture.source, flags=re.MULTILINE)[1]  # type: ignore[index]


def printed(label: Label) -> str:
    """A label as DOT."""
    made = Picture()
    made.node("a", label)
    return made.source


@dataclass(frozen=True)
class Box:
    """A card, a module's box or a number: its middle and its size."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Box, slack: float = 0.5) -> bool:
        """Whether two boxes cover each other by more than the slack."""
        across = (self.width + other.width) / 2 - abs(self.x - other.x)
        down = (self.height + other.height) / 2 - abs(self.y - other.y)
        return across > slack and down > slack

    def holds(self, x: float, y: float, slack: float = 0.5) -> bool:
        """Whether a point is inside by more than the slack."""
        return abs(x - self.x) < self.width / 2 - slack and abs(y - self.y) < self.height / 2 - slack

    def near(self, point: tuple[float, float], slack: float = 12) -> bool:
        """Whether a point is on the border, or a little outside as the end of an arrow is."""
        x, y = point
        return abs(x - self.x) < self.width / 2 + slack and abs(y - self.y) < self.height / 2 + slack


@dataclass(frozen=True)
class Line:
    """An edge: its ends, points along it, its width."""

    start: tuple[float, float]
    end: tuple[float, float]
    points: tuple[tuple[float, float], ...]
    width: float


class LaidOut:
    """Cards by name, boxes of modules and their titles by name, lines by id, and the size of the picture."""

    def __init__(self, picture: Picture) -> None:
        engine = next(engine for engine in engines() if engine.origin == "wheel")
        self.said = json.loads(engine.run(picture.source, "json", picture.layout, *picture.flags))
        left, bottom, right, top = map(float, self.said["bb"].split(","))
        self.width, self.height = right - left, top - bottom
        self.cards: dict[str, Box] = {}
        self.boxes: dict[str, Box] = {}
        self.titles: dict[str, Box] = {}
        for item in self.said.get("objects", ()):
            if "pos" in item:
                x, y = map(float, item["pos"].split(","))
                drawn = self.titles if item["name"].endswith("_title") else self.cards
                drawn[item["name"]] = Box(x, y, 72 * float(item["width"]), 72 * float(item["height"]))
            elif "bb" in item:
                a, b, c, d = map(float, item["bb"].split(","))
                name = item["name"].removeprefix("cluster_")
                self.boxes[name] = Box((a + c) / 2, (b + d) / 2, c - a, d - b)
                if "lp" not in item:
                    continue
                x, y = map(float, item["lp"].split(","))
                self.titles[name] = Box(x, y, 72 * float(item["lwidth"]), 72 * float(item["lheight"]))
        self._labels = {item["name"]: item.get("_ldraw_", ()) for item in self.said.get("objects", ())}
        drawn = [edge for edge in self.said.get("edges", ()) if "_draw_" in edge and "id" in edge]
        self.lines = {edge["id"]: _line(edge) for edge in drawn}

    def right_ends(self, card: str) -> list[float]:
        """The right ends of the numbers on a card, in the order in which they are written."""
        texts = [part for part in self._labels[card] if part["op"] == "T" and re.fullmatch(r" *-?[\d.]+", part["text"])]
        return [part["pt"][0] + part["width"] * {"l": 1, "c": 0.5, "r": 0}[part["align"]] for part in texts]


def _line(edge: dict[str, str]) -> Line:
    spline: list[tuple[float, float]] = []
    ends: dict[str, tuple[float, float]] = {}
    for part in edge["pos"].split():
        *mark, x, y = part.split(",")
        if mark:
            ends[mark[0]] = float(x), float(y)
        else:
            spline.append((float(x), float(y)))
    points = [spline[0]]
    for a, b, c, d in zip(spline[::3], spline[1::3], spline[2::3], spline[3::3], strict=False):
        for t in (k / 16 for k in range(1, 17)):
            weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            points.append(tuple(sum(w * p[i] for w, p in zip(weights, (a, b, c, d), strict=True)) for i in (0, 1)))  # type: ignore[arg-type]
    start, end = ends.get("s", spline[0]), ends.get("e", spline[-1])
    return Line(start, end, tuple(points), float(edge.get("penwidth", 1)))
