"""References: complete entries, and the right ones for a run."""

import re

import pytest

from darkhorn.generator.citations import CITATIONS, bibtex, citations_for, nucleon_references
from darkhorn.generator.header import Header
from darkhorn.generator.processes.dark_neutrino_topologies import WHOLE_TARGET_ZPRIME_EE
from darkhorn.kernels.errors import InputError


def test_entries_are_complete() -> None:
    for key, citation in CITATIONS.items():
        assert citation.key == key
        assert citation.arxiv or citation.doi or key == "darkhorn"
        assert re.fullmatch(r"(\d{4}\.\d{4,5}|[a-z-]+/\d{7})?", citation.arxiv)
        assert citation.bibtex.startswith(f"@{citation.kind}{{{key},")
        assert citation.bibtex.count("{") == citation.bibtex.count("}")
        assert citation.to_json()["bibtex"] == citation.bibtex


def test_a_run_cites_its_model_flux_and_experiment() -> None:
    header = Header(
        card_resolved={
            "source": {"beam": "bnb"},
            "model": {"name": "dark-neutrino"},
            "physics": {"regimes": ["n-elastic"], "incoherent": "fermi-gas", "nucleon_form_factors": "kelly"},
        },
        detector={"name": "microboone"},
        topologies=[WHOLE_TARGET_ZPRIME_EE],
    )
    keys = [c.key for c in citations_for(header)]
    assert keys[0] == "darkhorn"
    assert set(keys) == set(CITATIONS) - {"BMPT:2001"}
    assert len(keys) == len(set(keys))
    assert [c.key for c in citations_for(Header())] == ["darkhorn", "NuHepMC:2023", "DeVries:1987"]
    assert bibtex(citations_for(header)).count("@") == len(keys)


def test_a_run_with_rays_cites_the_beam_that_made_them() -> None:
    """Of the file (`rays` of the header), or simulated inline."""
    source = {"kind": "rays", "file": "rays.h5"}
    for beam, key in (("bnb", "MiniBooNE:2008"), ("numi-me", "BMPT:2001")):
        of_file = Header(card_resolved={"source": source}, extra={"rays": {"header": {"beam": beam}}})
        inline = Header(card_resolved={"source": {"kind": "beamline", "beam": beam}})
        for header in (of_file, inline):
            assert key in [c.key for c in citations_for(header)]


def test_keys() -> None:
    assert [c.key for c in citations_for(["DarkNews:2022"])] == ["DarkNews:2022"]
    with pytest.raises(InputError, match="Did you mean"):
        citations_for(["DarkNews"])


def test_nuclear_models_are_cited_where_they_are_used() -> None:
    nucleons = {"regimes": ["coherent", "p-elastic"], "incoherent": "closure", "nucleon_form_factors": "kelly"}
    assert nucleon_references(nucleons) == ("Kelly:2004",)
    assert "SmithMoniz:1972" in nucleon_references({**nucleons, "incoherent": "fermi-gas"})
    assert nucleon_references({**nucleons, "regimes": ["coherent"]}) == ()
