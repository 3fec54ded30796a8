"""The pages on which a part of a picture is made anew: mend something, or make the picture larger on a side."""
