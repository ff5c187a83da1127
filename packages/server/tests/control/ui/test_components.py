"""Every component says what it shows in words, not in colour alone, and escapes what it is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django import forms
from django.http import HttpRequest
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import Client, override_settings
from ensign.control.ui import looks, samples
from ensign.control.ui.templatetags import ensign_ui

NOW = datetime(2026, 11, 22, 19, 13, 4, tzinfo=UTC)
EVIL = '<script>alert("x")</script>'


def render(source: str, **values: object) -> str:
    return Template("{% load ensign_ui %}" + source).render(Context(values))


@pytest.mark.usefixtures("site")
def test_the_style_guide_renders_every_component_and_no_inline_style_or_script() -> None:
    page = Client().get("/ui/styleguide/")
    text = page.content.decode()
    assert page.status_code == 200
    assert " style=" not in text
    assert "<style" not in text
    assert " onclick" not in text
    assert "<script>" not in text
    templates = Path(samples.__file__).parent / "templates" / "ui"
    source = "".join(file.read_text(encoding="utf-8") for file in templates.rglob("*.html"))
    tags = set(ensign_ui.register.tags) - {"hx"}  # filter_bar calls it in Python
    unused = {tag for tag in tags if f"{{% {tag}" not in source}
    assert not unused, f"components that no page shows: {sorted(unused)}"


@pytest.mark.usefixtures("site")
def test_the_style_guide_exists_only_while_debug_is_on() -> None:
    with override_settings(DEBUG=False):
        for address in ("", "errors/404", "commands?q="):
            assert Client().get(f"/ui/styleguide/{address}").status_code == 404


@pytest.mark.parametrize("state", looks.REQUEST_STATUSES)
def test_a_request_status_has_an_icon_and_a_word(state: str) -> None:
    html = render("{% request_status state %}", state=state)
    assert looks.REQUEST_STATUSES[state].word in html
    assert "<use href=" in html


def test_an_unknown_request_status_is_an_error_not_a_blank() -> None:
    with pytest.raises(KeyError):
        render("{% request_status state %}", state="pending")


def test_protection_is_said_not_only_drawn() -> None:
    assert ", protected" in render("{% environment env %}", env=samples.PRODUCTION)
    assert "protected" not in render("{% environment env %}", env=samples.STAGING)


def test_an_environment_with_an_unknown_colour_is_refused() -> None:
    with pytest.raises(ValueError, match="mauve"):
        looks.Environment(key="x", name="X", colour="mauve")


def test_environments_get_stable_colours_and_protected_ones_never_look_like_the_others() -> None:
    pick = looks.environment_colour
    assert pick(key="production", position=2, protected=True) == "crimson"
    assert pick(key="eu-live", position=3, protected=True) == "crimson"
    others = {pick(key=f"env{n}", position=n, protected=False) for n in range(20)}
    assert "crimson" not in others
    assert others <= set(looks.ENVIRONMENT_COLOURS)


def test_a_difference_shows_signs_words_and_both_sides() -> None:
    rows = (
        looks.DiffRow(what="share", before="10 %", after="50 %"),
        looks.DiffRow(what="variant", after="a"),
        looks.DiffRow(what="ids", before="1"),
    )
    html = render("{% diff d %}", d=looks.Difference(sentences=("It grows.",), rows=rows, before={"b": 1, "a": 2}))
    assert html.index("It grows.") < html.index("<table") < html.index("<details")
    for word in ("Changed", "Added", "Removed", "not there", "<del", "<ins"):
        assert word in html
    assert html.index("&quot;a&quot;: 2") < html.index("&quot;b&quot;: 1")


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("{% page_header t %}{% endpage_header %}", {"t": EVIL}),
        ("{% copyable t %}", {"t": EVIL}),
        ("{% person p detail=True %}", {"p": looks.Person(name=EVIL, detail=EVIL)}),
        ("{% diff d %}", {"d": looks.Difference(sentences=(EVIL,), rows=(looks.DiffRow(what=EVIL, after=EVIL),))}),
        ("{% diff d %}", {"d": looks.Difference(sentences=(), after={"x": EVIL})}),
        ("{% rules r %}", {"r": (looks.Rule(field=EVIL, operator=EVIL, values=(EVIL,)),)}),
        ("{% weights v %}", {"v": (looks.Variant(name=EVIL, weight=1000, payload=EVIL),)}),
        ("{% callout 'bad' t %}{{ t }}{% endcallout %}", {"t": EVIL}),
        ("{% empty_state t text=t %}{{ t }}{% endempty_state %}", {"t": EVIL}),
        ("{% badge t %}", {"t": EVIL}),
        ("{% icon t label=t %}", {"t": EVIL}),
    ],
)
def test_what_people_typed_never_becomes_markup(source: str, values: dict[str, object]) -> None:
    html = render(source, **values)
    assert "&lt;script&gt;" in html
    assert "<script" not in html


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=59), "1 min ago"),
        (timedelta(minutes=44), "44 min ago"),
        (timedelta(minutes=50), "1 h ago"),
        (timedelta(hours=21), "21 h ago"),
        (timedelta(hours=30), "1 d ago"),
        (timedelta(days=29), "29 d ago"),
        (timedelta(days=40), "13 Oct 2026"),
        (timedelta(hours=-3), "in 3 h"),
        (timedelta(seconds=-5), "in a moment"),
    ],
)
def test_times_read_as_people_say_them(ago: timedelta, words: str) -> None:
    assert ensign_ui.relative(NOW - ago, NOW) == words


def test_a_moment_carries_the_exact_utc_time() -> None:
    html = render("{% moment at copy=True %}", at=NOW)
    assert 'title="2026-11-22 19:13:04 UTC"' in html
    assert 'data-copy="2026-11-22 19:13:04 UTC"' in html


def test_a_flag_state_says_on_and_for_how_many() -> None:
    html = render("{% flag_state s %}", s=looks.FlagState(state="on", rollout=25, pending=2))
    for words in ("On", "25 %", 'width="25"', "2 waiting"):
        assert words in html
    assert "Not set up" in render("{% flag_state s %}", s=looks.FlagState(state="none"))


def test_a_field_ties_label_help_and_error_together_and_keeps_what_was_typed() -> None:
    class Form(forms.Form):
        key = forms.SlugField(help_text="Letters and digits.")

    form = Form({"key": "not valid!"})
    assert not form.is_valid()
    html = render("{% field f.key %}", f=form)
    assert 'value="not valid!"' in html
    assert 'aria-describedby="id_key_error id_key_helptext"' in html
    assert 'id="id_key_error"' in html
    assert 'id="id_key_helptext"' in html
    assert 'aria-invalid="true"' in html
    assert '<label for="id_key">' in html


def test_a_confirmation_repeats_project_environment_and_reach_and_names_the_act() -> None:
    html = render(
        '{% confirm id="x" title="Off?" act="Switch off in production" action="/go" project="Web shop" env=env '
        'subject="new-checkout" blast="31 instances" reason=True %}',
        env=samples.PRODUCTION, csrf_token="tok",
    )  # fmt: skip
    for words in ("Web shop", "Production", ", protected", "31 instances", "new-checkout", 'name="reason"', "tok"):
        assert words in html
    assert ">Switch off in production</button>" in html


@pytest.mark.parametrize(("weight", "words"), [(500, "50 %"), (333, "33.3 %"), (1000, "100 %"), (1, "0.1 %")])
def test_weights_read_as_per_cent(weight: int, words: str) -> None:
    assert looks.Variant(name="a", weight=weight).per_cent == words


@pytest.mark.parametrize(
    ("name", "initials"), [("Ada Lovelace", "AL"), ("ada@example.com", "AE"), ("Grace", "G"), ("…", "?"), ("", "?")]
)
def test_initials_exist_for_every_name(name: str, initials: str) -> None:
    assert looks.Person(name=name).initials == initials


class CodeForm(forms.Form):
    code = forms.CharField()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("account/reauthenticate.html", 'aria-describedby="id_code_error"'),
        ("mfa/totp/activate_form.html", 'class="btn btn-primary"'),
        ("mfa/recovery_codes/index.html", 'class="input input-mono"'),
    ],
)
def test_allauths_pages_wear_our_parts_and_hold_nothing_inline(
    name: str, expected: str, page_request: HttpRequest
) -> None:
    values = {"form": CodeForm({"code": ""}), "unused_codes": ["1234 5678"], "can_view_codes": True}
    html = render_to_string(name, values, request=page_request)
    assert "ui/css/tokens.css" in html
    assert expected in html
    assert "style=" not in html
    assert "<script>" not in html
