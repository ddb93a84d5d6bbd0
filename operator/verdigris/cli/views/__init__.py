"""Values as lines of a terminal, of any size and kind. PURE."""
