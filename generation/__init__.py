"""Asking for pictures and everything that follows: engines, orders, making, previews of styles, the gallery.

Stands on `styles` and the kernel and knows nothing of trainings. Each room may use those before it: `engines`,
`pictures`, `making`, `ordering`, then `previews` and `gallery` beside each other. Begin with `pictures.models`.
"""
