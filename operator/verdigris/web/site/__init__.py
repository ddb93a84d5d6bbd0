"""Answers requests whatever carries them: who is it, what is asked, which page. It knows no server and no cluster."""
