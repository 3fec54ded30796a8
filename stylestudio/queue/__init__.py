"""The queue page: the jobs of every kind, with the engines that work on them.

It knows kinds of jobs and the frame of a page, and no app. `views.queue` is the page; `rows` says which jobs it shows.
"""
