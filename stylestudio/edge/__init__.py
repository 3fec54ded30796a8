"""Everything between the network and Django: private files, headers, limits, proxies, failures put into words.

Uses `media`, `database` and `host`. Begin with `middleware`, then `serving`.
"""
