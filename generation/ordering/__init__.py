"""The form "New pictures", as page and as command: checking, freezing and placing orders.

Uses `engines`, `pictures` and `making`. Begin with `orders`.
"""
