"""Estimates with limits, in the standard library's arithmetic: the default image has no numpy.

Pure: numbers in, numbers out. Nothing here knows of files, models or thresholds.
"""
