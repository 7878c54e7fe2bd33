"""Who says so is one click away, and a citation never becomes markup."""

from urllib.parse import urlsplit

import pytest

from wizard import library
from wizard.cited import cited


@pytest.mark.parametrize("name", library.links())
def test_every_address_is_one_that_a_browser_opens_safely(name):
    """https, with a host."""
    address = urlsplit(library.links()[name])

    assert (address.scheme, bool(address.netloc)) == ("https", True)


def test_a_paper_is_linked_by_its_number():
    """The rest of the citation stays beside the link."""
    html = cited("Kwon et al. 2022 (arXiv 2204.09656), abstract")

    assert html.startswith('Kwon et al. 2022 (<a href="https://arxiv.org/abs/2204.09656"')
    assert html.endswith(">arXiv 2204.09656</a>), abstract")


def test_several_sources_of_one_citation_are_linked_each():
    """As a rule gives them, one after another."""
    html = cited("ONNX Runtime docs, float16.md (docs); NNCF documentation (docs)")

    assert html.count("<a href=") == 2


def test_a_citation_is_text():
    """No markup gets through, linked or not."""
    assert cited("<b>mine</b> & yours") == "&lt;b&gt;mine&lt;/b&gt; &amp; yours"


def test_every_address_is_used():
    """A link that no rule and no device cites any more is dropped."""
    spoken = [one.cite for rule in library.rules() for one in rule.sources]
    spoken += [
        ability.source
        for device in library.devices().values()
        for ability in device.abilities.values()
    ]

    assert [name for name in library.links() if not any(name in one for one in spoken)] == []


def test_papers_and_documents_have_an_address():
    """What is cited as a document can be opened, but for two that have no lasting address."""
    documents = {
        one.cite
        for rule in library.rules()
        for one in rule.sources
        if one.kind in {"paper", "docs", "issue"}
    }

    assert {one for one in documents if "<a href" not in cited(one)} <= {
        "iotclass and truetech notes on microcontroller memory",
        "newx.sg summary of a 1B to 405B study",
    }
