"""What packing is given as a path: from a file or folder of somebody's to the fitted pipeline. Nothing that serves."""
