"""What engines write: texts about pictures, for whoever asks, and translations of prompts, as jobs of a worker.

Begin with `translating`, the life of a translation.
"""
