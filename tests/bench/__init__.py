"""The serving benchmark's logic: reading, judging, drawing. No server of anybody's is started."""
