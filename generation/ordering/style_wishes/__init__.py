"""What styles ask for besides their LoRA: a checkpoint of their own, a transparent ground."""
