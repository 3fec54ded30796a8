"""Style, script and icons: prepared under new names when the web process starts, and served beside Django.

Begin with `prepared`.
"""
