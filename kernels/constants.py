"""Physical constants in GeV, cm, ns: value and source, each once.

Particle Data Group: S. Navas et al., Phys. Rev. D 110 (2024) 030001. CODATA: 2018 adjustment.
"""

import math

ALPHA = 1 / 137.035999  # fine-structure constant, q^2 = 0; CODATA 2018, rounded as in the dark-neutrino literature
ELECTRIC_CHARGE = math.sqrt(4 * math.pi * ALPHA)  # e = 0.302822
HBAR_C = 1.973269804593e-14  # GeV cm, exact in the SI but for rounding
HBAR_C_FM = 0.1973269804593  # GeV fm
SPEED_OF_LIGHT = 29.9792458  # cm / ns, exact
HBAR_C_SQUARED = HBAR_C**2 * 1e38  # GeV^2 (1e-38 cm^2): cross sections in GeV^-2 times this are in 1e-38 cm^2

AVOGADRO = 6.02214076e23  # per mol, exact
ATOMIC_MASS_UNIT = 0.93149410242  # GeV, CODATA 2018

MASS_ELECTRON = 0.00051099895000  # GeV, CODATA 2018
MASS_MUON = 0.1056583755
MASS_TAU = 1.77693
MASS_PROTON = 0.93827208816  # CODATA 2018
MASS_NEUTRON = 0.93956542052
MASS_PION = 0.13957039
MASS_KAON = 0.493677
MASS_CHARM, MASS_BOTTOM = 1.2730, 4.183  # MS-bar at their own scale, PDG 2024; they enter loops only
MASS_TOP, MASS_W = 172.57, 80.3692  # PDG 2024
MASS_NEUTRAL_PION = 0.1349768
MASS_ETA = 0.547862
MASS_NEUTRAL_KAON = 0.497611
MASS_LAMBDA = 1.115683

FERMI_CONSTANT = 1.1663788e-5  # GeV^-2, PDG 2024
MASS_Z = 91.1880  # PDG 2024
# Weak mixing angle at zero momentum transfer, MS-bar (PDG 2024, electroweak review): the scale of all scattering here.
SIN2_THETA_W = 0.23863
# (g / 2 cos theta_W) of a neutral-current vertex: (g / 2 c_W)^2 = sqrt(2) G_F m_Z^2
WEAK_NEUTRAL_COUPLING = math.sqrt(math.sqrt(2) * FERMI_CONSTANT) * MASS_Z

MAGNETIC_MOMENT_PROTON = 2.792847  # nuclear magnetons, PDG 2024
MAGNETIC_MOMENT_NEUTRON = -1.913043
AXIAL_COUPLING = 1.2754  # g_A, PDG 2024
# Higgs boson and nucleon: f_N m_N/v. M. Hoferichter et al., Phys. Rev. Lett. 119 (2017) 181803: 0.308 +- 0.018
HIGGS_NUCLEON = 0.308
HIGGS_VEV = 1 / math.sqrt(math.sqrt(2) * FERMI_CONSTANT)  # 246.22 GeV
DIPOLE_VECTOR_MASS = 0.843  # GeV: G_D = (1 + Q^2 / M_V^2)^-2, the usual dipole, M_V^2 = 0.71 GeV^2
DIPOLE_AXIAL_MASS = 1.026  # GeV, world average of bubble-chamber data: V. Bernard et al., J. Phys. G 28 (2002) R1
