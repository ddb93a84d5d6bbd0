"""One module a verb: ask kubectl, hand what it says to `model` and `views`, print, and return an exit code."""
