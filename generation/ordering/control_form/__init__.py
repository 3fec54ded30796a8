"""What holds the form of new pictures, and how their reference is fitted: the fields, what follows from them, pages."""
