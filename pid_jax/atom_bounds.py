"""Flat names for the ends of every atom's certified interval, for tables and plots."""

from pid_jax.information import AtomsInBits


class AtomBounds:
    """Names for the ends of the intervals, bits: `synergy_low_bits` is `low.synergy`."""

    low: AtomsInBits
    high: AtomsInBits

    @property
    def redundancy_low_bits(self) -> float:
        """Certified lower bound on the redundancy, bits."""
        return float(self.low.redundancy)

    @property
    def redundancy_high_bits(self) -> float:
        """Certified upper bound on the redundancy, bits."""
        return float(self.high.redundancy)

    @property
    def unique1_low_bits(self) -> float:
        """Certified lower bound on the atom unique to source 1, bits."""
        return float(self.low.unique1)

    @property
    def unique1_high_bits(self) -> float:
        """Certified upper bound on the atom unique to source 1, bits."""
        return float(self.high.unique1)

    @property
    def unique2_low_bits(self) -> float:
        """Certified lower bound on the atom unique to source 2, bits."""
        return float(self.low.unique2)

    @property
    def unique2_high_bits(self) -> float:
        """Certified upper bound on the atom unique to source 2, bits."""
        return float(self.high.unique2)

    @property
    def synergy_low_bits(self) -> float:
        """Certified lower bound on the synergy, bits."""
        return float(self.low.synergy)

    @property
    def synergy_high_bits(self) -> float:
        """Certified upper bound on the synergy, bits."""
        return float(self.high.synergy)
