"""What people keep of the pictures: favourites and stars of their own, the team's average, and boards.

Uses `pictures`; the gallery stands above it. Begin with `models`, then `marks` and `boards`, the verbs. They take many
pictures at once, leave out those that the person may not see, and return what they changed, so that it can be undone:

- `marks.set_favourite(person, pictures, True)` and `marks.set_stars(person, pictures, 4)` return the `Marks` of before
  by the key of the picture; `marks.put_back(person, those)` undoes either.
- `boards.add(person, board, pictures)` returns the keys of those that are new on the board, which `boards.remove` takes
  away again; `boards.remove(person, board, pictures)` returns their places, which `boards.put_back` fills again.

Each works in transactions of `SLICE` pictures. Work that shows progress hands over that many at a time.
"""
