"""What to cite: references of the generator, its formats, models, fluxes and form factors, with BibTeX."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from darkhorn.generator.header import Header
from darkhorn.kernels.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Citation:
    """One reference. `use` says what it is cited for; empty fields are left out of the BibTeX entry."""

    key: str
    authors: str
    title: str
    year: int
    use: str
    arxiv: str = ""
    doi: str = ""
    journal: str = ""
    volume: str = ""
    pages: str = ""
    kind: str = "article"

    @property
    def bibtex(self) -> str:
        """The BibTeX entry."""
        fields = {
            "author": self.authors,
            "title": f"{{{self.title}}}",
            "journal": self.journal,
            "volume": self.volume,
            "pages": self.pages,
            "year": str(self.year),
            "eprint": self.arxiv,
            "archivePrefix": "arXiv" if self.arxiv else "",
            "doi": self.doi,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])

    def to_json(self) -> dict[str, str]:
        """As stored in the header of a run."""
        return {
            "key": self.key,
            "arxiv": self.arxiv,
            "doi": self.doi,
            "title": self.title,
            "use": self.use,
            "bibtex": self.bibtex,
        }


CITATIONS = {
    citation.key: citation
    for citation in (
        Citation(
            key="darkhorn",
            authors="{the darkhorn authors}",
            title="darkhorn: GPU-accelerated Monte Carlo of dark-sector signals at neutrino beams",
            year=2026,
            use="the generator",
            kind="misc",
        ),
        Citation(
            key="NuHepMC:2023",
            authors="Gardiner, S. and Isaacson, J. and Pickering, L.",
            title="NuHepMC: A standardized event record format for neutrino event generators",
            year=2023,
            use="the event format",
            arxiv="2310.13211",
        ),
        Citation(
            key="Bertuzzo:2018",
            authors="Bertuzzo, Enrico and Jana, Sudip and Machado, Pedro A. N. and Zukanovich Funchal, Renata",
            title="Dark Neutrino Portal to Explain MiniBooNE excess",
            year=2018,
            use="the model: dark neutrinos with a light dark photon",
            arxiv="1807.09877",
            doi="10.1103/PhysRevLett.121.241801",
            journal="Phys. Rev. Lett.",
            volume="121",
            pages="241801",
        ),
        Citation(
            key="Ballett:2018",
            authors="Ballett, Peter and Pascoli, Silvia and Ross-Lonergan, Mark",
            title="U(1)' mediated decays of heavy sterile neutrinos in MiniBooNE",
            year=2019,
            use="the model: dark neutrinos with a heavy dark photon",
            arxiv="1808.02915",
            doi="10.1103/PhysRevD.99.071701",
            journal="Phys. Rev. D",
            volume="99",
            pages="071701",
        ),
        Citation(
            key="DarkNews:2022",
            authors="Abdullahi, Asli M. and Hoefken Zink, Jaime and Hostert, Matheus and Massaro, Daniele "
            "and Pascoli, Silvia",
            title="DarkNews: a Python-based event generator for heavy neutral lepton production in neutrino-nucleus "
            "scattering",
            year=2022,
            use="the phenomenology of upscattering and dark-neutrino decays",
            arxiv="2207.04137",
        ),
        Citation(
            key="MiniBooNE:2008",
            authors="Aguilar-Arevalo, A. A. and others",
            title="The Neutrino Flux prediction at MiniBooNE",
            year=2009,
            use="the flux of the Booster Neutrino Beam",
            arxiv="0806.1449",
            doi="10.1103/PhysRevD.79.072002",
            journal="Phys. Rev. D",
            volume="79",
            pages="072002",
        ),
        Citation(
            key="BMPT:2001",
            authors="Bonesini, M. and Marchionni, A. and Pietropaolo, F. and Tabarelli de Fatis, T.",
            title="On particle production for high energy neutrino beams",
            year=2001,
            use="meson production in the simulated NuMI beam",
            arxiv="hep-ph/0101163",
            doi="10.1007/s100520100656",
            journal="Eur. Phys. J. C",
            volume="20",
            pages="13-27",
        ),
        Citation(
            key="MicroBooNE:2025",
            authors="Abdullahi, A. M. and others",
            title="First Search for Dark Sector e+e- Explanations of the MiniBooNE Anomaly at MicroBooNE",
            year=2026,
            use="the experimental search for dark neutrinos",
            arxiv="2502.10900",
            journal="Phys. Rev. Lett.",
            volume="136",
            pages="121804",
        ),
        Citation(
            key="DeVries:1987",
            authors="De Vries, H. and De Jager, C. W. and De Vries, C.",
            title="Nuclear charge-density-distribution parameters from elastic electron scattering",
            year=1987,
            use="the charge distributions of nuclei",
            doi="10.1016/0092-640X(87)90013-1",
            journal="Atom. Data Nucl. Data Tabl.",
            volume="36",
            pages="495-536",
        ),
        Citation(
            key="SmithMoniz:1972",
            authors="Smith, R. A. and Moniz, E. J.",
            title="Neutrino reactions on nuclear targets",
            year=1972,
            use="the Fermi gas of nucleons in nuclei",
            doi="10.1016/0550-3213(72)90040-5",
            journal="Nucl. Phys. B",
            volume="43",
            pages="605",
        ),
        Citation(
            key="Moniz:1971",
            authors="Moniz, E. J. and Sick, I. and Whitney, R. R. and Ficenec, J. R. and Kephart, R. D. and "
            "Trower, W. P.",
            title="Nuclear Fermi momenta from quasielastic electron scattering",
            year=1971,
            use="Fermi momenta and removal energies",
            doi="10.1103/PhysRevLett.26.445",
            journal="Phys. Rev. Lett.",
            volume="26",
            pages="445-448",
        ),
        Citation(
            key="Kelly:2004",
            authors="Kelly, J. J.",
            title="Simple parametrization of nucleon form factors",
            year=2004,
            use="the form factors of nucleons",
            doi="10.1103/PhysRevC.70.068202",
            journal="Phys. Rev. C",
            volume="70",
            pages="068202",
        ),
    )
}
ALWAYS = ("darkhorn", "NuHepMC:2023", "DeVries:1987")
_MODEL = ("Bertuzzo:2018", "Ballett:2018", "DarkNews:2022")


def nucleon_references(physics: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys of what scattering on nucleons rests on, from the section `physics` of a resolved card."""
    if not any(regime != "coherent" for regime in physics.get("regimes", ())):
        return ()
    gas = ("SmithMoniz:1972", "Moniz:1971") if physics.get("incoherent") == "fermi-gas" else ()
    return (*gas, *(("Kelly:2004",) if physics.get("nucleon_form_factors") == "kelly" else ()))


def citations_for(what: Header | Iterable[str]) -> list[Citation]:
    """References for a run (by its card and detector) or for a list of keys.

    Raises InputError for a key that is not known.
    """
    if not isinstance(what, Header):
        keys = list(what)
        for key in keys:
            if key not in CITATIONS:
                raise InputError("citation", key, ", ".join(CITATIONS), did_you_mean(key, list(CITATIONS)))
        return [CITATIONS[key] for key in dict.fromkeys(keys)]
    keys = [*ALWAYS, *(str(c["key"]) for c in what.citations if c.get("key") in CITATIONS)]
    card = what.card_resolved
    model, source = card.get("model", {}), card.get("source", {})
    if "dark-neutrino" in str(model.get("name", "")) or any("zprime" in t.name for t in what.topologies):
        keys += _MODEL
    beam = source.get("beam") or what.extra.get("rays", {}).get("header", {}).get("beam", "")
    if beam == "bnb":
        keys.append("MiniBooNE:2008")
    if str(beam).startswith("numi"):
        keys.append("BMPT:2001")
    if str(what.detector.get("name", "")) == "microboone":
        keys.append("MicroBooNE:2025")
    keys += nucleon_references(card.get("physics", {}))
    return [CITATIONS[key] for key in dict.fromkeys(keys)]


def bibtex(citations: Iterable[Citation]) -> str:
    """A BibTeX file."""
    return "\n\n".join(citation.bibtex for citation in citations) + "\n"
