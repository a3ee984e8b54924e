"""The pages of the lesson: executed, true to their numbers, alike in both languages, whole as HTML and notebooks."""

import html
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from glassgrad.viz import lesson
from glassgrad.viz.drawing import words
from glassgrad.viz.lesson import run
from glassgrad.viz.lesson.exercises import LANGUAGES, tolerance
from glassgrad.viz.lesson.expand import _described
from glassgrad.viz.lesson.pages import to_html, write
from glassgrad.viz.lesson.text import cells, code, folder, source, stem, stems
from tests.viz.pages.browser import browse, needs_chromium

ROOT = Path(__file__).parents[3]
CHAPTERS = [stem(n + 1) for n in range(len(lesson.CHAPTERS))]


def text_of(outputs):
    """Everything that a cell wrote or showed as text. A busy kernel sends what a cell wrote in several pieces."""
    return "".join(
        output.get("text", "")
        or " ".join(value for kind, value in output.get("data", {}).items() if kind == "text/plain")
        for output in outputs
    )


def numbers_in(text):
    """Numbers with a decimal point or at least three digits; grouping commas and true minus signs are read."""
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.replace("−", "-"))
    found = re.findall(r"(?<![\w.])-?(?:\d*\.\d+|\d{3,})(?:e[+-]?\d+)?", plain)
    return {word: float(word) for word in found}


def decimals(word):
    return len(word.partition("e")[0].partition(".")[2])


def anchors(markdown):
    return re.findall(r"\{#([\w-]+)\}", markdown)


def prose(markdown):
    """The text of a page, without code of any language."""
    text = "\n".join(cell.text for cell in cells(markdown) if cell.kind == "markdown")
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("<Picture '2-2-2-2: one example through the network'>", "2-2-2-2：一个样本通过网络"),
        ("Plot('Two moons, bent apart: 200 of 200 right')", "两个月牙，被弯曲分开：200 个中 200 个正确"),
        ('<Page "it\'s w">', "it's w"),
        ("(2, 3)", "(2, 3)"),
    ],
)
def test_a_picture_is_described_by_its_title_in_the_language_of_the_page(shown, said):
    with words.speaking("zh"):
        assert _described(shown) == said


@pytest.mark.skipif(os.name == "nt", reason="a file stands where the folder would be made")
def test_no_code_runs_for_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        write(tmp_path / "file", progress=lambda name: pytest.fail(f"ran {name}"))


def test_the_code_of_the_first_chapter_runs_without_an_error():
    outputs = run.run(code(source(CHAPTERS[0], "en")))
    assert outputs
    assert [output for cell in outputs for output in cell if output["output_type"] == "error"] == []


@pytest.mark.check
@pytest.mark.parametrize("name", stems())
def test_the_code_runs_without_an_error(executed, name):
    assert len(executed[name]) == len(code(source(name, "en")))
    assert [output for outputs in executed[name] for output in outputs if output["output_type"] == "error"] == []


@pytest.mark.check
@pytest.mark.parametrize("name", CHAPTERS)
def test_every_number_of_the_text_is_given_or_computed_by_its_code(executed, name):
    """A number is one of the code, or one of the output as rounded in the text, or the answer of an exercise."""
    markdown = source(name, "en")
    given = numbers_in("\n".join(code(markdown)))
    computed = [*given.values()]
    for outputs in executed[name]:
        computed += numbers_in(text_of(outputs)).values()
    for made in lesson.exercises(int(name[:2])):
        computed += made.answer
    for language in LANGUAGES:
        for word, value in numbers_in(prose(source(name, language))).items():
            if re.fullmatch(r"(19|20)\d\d", word):
                continue  # a year
            near = 0.5 * 10.0 ** -decimals(word) * (1 + 1e-6)
            assert any(abs(abs(value) - abs(other)) <= near for other in computed), (language, word)


@pytest.mark.check
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_solution_computes_the_answer(executed, name):
    """Each exercise is followed by a solution whose output holds every number of the answer."""
    pieces = [cell for cell in cells(source(name, "en")) if cell.kind == "code"]
    places = [index for index, cell in enumerate(pieces) if cell.exercise]
    chapter = int(name[:2])
    assert [pieces[index].exercise for index in places] == [
        (chapter, n + 1) for n in range(len(lesson.exercises(chapter)))
    ]
    for place, end in zip(places, [*places[1:], len(pieces)], strict=True):
        solution = [index for index in range(place + 1, end) if pieces[index].solution]
        assert solution[0] == place + 1
        said = " ".join(text_of(executed[name][index]) for index in solution)
        found = [float(word) for word in re.findall(r"-?\d*\.?\d+(?:e[+-]?\d+)?", said)]
        for value in lesson.exercise(*pieces[place].exercise).answer:
            near = 0.1 * tolerance(value) + 1e-12
            assert any(abs(value - other) <= near for other in found), (place, value, said)


@pytest.mark.parametrize("name", stems())
def test_both_languages_have_the_same_code_and_the_same_places(name):
    english, chinese = (source(name, language) for language in LANGUAGES)
    assert code(english) == code(chinese)
    assert anchors(english) == anchors(chinese)
    fronts = [(folder() / language / f"{name}.md").read_text("utf-8") for language in LANGUAGES]
    assert all(re.match(r"---\ndescription: [^\n]+\n---\n# ", front) for front in fronts)
    links = [re.findall(r"\]\(([^)]+)\)", text) for text in (english, chinese)]
    assert links[0][1:] == links[1][1:]
    assert (links[0][0], links[1][0]) == (f"../zh/{name}.md", f"../en/{name}.md")


@pytest.mark.parametrize("name", stems())
def test_the_text_names_the_buttons_as_the_pages_do(name):
    english, chinese = (source(name, language) for language in LANGUAGES)
    for button in ("Neurons", "Worksheet"):
        assert chinese.count(f"**{words.table('zh')['said'][button]}**") == english.count(f"**{button}**")
        assert f"**{button}**" not in chinese


@pytest.mark.parametrize("name", stems())
def test_a_chinese_paragraph_is_one_line(name):
    """A line break between two characters would be shown as a space."""
    broken = re.findall(r"[\u3000-\u9fff\uff00-\uffef]\n *(?!\d+\. )[\u4e00-\u9fff\w(*`]", prose(source(name, "zh")))
    assert not broken


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_is_one_screen_of_text(name, language):
    """Without code and solutions, as a person reads it first."""
    pieces = cells(source(name, language))
    shown = "\n".join(cell.text for cell in pieces if cell.kind == "markdown" and not cell.solution)
    length = len(re.findall(r"[\w'’]+", shown)) if language == "en" else len(re.findall(r"[\u4e00-\u9fff]", shown))
    assert 120 <= length <= {"en": 420, "zh": 670}[language]


@pytest.mark.check
def test_a_process_of_its_own_shows_the_same_as_a_kernel(executed):
    name = CHAPTERS[0]
    here = run.run(code(source(name, "en")))
    assert [text_of(outputs) for outputs in here] == [text_of(outputs) for outputs in executed[name]]
    kinds = [[{*output.get("data", ())} for output in outputs] for outputs in here]
    shown = [[{*output.get("data", ())} for output in outputs] for outputs in executed[name]]
    pictures = {"image/svg+xml", "text/html"}  # of a picture a page needs the SVG alone
    assert kinds == [[found - {"text/html"} if found >= pictures else found for found in each] for each in shown]


def test_where_a_package_is_missing_the_page_says_so_and_goes_on():
    codes = ["x = 2\nimport no_such_package", "y = x + no_such_package.y", "x + 1"]
    missing, following, shown = run.run(codes)
    assert [outputs[0]["output_type"] for outputs in (missing, following)] == ["error", "error"]
    assert missing[0]["evalue"] == following[0]["evalue"] == "No module named 'no_such_package'"
    assert text_of(shown).strip() == "3"
    with pytest.raises(NameError):
        run.run(["z"])


@pytest.mark.check
@pytest.mark.parametrize("language", LANGUAGES)
def test_notebooks_hide_solutions(language):
    nbformat = pytest.importorskip("nbformat")
    for name in stems():
        book = lesson.notebook(name, language)
        nbformat.validate(book)
        assert json.loads(json.dumps(book)) == book
        codes = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
        source_cells = [cell for cell in cells(source(name, language)) if cell.kind == "code"]
        for cell, made in zip(source_cells, codes, strict=True):
            assert bool(made["metadata"]) == bool(cell.solution)
        text = "\n".join(cell["source"] for cell in book["cells"] if cell["cell_type"] == "markdown")
        beside = {f"{page}.{other}.ipynb" for page in stems() for other in LANGUAGES}
        assert {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)} <= beside
        assert not re.search(r"\{#|\?\?\?|^!!!|\.md\b", text, re.MULTILINE)
        assert text.count("<details>") == text.count("</details>") == source(name, language).count("???")
        assert (f'lesson.speak("{language}")' in (codes[0]["source"] if codes else "")) == (
            bool(codes) and language != "en"
        )


@pytest.fixture(scope="module")
def written(both, tmp_path_factory):
    """The lesson as HTML pages."""
    return write(tmp_path_factory.mktemp("lesson"), both).parents[1]


@pytest.mark.check
def test_every_link_of_the_offline_pages_leads_somewhere(written):
    pages = {path: path.read_text(encoding="utf-8") for path in written.glob("??/*.html")}
    assert len(pages) == len(stems()) * len(LANGUAGES)
    for path, text in pages.items():
        ids = re.findall(r' id="([\w-]+)"', text)
        assert len(ids) == len(set(ids))
        for link in re.findall(r' (?:href|src)="([^"]*)"', text):
            if link.startswith("https://"):
                continue
            target, _, place = html.unescape(link).partition("#")
            found = (path.parent / target).resolve() if target else path
            assert found.is_file(), (path.name, link)
            if place:
                assert f' id="{place}"' in found.read_text(encoding="utf-8"), (path.name, link)
        assert "**" not in re.sub(
            r"<pre.*?</pre>|<code.*?</code>|<script.*?</script>|<style.*?</style>", "", text, flags=re.S
        )


LOADED = "await new Promise(done => addEventListener('load', done));"


@pytest.mark.check
@needs_chromium
def test_a_wrong_answer_is_explained_and_the_language_keeps_the_place(written):
    page = written / "zh" / f"{CHAPTERS[0]}.html"
    script = """
    const place = document.querySelector('.lesson-check'), input = place.querySelector('input');
    for (const answer of ['', '-2', '0.12']) {
      input.value = answer;
      place.querySelector('button').click();
      const out = place.querySelector('output');
      seen[answer] = [out.textContent, out.className];
    }
    const solutions = [...document.querySelectorAll('details')];
    solutions[0].querySelector('summary').click();
    for (const solution of solutions) solution.open = true;
    seen.printed = solutions.map(solution => solution.matches('[data-opened]'));
    document.getElementById('exercise-2').scrollIntoView();
    const link = document.querySelector('a.lesson-language');
    link.addEventListener('click', event => event.preventDefault());
    link.click();
    seen.link = link.getAttribute('href');
    """
    text = page.read_text(encoding="utf-8")
    found = browse(SimpleNamespace(html=text), page.parent, LOADED + script, "", "--window-size=1280,900")
    assert found[""] == ["还没有答案：请把三个点换成你算出的数。", "wrong"]
    with words.speaking("zh"):
        assert found["-2"] == [lesson.check(1, 1, -2.0).said, "wrong"]
    assert found["0.12"][1] == "right"
    assert found["link"] == f"../en/{CHAPTERS[0]}.html#exercise-2"
    assert found["printed"] == [True, False, False]


@pytest.mark.check
@needs_chromium
def test_live_pages_follow_the_colours_of_the_site(written):
    """The site has its scheme as an attribute of the body, from which the switch changes it."""
    script = """
    const frame = document.querySelector('.lesson-live iframe');
    frame.loading = 'eager';
    seen.looks = [];
    const look = () => seen.looks.push(frame.contentDocument.documentElement.dataset.theme ?? null);
    const wait = () => new Promise(done => setTimeout(done, 400));
    await wait(); look();
    for (const scheme of ['default', 'slate']) { document.body.dataset.mdColorScheme = scheme; await wait(); look(); }
    """
    page = written / "zh" / f"{CHAPTERS[0]}.html"
    script = f"document.body.dataset.mdColorScheme = 'slate';{LOADED}{script}"
    options = "--allow-file-access-from-files", "--virtual-time-budget=9000"
    found = browse(SimpleNamespace(html=page.read_text(encoding="utf-8")), page.parent, script, "", *options)
    assert found["looks"] == ["dark", "light", "dark"]


@pytest.mark.check
def test_the_chinese_lesson_has_chinese_pages_and_pictures(written):
    for path in (written / "files/zh").glob("*.html"):
        assert '<html lang="zh-Hans">' in path.read_text(encoding="utf-8")
    for language, word in (("en", "the loss over the weight"), ("zh", "损失随权重的变化")):
        outputs = run.run(code(source(stem(6), language)), language=language)
        pictures = [output["data"].get("image/svg+xml", "") for cell in outputs for output in cell if "data" in output]
        assert any(word in picture for picture in pictures)


@pytest.mark.parametrize(
    ("markdown", "wanted"),
    [
        ("a *b* **c** `d*e*`", "<p>a <em>b</em> <strong>c</strong> <code>d*e*</code></p>"),
        ("2 * 3 * 4", "<p>2 * 3 * 4</p>"),
        ("1. a\n2. b\n   c\n\nd", "<ol>\n<li>a</li>\n<li>b c</li>\n</ol>\n<p>d</p>"),
        (
            "| a | b |\n|---|---|\n| 1 | `2` |",
            "<table>\n<tr><th>a</th><th>b</th></tr>\n<tr><td>1</td><td><code>2</code></td></tr>\n</table>",
        ),
        ("[a](b.md#c) [d](https://e.md)", '<p><a href="b.html#c">a</a> <a href="https://e.md">d</a></p>'),
        ("```python\n1 < 2\n```", '<pre class="python"><code>1 &lt; 2</code></pre>'),
        (
            '??? success "S"\n    a\n\n    `b`\n\nc',
            "<details><summary>S</summary>\n<p>a</p>\n<p><code>b</code></p>\n</details>\n<p>c</p>",
        ),
    ],
)
def test_markdown(markdown, wanted):
    assert to_html(markdown) == wanted
