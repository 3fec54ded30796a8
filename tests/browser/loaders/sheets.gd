# Loads the resources of a sheet, prints what Godot says of them, and draws every frame onto clear ground.
extends Node

func _ready() -> void:
	var asked: Dictionary = JSON.parse_string(FileAccess.get_file_as_string("res://asked.json"))
	var sheets := []
	for path: String in asked["pictures"]:
		# The editor imports pictures; here one takes the place of what it makes.
		var image := Image.new()
		image.load_png_from_buffer(FileAccess.get_file_as_bytes(path))
		var sheet := ImageTexture.create_from_image(image)
		sheet.take_over_path(path)
		sheets.append(sheet)
	var views := {}
	for path: String in asked["frames"]:
		views[path] = view_of(load(path))
	if asked["animations"]:
		var moving: SpriteFrames = load(asked["animations"])
		for title in moving.get_animation_names():
			var number := moving.get_frame_count(title)
			say("animation", [title, moving.get_animation_speed(title), moving.get_animation_loop(title), number])
			for at in number:
				views["%s %d" % [title, at]] = view_of(moving.get_frame_texture(title, at))
	await RenderingServer.frame_post_draw
	await RenderingServer.frame_post_draw
	for path: String in views:
		var image: Image = views[path].get_texture().get_image()
		image.convert(Image.FORMAT_RGBA8)
		say("frame", [path, image.get_width(), image.get_height(), Marshalls.raw_to_base64(image.get_data())])
	say("end", [])
	get_tree().quit()

func say(kind: String, facts: Array) -> void:
	print("%s %s" % [kind, JSON.stringify(facts)])

# A view as large as the frame, in which a sprite replaces what is behind it.
func view_of(texture: AtlasTexture) -> SubViewport:
	var shader := Shader.new()
	shader.code = "shader_type canvas_item; render_mode unshaded, blend_disabled;"
	var sprite := Sprite2D.new()
	sprite.material = ShaderMaterial.new()
	sprite.material.shader = shader
	sprite.texture = texture
	sprite.centered = false
	var view := SubViewport.new()
	view.size = texture.get_size()
	view.transparent_bg = true
	view.render_target_update_mode = SubViewport.UPDATE_ALWAYS
	view.canvas_item_default_texture_filter = Viewport.DEFAULT_CANVAS_ITEM_TEXTURE_FILTER_NEAREST
	view.add_child(sprite)
	add_child(view)
	return view
