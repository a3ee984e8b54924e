"""Networks neuron by neuron, feature spaces, curves."""
