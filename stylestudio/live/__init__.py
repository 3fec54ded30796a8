"""Live updates of open pages: the publisher, the hub, the page's one socket, and the frame around every page.

Uses `jobs` and `people`. Begin with `publisher`.
"""
