"""What happens to pictures and captions between being dropped and being trained on."""
