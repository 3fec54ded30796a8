"""Image generation: engines, orders, making pictures, previews of styles and the gallery.

Uses `styles` and the kernel and knows nothing of trainings. Each room may use those before it: `engines`, `pictures`,
`making`, `ordering`, `trash`, then `previews` and `gallery` side by side. Begin with `pictures.models`.
"""
