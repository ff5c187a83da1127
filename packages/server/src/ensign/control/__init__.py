"""The control plane: who may change what applications see, and the proof of it."""
