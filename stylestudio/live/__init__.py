"""What open pages hear: the publisher, the hub, the page's one socket, and what surrounds every page.

Uses `jobs` and `people`. Begin with `publisher`.
"""
