__version__: str

from .config import PRESETS as PRESETS
from .config import EstimatorConfig as EstimatorConfig
from .config import make_config as make_config
from .decomposition import Decomposition as Decomposition
from .decomposition import decompose as decompose
from .estimation import estimate as estimate
from .estimators.batch.projection import project as project
from .estimators.batch.sinkhorn import Coupling as Coupling
from .estimators.batch.sinkhorn import log_kernel as log_kernel
from .exact_decomposition import ExactDecomposition as ExactDecomposition
from .exact_decomposition import broja as broja
from .exact_decomposition import exact as exact
from .information import Atoms as Atoms
from .information import AtomsInBits as AtomsInBits
from .information import InformationTerms as InformationTerms
from .information import TermsInBits as TermsInBits
from .information import atoms_from_terms as atoms_from_terms
from .information import bits_from_nats as bits_from_nats
from .information import coupling_loss as coupling_loss
from .information import information_terms as information_terms
from .information import source_information as source_information
from .problems.probabilities import option_probabilities as option_probabilities
from .results.solution import Result as Result
