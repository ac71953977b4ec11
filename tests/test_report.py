"""The report: one page that needs nothing else, says what the profile says, and opens in a browser without a complaint."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from estimated_program import TEXT, ended, estimated
from typer.testing import CliRunner

import rdflow
from rdflow.charts import Log, Mark, Roof, roofline, steps
from rdflow.cli import app
from rdflow.interpreter.figures import Profile
from rdflow.interpreter.profile import profile
from rdflow.interpreter.timeline import timeline
from rdflow.page import page, prose, table, tag
from rdflow.report import COLD, HOT, heat, report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
SECTIONS = [
    "where-the-cycles-go", "schedule", "over-time", "roofline", "floor-plan", "bytes", "channels-ports-and-links",
    "by-formula-and-as-measured",
]  # fmt: skip
VOID = {"meta", "br", "img"}


class Reader(HTMLParser):
    """The elements of a page: every tag that is opened is closed, in order."""

    def __init__(self, text: str):
        super().__init__()
        self.opened: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.opened

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.opened and self.opened[-1] not in ("style", "script"):
            self.text.append(data)

    def ids(self) -> list[str | None]:
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]


def made(name: str, what_if: bool = False, **params: int) -> tuple[Profile, str]:
    program = rdflow.load(name, **params)
    execution = program.execution()
    execution.advance()
    found = profile(execution)
    doubled = program.what_if() if what_if else None
    return found, report(program, execution, found, timeline(execution, 30, least=10), doubled)


@pytest.fixture(scope="module")
def attention() -> tuple[Profile, str]:
    return made("attention", what_if=True, S=128)


@pytest.fixture(scope="module")
def unfused() -> tuple[Profile, str]:
    return made("monarch_fft_unfused")


# -- the page ----------------------------------------------------------------------------------------------------------


def test_every_section_is_there_once(attention: tuple[Profile, str], unfused: tuple[Profile, str]) -> None:
    assert Reader(unfused[1]).ids() == SECTIONS
    assert Reader(attention[1]).ids() == [SECTIONS[0], "what-twice-of-each-resource-gives", *SECTIONS[1:]]


def test_nothing_is_loaded_from_anywhere(unfused: tuple[Profile, str]) -> None:
    for name, attributes in Reader(unfused[1]).tags:
        assert name not in ("link", "img", "iframe", "object")
        assert not {"src", "href", "srcset", "action"} & set(attributes), name
    assert not re.search(r"url\(|@import|fetch\(|https?://(?!www\.w3\.org)", unfused[1])
    assert "default-src 'none'" in unfused[1]


def test_figures_are_those_of_the_profile(unfused: tuple[Profile, str]) -> None:
    found, text = unfused
    shown = " ".join(Reader(text).text)
    assert f"{found.cycles:,} cycles" in shown
    for kernel in found.kernels:
        for unit in kernel.units:
            assert f"{unit.firings:,}" in shown and f"{unit.utilization:.1%}" in shown
    bars = [a["aria-label"] for n, a in Reader(text).tags if n == "div" and a.get("class") == "bar"]
    units = [u for kernel in found.kernels for u in kernel.units]
    assert len(bars) == len(units) and f"busy {units[0].busy / units[0].total:.1%}" in (bars[0] or "")


def test_pictures_have_a_text(attention: tuple[Profile, str]) -> None:
    pictures = [a for n, a in Reader(attention[1]).tags if n == "svg"]
    assert len(pictures) == 4 and all(a.get("role") == "img" and a.get("aria-label") for a in pictures)


def test_names_are_escaped() -> None:
    assert prose("`a<b` & c") == "<code>a&lt;b</code> &amp; c"
    assert tag("p", title='"<') == '<p title="&quot;&lt;"></p>'
    assert "<script>alert" not in page("<script>alert(1)</script>", "")


def test_tables_are_sorted_by_numbers() -> None:
    found = table("c", ("<name", "size"), [["a", ("1 KiB", 1024)], ["b", ("3 B", 3)]], marked=1)
    assert '<td data-value="1024">1 KiB</td>' in found and found.count('class="limiter"') == 1


def test_what_is_estimated_is_said_where_it_is_shown() -> None:
    program = estimated()
    execution = ended(program)
    found = profile(execution)
    read = Reader(report(program, execution, found, timeline(execution, 30, least=10), None))
    shown = " ".join(read.text)
    assert "5 of 7 launches are estimated" in shown and "or estimated from such runs where it says so" in shown
    assert "3 and 6 steps of its carry are simulated" in shown and "No launch of it was simulated whole" in shown
    told = [a["aria-label"] or "" for n, a in read.tags if n == "svg"]
    assert "states of the units of total over time" in told and "states of the units of chain over time" not in told
    assert sum(a.get("class") == "launch estimated" for _, a in read.tags) == 2 * 5


# -- pictures ----------------------------------------------------------------------------------------------------------


def test_logarithmic_axes_have_whole_decades() -> None:
    axis = Log([0.3, 40.0], 0.0, 300.0)
    assert axis.decades == [0.1, 1.0, 10.0, 100.0] and axis.at(1.0) == pytest.approx(100.0)


def test_the_ridge_is_where_slope_and_peak_meet() -> None:
    drawn = roofline(1e14, 1e11, [Roof("hbm", 1e12)], [Mark("k", "hbm", 10.0, 1e12, 8)])
    (corners,) = re.findall(r'points="([^"]+)" class="roof"', drawn)
    (x, y), (cx, cy) = (tuple(map(float, corners.split()[1].split(","))) for _ in range(2))
    grid = [float(v) for v in re.findall(r'<line x1="([\d.]+)"[^>]*class="grid"', drawn)]
    assert (x, y) == (cx, cy) and min(abs(x - g) for g in grid) < 0.06  # 1e14 / 1e12 = 100, a decade
    assert "hbm" in re.findall(r'class="point (\w+)"', drawn)


def test_steps_of_the_same_height_are_one() -> None:
    x, low = np.array([0.0, 1, 2, 3, 4]), np.zeros(4)
    drawn = steps(x, low, np.array([0.5, 0.5, 0.0, 1.0]), 10.0)
    assert drawn == "M0.0 18.5H2.0V27.0H0.0ZM3.0 10.0H4.0V27.0H3.0Z"


def test_heat_goes_from_cold_to_hot() -> None:
    assert [heat(0.0), heat(1.0)] == ["#" + "".join(f"{v:02x}" for v in color) for color in (COLD, HOT)]


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_writes_report_and_trace_of_one_run(tmp_path: Path) -> None:
    arguments = ["profile", "hello", "--set", "N=4096", "--quiet", "--trace-slices", "9"]
    files = {"--report": tmp_path / "hello.html", "--trace": tmp_path / "hello.pftrace"}
    result = CliRunner().invoke(app, [*arguments, *(str(p) for pair in files.items() for p in pair)])
    assert (result.exit_code, result.output) == (0, "")
    assert all(path.stat().st_size > 1000 for path in files.values())
    refused = CliRunner().invoke(app, [*arguments, "--report", str(tmp_path)])
    assert refused.exit_code == 1 and "it is a folder" in refused.output


def test_the_command_shows_what_it_estimates(tmp_path: Path) -> None:
    (tmp_path / "between.rdf").write_text(TEXT)
    files = {"--report": tmp_path / "b.html", "--trace": tmp_path / "b.pftrace"}
    asked = [
        "profile",
        str(tmp_path / "between.rdf"),
        "--points",
        "2",
        "--extrapolate",
        "NL=3,6",
        "--what-if",
        "--json",
    ]
    result = CliRunner().invoke(app, [*asked, *(str(p) for pair in files.items() for p in pair)])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["simulation"]["launches_modelled"] == 5
    assert "estimated again" in {one["how"] for one in document["what_if"]}
    assert all(path.stat().st_size > 1000 for path in files.values())


# -- a browser ---------------------------------------------------------------------------------------------------------


def browse(folder: Path, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The page in a browser without a window, its console on stderr."""
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    command += [f"--user-data-dir={folder / 'browser'}", "--enable-logging=stderr", "--v=0", *options, file.as_uri()]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stderr
    assert "CONSOLE" not in found.stderr, found.stderr
    return found


@pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed")
def test_a_browser_opens_the_page_and_complains_of_nothing(attention: tuple[Profile, str], tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(attention[1], encoding="utf-8")
    document = browse(tmp_path, file, "--dump-dom").stdout
    assert 'data-ready="yes"' in document  # the script ran to its end
    assert [i for i in Reader(document).ids() if i] == Reader(attention[1]).ids()
    assert document.count("<svg") == attention[1].count("<svg") == 4 and document.count('class="bar"') == attention[
        1
    ].count('class="bar"')


@pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed")
def test_a_press_on_a_head_sorts_the_table(attention: tuple[Profile, str], tmp_path: Path) -> None:
    found, text = attention
    press = 'document.querySelectorAll("section table th button")[3].click();\n</script>'
    file = tmp_path / "page.html"
    file.write_text(text.replace("</script>", press), encoding="utf-8")
    document = browse(tmp_path, file, "--dump-dom").stdout
    body = document.split("<tbody>")[1].split("</tbody>")[0]
    firings = [int(row.split('data-value="')[2].split('"')[0]) for row in body.split("<tr")[1:]]
    assert firings == sorted((u.firings for u in found.kernels[0].units), reverse=True)
    assert 'aria-sort="descending"' in document


@pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed")
@pytest.mark.parametrize("scheme, paper", [("light", "rgb(251, 252, 253)"), ("dark", "rgb(16, 22, 29)")])
def test_a_browser_draws_the_page(scheme: str, paper: str, unfused: tuple[Profile, str], tmp_path: Path) -> None:
    file, picture = tmp_path / "page.html", tmp_path / "page.png"
    told = "document.body.dataset.paper = getComputedStyle(document.body).backgroundColor;\n</script>"
    file.write_text(unfused[1].replace("</script>", told), encoding="utf-8")
    prefers = f"--blink-settings=preferredColorScheme={int(scheme == 'light')}"
    assert f'data-paper="{paper}"' in browse(tmp_path, file, prefers, "--dump-dom").stdout
    browse(tmp_path, file, prefers, "--window-size=1240,2400", f"--screenshot={picture}")
    content = picture.read_bytes()
    assert [int.from_bytes(content[at : at + 4], "big") for at in (16, 20)] == [1240, 2400]  # of a PNG: width, height
    assert len(content) > 100_000  # an empty page of this size takes 10,000
