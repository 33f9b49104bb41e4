"""Frames to predict, from wherever they come: a video file, an image, a folder of images, a camera, an array.

source.py      open_input: which of the sources below a user's argument names
frames.py      Frame and VideoInput, what every source gives
video_file.py  a video file, decoded past what is damaged
images.py      a folder of images, or one image file, which may hold several images
camera.py      a camera by its index
arrays.py      frames in memory
"""
