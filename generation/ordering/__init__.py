"""The form "New pictures", by page and by command: what may be asked for, checked, frozen and placed.

Uses `engines`, `pictures` and `making`. Begin with `orders`.
"""
