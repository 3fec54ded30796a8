"""What styles are for, such as interfaces or effects, and what is usual for pictures of that kind."""
