"""What a prediction leaves: poses as JSON and CSV, a summary, and an annotated video.

files.py    one entry per frame, first in a journal, then in poses.json and poses.csv
folder.py   the folder of a run: its results, its unfinished state, and what may be overwritten
summary.py  how long each joint was hidden, in numbers and in words
drawing.py  a pose drawn on a frame
overlay.py  the annotated frame: poses colored by confidence, the relation beside the image
webm.py     frames written as .webm
"""
