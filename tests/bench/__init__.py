"""The serving benchmark's logic: reading, judging, drawing. No server of ours or of the peers is started."""
