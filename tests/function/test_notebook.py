"""What notebooks show of source and kernels: plain values that know how to be shown, with everything escaped."""

import pickle
import sys
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest

import graphopt as go
import graphopt.tensor as T
from graphopt.notebook import LONGEST, Listing, Source

x = go.variable("x", "float64[n, m]")


class Reader(HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self, page):
        super().__init__()
        self.text, self.tags = "", []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def without_pygments(monkeypatch):
    for name in ("pygments", "pygments.formatters", "pygments.lexers"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("target", ["c", "cuda"])
def test_source_is_a_text_that_a_notebook_highlights(target):
    source = go.lower([x], T.softmax(x), target=target).source
    assert isinstance(source, str) and type(source.replace("a", "b")) is str
    page = Reader(source._repr_html_())
    assert page.text.strip() == source.strip()
    assert "span" in page.tags and "style=" in source._repr_html_()
    again = pickle.loads(pickle.dumps(source))
    assert again == source and again.language == target


@pytest.mark.parametrize(
    "text", ["a < b && c > 0; // <script>alert('\"')</script> &amp;\n", "int x;\n" * (LONGEST // 6)]
)
def test_source_is_escaped_with_and_without_highlighting(monkeypatch, text):
    assert Reader(Source(text, "c")._repr_html_()).text.strip() == text.strip()
    without_pygments(monkeypatch)
    page = Reader(Source(text, "c")._repr_html_())
    assert page.text == text and page.tags == ["pre"]


def test_a_function_gives_its_source_and_kernels_so():
    f = go.function([x], T.softmax(x) @ T.softmax(x).T, target="numpy")
    assert f.source == str(f.source) and "<pre" in f.source._repr_html_()
    assert f.kernels == list(f.kernels) and len(f.kernels) > 1
    page = Reader(f.kernels._repr_html_())
    assert page.tags.count("tr") == len(f.kernels) + 1
    assert all(f"{kernel.name}{kernel.form}" in page.text for kernel in f.kernels)
    assert page.text.startswith("nameformloadsstoresflopsbytes")


@dataclass
class Row:
    name: str


def test_cells_of_a_table_are_escaped():
    page = Reader(Listing([Row("<b>&amp;</b>")])._repr_html_())
    assert page.text == "name<b>&amp;</b>" and set(page.tags) == {"table", "tr", "th", "td"}
    assert Reader(Listing()._repr_html_()).tags == ["table", "tr", "th"]
