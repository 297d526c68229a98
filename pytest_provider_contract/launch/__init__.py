"""A stand-in for the provider's own API, so that an operator's launch code can be tested without the provider."""
