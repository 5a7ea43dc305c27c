"""The BROJA optimum with a certificate: a convex problem in p(y|x), solved without a network."""
