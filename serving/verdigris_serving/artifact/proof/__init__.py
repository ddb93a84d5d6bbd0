"""The proof that a packed model answers as its pipeline does: what is asked, what the pipeline says, the comparison."""
