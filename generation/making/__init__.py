"""The workers' part of making pictures: choosing the next one, one attempt on an engine, storing, and recovery.

Uses `engines` and `pictures`. Begin with `runner`, then `claim` and `recovery`.
"""
