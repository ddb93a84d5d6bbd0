"""`make demo`: the main job on a real cluster, through the public way in. It tells and measures; it decides nothing."""
