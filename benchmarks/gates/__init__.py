"""How often the gates are wrong: simulated data sets whose truth is known, judged by the gates' own code."""
