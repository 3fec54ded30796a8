"""Datasets: taking pictures in, their captions, the training plan, and giving them out."""
