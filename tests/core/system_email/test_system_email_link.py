"""The links that a system e-mail may have."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mailer.input.link import MAX_LINK, is_link_allowed

BASE = "https://app.example.com/id"
OTHER_HOST = "https://evil.example"

ALLOWED = [
    "https://app.example.com/id",
    "https://app.example.com/id/",
    "https://app.example.com/id/setpassword/4711/s3cr3t_-~.x",
    "https://app.example.com/id?token=abc&next=%2Fhome%3Fa%3D1",
    "https://app.example.com/id#token=abc",
    "https://app.example.com/id/v?x=/../y",
    "https://app.example.com:443/id/x",
    "HTTPS://APP.example.COM/id/x",
    "https://app.example.com/id/@ada",
    "https://app.example.com/id/caf%C3%A9",
    "https://app.example.com/id/a...b",
]

REFUSED = [
    "",
    "https://app.example.com",
    "https://app.example.com/",
    "https://app.example.com/identity",
    "https://app.example.com/ID/x",
    "http://app.example.com/id/x",
    "https://evil.example/id/x",
    "https://app.example.com.evil.example/id/x",
    "https://evil-app.example.com/id/x",
    "https://app.example.com./id/x",
    "https://app.example.com@evil.example/id/x",
    "https://app.example.com:443@evil.example/id/x",
    "https://app.example.com:pw@evil.example/id/x",
    "https://user@app.example.com/id/x",
    "https://app.example.com:8443/id/x",
    "https://app.example.com:/id/x",
    "https://app.example.com:0443/id/x",
    "//app.example.com/id/x",
    "//evil.example",
    "/id/x",
    "id/x",
    "https:/app.example.com/id/x",
    "https:app.example.com/id/x",
    "https:\\\\evil.example",
    "https://app.example.com\\@evil.example/id",
    "https://app.example.com/id\\..\\x",
    "javascript:alert(1)",
    "javascript://app.example.com/id/%0aalert(1)",
    "data:text/html,https://app.example.com/id",
    "mailto:evil@evil.example",
    "https://3232235777/id/x",
    "https://0x7f000001/id/x",
    "https://[::1]/id/x",
    "https://аpp.example.com/id/x",  # noqa: RUF001 -- Cyrillic on purpose
    "https://app.ехample.com/id/x",  # noqa: RUF001 -- as above
    "https://app。example。com/id/x",
    "https://app.example.com/id/é",
    "https://app.example.com/id/../x",
    "https://app.example.com/id/./x",
    "https://app.example.com/id/..",
    "https://app.example.com/id/..;/x",
    "https://app.example.com/id/%2e%2e/x",
    "https://app.example.com/id/%2E./x",
    "https://app.example.com/id/%252e%252e/x",
    "https://app.example.com/id/..%2fx",
    "https://app.example.com/id/..%5cx",
    "https://app.example.com/id//evil.example",
    "https://app.example.com/id/x%0d%0aLocation:y",
    "https://app.example.com/id/x?y=%00",
    "https://app.example.com/id/x?y=%7f",
    "https://app.example.com/id/x%",
    "https://app.example.com/id/x%g0",
    "https://app.example.com/id/x y",
    "https://app.example.com/id/x\n",
    "https://app.example.com/id/x\r\nBcc: a@b.example",
    "https://app.example.com/id/x\t",
    "https://app.example.com/id/x\u202ey",
    " https://app.example.com/id/x",
    'https://app.example.com/id/"><img src=x>',
    "https://app.example.com/id/<script>",
    "https://app.example.com/id/x#a#b",
    f"https://app.example.com/id/{'x' * MAX_LINK}",
    "\ud800",
]


@pytest.mark.parametrize("link", ALLOWED)
def test_a_link_into_the_base_is_allowed(link: str) -> None:
    assert is_link_allowed(link, BASE)


@pytest.mark.parametrize("link", REFUSED)
def test_IN23_every_other_link_is_refused(link: str) -> None:
    assert not is_link_allowed(link, BASE)


@pytest.mark.parametrize("base", ["https://app.example.com", "https://app.example.com/"])
@pytest.mark.parametrize(
    "link", ["https://app.example.com", "https://app.example.com/x", "https://app.example.com?x=1"]
)
def test_a_base_without_a_path_allows_every_path(link: str, base: str) -> None:
    assert is_link_allowed(link, base)


def test_a_slash_at_the_end_of_the_base_makes_no_difference() -> None:
    assert is_link_allowed("https://app.example.com/id/x", f"{BASE}/")
    assert not is_link_allowed("https://app.example.com/identity", f"{BASE}/")


def test_the_ports_of_a_local_base_are_compared() -> None:
    assert is_link_allowed("http://localhost:3000/x", "http://localhost:3000")
    assert not is_link_allowed("http://localhost:3001/x", "http://localhost:3000")
    assert not is_link_allowed("http://localhost/x", "http://localhost:3000")


# Text after the base must not lead a browser to another host.
TAILS = st.text(st.sampled_from([*"/\\.@:?#%&;=-_~aevil2Ef5cC0dD\t\n ", "é", "。"]), max_size=20)


@settings(max_examples=500)
@given(TAILS)
@example("@evil.example")
@example(".evil.example")
@example(":443@evil")
def test_IN23_an_allowed_link_has_the_host_of_the_base(tail: str) -> None:
    link = f"https://app.example.com{tail}"
    if is_link_allowed(link, "https://app.example.com"):
        authority = link.removeprefix("https://").replace("\\", "/")
        host = authority.partition("#")[0].partition("?")[0].partition("/")[0]
        assert host in ("app.example.com", "app.example.com:443")
        assert link.isascii()
        assert link.isprintable()


@settings(max_examples=500)
@given(TAILS)
def test_IN23_an_allowed_path_stays_below_the_base(tail: str) -> None:
    link = f"{BASE}/{tail}"
    if is_link_allowed(link, BASE):
        path = link.partition("?")[0].partition("#")[0]
        assert ".." not in path.lower().replace("%2e", ".").split("/")
        assert "%25" not in path.lower()


@settings(max_examples=300)
@given(st.text(max_size=60))
def test_IN23_random_text_is_refused(text: str) -> None:
    assert not is_link_allowed(text, BASE)
