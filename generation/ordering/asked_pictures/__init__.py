"""The pictures that a recipe asks for besides the one to start from: their fields in a form, and where they stand."""
