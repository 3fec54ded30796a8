"""Workers make pictures: who is next, one attempt on its engine, storing, and what follows when something fails.

Uses `engines` and `pictures`. Begin with `runner`, then `claim` and `recovery`.
"""
