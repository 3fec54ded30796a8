"""What stands between the world and Django: private files, headers, limits, proxies, failures told in words.

Uses `media`, `database` and `host`. Begin with `middleware`, then `serving`.
"""
