"""Pictures of a recorded graph: its values falling, its gradients climbing."""
